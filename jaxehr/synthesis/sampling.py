"""Drawing many records in batches of one shape, each from a key of its own."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.numerics import in_float32
from jaxehr.synthesis.records import check_finite
from jaxehr.synthesis.view import View
from jaxehr.training.packed import unpacked
from jaxehr.training.progress import progress
from jaxehr.training.sharding import by_row, mesh_of, replicated
from jaxehr.types import Grid, Key, Known, Model, Params, Possible, Sampler, X

# (its params, x) -> the probability with which a draw x is kept; its parameters
KeptBy = tuple[Callable[[Params, X], Any], Params]


class Drawer(NamedTuple):
    """What draws: a model with its parameters, and what turns x into records. A key and a number make a record."""

    model: Model
    params: Params
    codec: Codec
    view: View
    sampler: Sampler | None = None
    grid: Grid | None = None
    look: KeptBy | None = None
    guidance: float | None = None

    @in_float32
    def batch(
        self, key: Key, indices: np.ndarray, known: KnownParts | None = None
    ) -> tuple[Parts, np.ndarray]:
        """(the parts of these records, which of them are kept). `known` has a row for each, or one for all; what it
        knows comes back exactly."""
        rows = None if known is None else known.rows(_places(known, indices))
        x, kept = self.x(key, indices, None if rows is None else self.view.known(rows))
        parts = self.view.of_x(x)
        if rows is not None:  # x is float32
            parts = {n: np.where(rows.masks[n], rows.parts[n], part) for n, part in parts.items()}
        return parts, kept

    @in_float32
    def x(self, key: Key, indices: np.ndarray, known: Known | None = None) -> tuple[X, np.ndarray]:
        """(these records as the model has them, which of them are kept)."""
        mesh = mesh_of()
        padded = -(-len(indices) // mesh.size) * mesh.size
        at = np.resize(np.arange(len(indices)), padded)
        x, kept = self.program()(
            self.params,
            None if self.look is None else self.look[1],
            key,
            *jax.device_put(
                (
                    jnp.asarray(indices[at], jnp.uint32),
                    jax.tree.map(lambda part: part[at], known),
                ),
                by_row(mesh),
            ),
        )
        x, kept = jax.tree.map(lambda part: np.asarray(part)[: len(indices)], (x, kept))
        check_finite(x)
        return x, kept

    @property
    def possible(self) -> Possible | None:
        return self.model.possible

    def program(self) -> Callable[..., tuple[X, Any]]:
        """(params, those of the look, key, indices, known) -> (x of a batch, which are kept), jitted."""
        return partial(
            _draw_batch,
            draw=self.model.draw,
            holds=None if self.model.possible is None else self.model.possible.holds,
            sampler=self.sampler,
            grid=None if self.grid is None else tuple(float(t) for t in np.asarray(self.grid)),
            chance=None if self.look is None else self.look[0],
            **({} if self.guidance is None else {"guidance": np.float32(self.guidance)}),
        )


def drawer_of(
    model: Model,
    params: Params,
    codec: Codec,
    view: View,
    sampler: Sampler | None = None,
    grid: Grid | None = None,
    look: KeptBy | None = None,
    guidance: float | None = None,
) -> Drawer:
    """With the parameters on all devices."""
    whole = replicated(mesh_of())
    kept_by = None if look is None else (look[0], jax.device_put(look[1], whole))
    return Drawer(
        model, jax.device_put(params, whole), codec, view, sampler, grid, kept_by, guidance
    )


def drawn(drawer: Drawer, key: Key, n: int, *, like: X, batch_size: int = 1024) -> X:
    """n draws as the model has them, in the parts and dtypes of the rows `like`, whether or not they are kept."""
    dtypes: Any = jax.tree.map(lambda part: part.dtype, unpacked(like))
    blocks: list[dict[str, np.ndarray]] = []
    with progress("draws to look at", n) as advance:
        for start in range(0, n, batch_size):
            x: Any = drawer.x(key, np.arange(start, start + batch_size))[0]
            blocks.append({name: x[name].astype(dtype) for name, dtype in dtypes.items()})
            advance(min(start + batch_size, n))
    return {name: np.concatenate([block[name] for block in blocks])[:n] for name in dtypes}


def _places(known: KnownParts, indices: np.ndarray) -> np.ndarray:
    """Which row of what is known belongs to which record."""
    rows = len(known.filled)
    return np.zeros(len(indices), int) if rows == 1 else np.arange(rows)


@partial(jax.jit, static_argnames=("draw", "holds", "sampler", "grid", "chance"))
def _draw_batch(params, looked, key, indices, known, *, draw, holds, sampler, grid, chance, **more):
    """(x of a batch, which are kept); compiled once for each draw, sampler, grid and batch size, whatever `more` it is
    told that not every draw takes: its guidance."""

    def one(index, known):
        path = None if grid is None else np.asarray(grid)
        k = jax.random.fold_in(key, index)
        return draw(params, k, sampler=sampler, grid=path, known=known, **more).x

    x = jax.vmap(one)(indices, known)
    kept = jnp.ones(len(indices), bool) if holds is None else holds(x)
    if chance is None:
        return x, kept
    dice = jax.vmap(lambda i: jax.random.uniform(_apart(jax.random.fold_in(key, i))))(indices)
    return x, kept & (dice < chance(looked, x))


def _apart(key: Key) -> Key:
    """A key that no draw uses."""
    return jax.random.fold_in(key, 2**31)
