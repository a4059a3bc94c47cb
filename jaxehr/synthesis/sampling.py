"""Drawing many records in batches of one shape, each from a key of its own."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.data import DataError, listed
from jaxehr.numerics import in_float32
from jaxehr.synthesis.view import View
from jaxehr.training.packed import unpacked
from jaxehr.training.progress import progress
from jaxehr.training.sharding import by_row, mesh_of, replicated
from jaxehr.types import Grid, Key, Known, Model, Params, Sampler, X

log = logging.getLogger(__name__)

FEWEST, LOOKED_AT = 1000, 4096  # one draw in so many must do, of as many at least


# (its params, x) -> the probability with which a draw x is kept; its parameters
KeptBy = tuple[Callable[[Params, X], Any], Params]


class Given(NamedTuple):
    """What records are drawn under.

    known       what is given of the cells, of one record for all
    meets       (cells of the static table) -> which rows meet the conditions that are no cell's value; the others are
                drawn anew
    written     values that stand in every row as they were given
    said        all of it in words
    often       the wishes that are known in every draw, and that draws without them may be too
    """

    known: KnownParts | None
    meets: Callable[[pd.DataFrame], np.ndarray]
    written: Mapping[str, pd.Series]
    said: str
    often: Mapping[str, Any]


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
        chance, looked = (None, None) if self.look is None else self.look
        x, kept = _draw_batch(
            self.params,
            looked,
            key,
            *jax.device_put(
                (
                    jnp.asarray(indices[at], jnp.uint32),
                    jax.tree.map(lambda part: part[at], known),
                ),
                by_row(mesh),
            ),
            draw=self.model.draw,
            holds=None if self.model.possible is None else self.model.possible.holds,
            sampler=self.sampler,
            grid=None if self.grid is None else tuple(float(t) for t in np.asarray(self.grid)),
            chance=chance,
            **({} if self.guidance is None else {"guidance": np.float32(self.guidance)}),
        )
        x, kept = jax.tree.map(lambda part: np.asarray(part)[: len(indices)], (x, kept))
        if not all(np.isfinite(part).all() for part in jax.tree.leaves(x)):
            raise DataError(
                "some draws are no finite numbers: the sampler breaks down on this grid; "
                "take more steps, or another sampler"
            )
        return x, kept

    def batches(self, key: Key, size: int, known: KnownParts | None = None) -> Iterator[Parts]:
        """Those that are kept of records 0, 1, 2, ... without end, each given the one row that is known.

        Raises ValueError if size < 1; DataError if hardly any is possible.
        """
        if size < 1:
            raise ValueError(f"the records of a batch must be at least 1; got {size}")
        drawn = left = 0
        while True:
            parts, kept = self.batch(key, np.arange(drawn, drawn + size), known)
            drawn, left = drawn + size, left + int(kept.sum())
            possible = self.model.possible
            if possible is not None and drawn >= LOOKED_AT and left < drawn / FEWEST:
                raise DataError(
                    f"of {drawn:,} patients drawn all but {left:,} {possible.fault}; {possible.way}"
                )
            yield {name: part[kept] for name, part in parts.items()}


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


def draw_records(
    drawer: Drawer, key: Key, n: int, *, given: Given | None = None, batch_size: int = 1024
) -> Iterator[Any]:
    """n records, a batch at a time. Draw i has the key fold_in(key, i).

    Where there are codes alone, a patient without any has no line in their file; a row that breaks a constraint of the
    schema is none that can be, and one that misses a condition is not asked for: such draws are left out, and more are
    made until there are n. Each record is a draw of its own, and which are kept depends on their own keys alone. The
    share left out for what cannot be is logged, and that of a condition that few meet.

    Raises ValueError if n or batch_size < 1; DataError if hardly any draw can be kept.
    """
    if n < 1:
        raise ValueError(f"the number of records to draw must be at least 1; got {n}")
    codec = drawer.codec
    known = None if given is None else given.known
    kept = drawn = met = good = tries = 0
    for parts in drawer.batches(key, batch_size, known):
        tries += batch_size
        if not len(parts["bit"]):
            continue
        drawn += len(parts["bit"])
        cells, meets = _decoded(codec, parts, given)
        holds = meets & codec.exist(parts) & ~codec.schema.broken(cells)
        met, good = met + int(meets.sum()), good + int(holds.sum())
        if drawn >= LOOKED_AT and good < drawn / FEWEST:
            raise DataError(_hardly_any(codec, given, drawn, met, good))
        rows = np.flatnonzero(holds)[: n - kept]
        if len(rows):
            those = {kind: part[rows] for kind, part in parts.items()}
            yield codec.assembled(cells.iloc[rows].reset_index(drop=True), those, first=kept)
        kept += len(rows)
        if kept >= n:
            break
    possible = drawer.model.possible
    if possible is not None and drawn < tries:
        share = 100 * (tries - drawn) / tries
        log.warning("%.2f%% of the draws %s and were drawn anew", share, possible.fault)
    _say(codec, given, drawn, met, good)


def _decoded(codec: Codec, parts: Parts, given: Given | None) -> tuple[pd.DataFrame, np.ndarray]:
    """(the cells of the static table, which rows meet the conditions)."""
    n = len(parts["bit"])
    if given is None:
        return codec.cells(parts), np.ones(n, bool)
    if given.known is None:
        cells = codec.cells(parts)
        return cells, given.meets(cells)
    high = {name: np.resize(rows, n) for name, rows in given.known.from_high.items()}
    cells = codec.cells(parts, high)
    written = {name: value.repeat(n).set_axis(cells.index) for name, value in given.written.items()}
    cells = cells.assign(**written)
    return cells, given.meets(cells) & codec.possible(parts, high)


def _places(known: KnownParts, indices: np.ndarray) -> np.ndarray:
    """Which row of what is known belongs to which record."""
    rows = len(known.filled)
    return np.zeros(len(indices), int) if rows == 1 else np.arange(rows)


def _say(codec: Codec, given: Given | None, drawn: int, met: int, good: int) -> None:
    if good < met:
        alone, event = "static" not in codec.parts, "code" if codec.series is None else "event"
        fault = f"had no {event} at all" if alone else "broke a constraint of the schema"
        log.warning("%.2f%% of the draws %s and were drawn anew", 100 * (met - good) / met, fault)
    if given is not None and met < drawn / 10:
        log.warning("1 in %d draws has %s; the others were drawn anew", drawn / met, given.said)


def _hardly_any(codec: Codec, given: Given | None, drawn: int, met: int, good: int) -> str:
    if "static" not in codec.parts:
        event = "code" if codec.series is None else "event"
        return (
            f"of {drawn:,} patients drawn only {good:,} have any {event}; train for more steps, "
            "or draw the bits with posterior_sigma"
        )
    if given is not None and met < drawn / FEWEST:
        return (
            f"of {drawn:,} patients drawn {met or 'none'} {'have' if met > 1 else 'has'} {given.said}; "
            "there is nothing to go by: ask for a wider range"
        )
    laws = listed(codec.schema.constraints)
    asked = f" that have {given.said}" if given is not None else ""
    way = "ask for what can be beside them" if asked else "train for more steps"
    return f"of {met:,} rows drawn{asked} only {good:,} keep the constraints ({laws}); {way}"


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
