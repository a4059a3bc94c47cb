"""Drawing many records in batches of one shape, each from a key of its own."""

import logging
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxehr.data import Codec, Parts
from jaxehr.numerics import in_float32
from jaxehr.recipes.view import View
from jaxehr.training.sharding import by_row, data_mesh, replicated
from jaxehr.types import Grid, Key, Known, Model, Params, Sampler, X

log = logging.getLogger(__name__)


def draw_records(
    model: Model,
    params: Params,
    codec: Codec,
    view: View,
    key: Key,
    n: int,
    *,
    sampler: Sampler | None = None,
    grid: Grid | None = None,
    known: Known | None = None,
    batch_size: int = 1024,
) -> Iterator[pd.DataFrame]:
    """n records, a batch at a time. Record i is drawn with fold_in(key, i), and given row i mod m of the m known ones.

    A patient without any code has no line in a file of codes, and a row that breaks a constraint of the schema is none
    that can be: such draws are left out, and more are made until there are n. Which of the draws are kept depends on
    their own keys alone. The share left out for a constraint is logged.

    Raises ValueError if n or batch_size < 1, or if hardly any draw can be kept.
    """
    if n < 1:
        raise ValueError(f"the number of records to draw must be at least 1; got {n}")
    kept = good_ones = drawn = broken = 0
    batches = draw_batches(
        model, params, view, key, sampler=sampler, grid=grid, known=known, batch_size=batch_size
    )
    for parts in batches:
        drawn += len(parts["bit"])
        good = parts["bit"].any(axis=1) if codec.schema.records == "codes" else None
        if codec.schema.constraints:
            good = ~codec.schema.broken(codec.decode(parts))
            broken += int((~good).sum())
        if good is not None:
            parts = {name: part[good] for name, part in parts.items()}
        good_ones += len(parts["bit"])
        if good_ones < drawn / 100:
            raise ValueError(_hardly_any(codec, drawn, good_ones))
        parts = {name: part[: n - kept] for name, part in parts.items()}
        first, kept = kept, kept + len(parts["bit"])
        if kept > first:
            yield codec.decode(parts, first=first)
        if kept >= n:
            break
    if broken:
        log.warning(
            "%.2f%% of the draws broke a constraint of the schema and were drawn anew",
            100 * broken / drawn,
        )


def draw_batches(
    model: Model,
    params: Params,
    view: View,
    key: Key,
    *,
    sampler: Sampler | None = None,
    grid: Grid | None = None,
    known: Known | None = None,
    batch_size: int = 1024,
) -> Iterator[Parts]:
    """Parts of records 0, 1, 2, ... without end. Raises ValueError if batch_size < 1."""
    if batch_size < 1:
        raise ValueError(f"the records of a batch must be at least 1; got {batch_size}")
    mesh = data_mesh()
    batch_size = -(-batch_size // mesh.size) * mesh.size
    params = jax.device_put(params, replicated(mesh))
    fixed = None if grid is None else tuple(float(t) for t in np.asarray(grid))

    @in_float32
    def batch(indices: np.ndarray) -> X:
        given = None if known is None else _rows_of(known, indices)
        x = _draw_batch(
            params,
            key,
            *jax.device_put((jnp.asarray(indices), given), by_row(mesh)),
            draw=model.draw,
            sampler=sampler,
            grid=fixed,
        )
        return jax.tree.map(np.asarray, x)

    drawn = 0
    while True:
        yield view.of_x(batch(np.arange(drawn, drawn + batch_size)))
        drawn += batch_size


def _rows_of(known: Known, indices: np.ndarray) -> Known:
    rows = len(jax.tree.leaves(known)[0])
    return jax.tree.map(lambda leaf: leaf[indices % rows], known)


def _hardly_any(codec: Codec, drawn: int, kept: int) -> str:
    if codec.schema.records == "codes":
        return (
            f"of {drawn:,} patients drawn only {kept:,} have any code; train for more steps, "
            "or draw the bits with posterior_sigma"
        )
    laws = ", ".join(str(constraint) for constraint in codec.schema.constraints)
    return (
        f"of {drawn:,} rows drawn only {kept:,} keep the constraints ({laws}); train for more steps"
    )


@partial(jax.jit, static_argnames=("draw", "sampler", "grid"))
def _draw_batch(params, key, indices, known, *, draw, sampler, grid) -> X:
    """x of a batch; compiled once for each draw, sampler, grid and batch size."""

    def one(index, known):
        path = None if grid is None else np.asarray(grid)
        k = jax.random.fold_in(key, index)
        return draw(params, k, sampler=sampler, grid=path, known=known).x

    return jax.vmap(one)(indices, known)
