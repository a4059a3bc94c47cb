"""Records of draws: as many as are asked for, of those that can be."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.data import DataError, listed
from jaxehr.types import Key, Possible, X

log = logging.getLogger(__name__)

FEWEST, LOOKED_AT = 1000, 4096  # one draw in so many must do, of as many at least


class Source(Protocol):
    """What draws: a key and a number make a record.

    batch   (key, numbers, what is known: a row for each, or one for all) -> (their parts, which of them are kept)
    """

    @property
    def codec(self) -> Codec: ...

    @property
    def possible(self) -> Possible | None: ...

    def batch(
        self, key: Key, indices: np.ndarray, known: KnownParts | None = None
    ) -> tuple[Parts, np.ndarray]: ...


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


def batches(
    source: Source, key: Key, size: int, known: KnownParts | None = None
) -> Iterator[Parts]:
    """Those that are kept of records 0, 1, 2, ... without end, each given the one row that is known.

    Raises ValueError if size < 1; DataError if hardly any is possible.
    """
    if size < 1:
        raise ValueError(f"the records of a batch must be at least 1; got {size}")
    drawn = left = 0
    while True:
        parts, kept = source.batch(key, np.arange(drawn, drawn + size), known)
        drawn, left = drawn + size, left + int(kept.sum())
        possible = source.possible
        if possible is not None and drawn >= LOOKED_AT and left < drawn / FEWEST:
            raise DataError(
                f"of {drawn:,} patients drawn all but {left:,} {possible.fault}; {possible.way}"
            )
        yield {name: part[kept] for name, part in parts.items()}


def check_finite(x: X) -> None:
    """Raises DataError for draws that are no numbers."""
    if not all(np.isfinite(part).all() for part in jax.tree.leaves(x)):
        raise DataError(
            "some draws are no finite numbers: the sampler breaks down on this grid; "
            "take more steps, or another sampler"
        )


def draw_records(
    source: Source, key: Key, n: int, *, given: Given | None = None, batch_size: int = 1024
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
    codec = source.codec
    known = None if given is None else given.known
    kept = drawn = met = good = tries = 0
    for parts in batches(source, key, batch_size, known):
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
    possible = source.possible
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
