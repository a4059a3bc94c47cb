"""Drawing many records in batches of one shape, each from a key of its own."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.data import Codec, parts_of
from jaxehr.training.sharding import by_row, data_mesh, replicated
from jaxehr.types import Grid, Key, Model, Params, Sampler


def draw_records(
    model: Model,
    params: Params,
    codec: Codec,
    key: Key,
    n: int,
    *,
    sampler: Sampler | None = None,
    grid: Grid | None = None,
    batch_size: int = 1024,
) -> Iterator[dict[str, np.ndarray]]:
    """The parts of n records, a batch at a time. Record i is drawn with fold_in(key, i).

    A patient without any code has no line in a file of codes, so for codes the draws go on until n patients have one;
    which of the draws are kept depends on their own keys alone.

    Raises ValueError if n < 1, or if hardly any draw has a code.
    """
    if n < 1:
        raise ValueError(f"the number of records to draw must be at least 1; got {n}")
    mesh = data_mesh()
    batch_size = -(-batch_size // mesh.size) * mesh.size
    params = jax.device_put(params, replicated(mesh))
    fixed = None if grid is None else tuple(float(t) for t in np.asarray(grid))
    kept = drawn = 0
    while kept < n:
        indices = jax.device_put(jnp.arange(drawn, drawn + batch_size), by_row(mesh))
        x = np.asarray(
            _draw_batch(params, key, indices, draw=model.draw, sampler=sampler, grid=fixed)
        )
        drawn += batch_size
        parts = parts_of(x, codec)
        if codec.schema.records == "codes":
            some = parts["bit"].any(axis=1)
            parts = {name: part[some] for name, part in parts.items()}
        parts = {name: part[: n - kept] for name, part in parts.items()}
        kept += len(parts["bit"])
        if kept < drawn / 100:
            raise ValueError(
                f"of {drawn:,} patients drawn only {kept:,} have any code; train for more steps, "
                "or draw the bits with posterior_sigma"
            )
        if len(parts["bit"]):
            yield parts


@partial(jax.jit, static_argnames=("draw", "sampler", "grid"))
def _draw_batch(params, key, indices, *, draw, sampler, grid):
    """x [batch, column]; compiled once for each draw, sampler, grid and batch size."""
    options = {} if sampler is None else {"sampler": sampler}
    if grid is not None:
        options["grid"] = np.asarray(grid)

    def one(index):
        return draw(params, jax.random.fold_in(key, index), **options).x

    return jax.vmap(one)(indices)
