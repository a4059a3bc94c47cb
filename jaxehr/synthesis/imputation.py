"""Missing cells filled in with draws, given those that are there."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs import CodesCodec, TableCodec
from jaxehr.codecs.columns import Category, Flag
from jaxehr.data import DataError, listed
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

log = logging.getLogger(__name__)

TRIES = 256  # draws of a row until it keeps the constraints


def imputed(
    drawer: Drawer, key: Key, data: pd.DataFrame, *, unseen_as_missing: bool, batch_size: int
) -> pd.DataFrame:
    """See `Synthesizer.impute`."""
    codec = drawer.codec
    if isinstance(codec, CodesCodec):
        raise DataError("codes have no missing cells: a code is there or not; impute is for tables")
    names = [column.name for column in codec.columns]
    absent = [name for name in names if name not in data.columns]
    if absent or data.empty:
        raise DataError(
            f"the data has no column {listed(map(repr, absent))}, which the run was trained on"
            if absent
            else "the data has no rows"
        )
    given = data[names].reset_index(drop=True)
    if unseen_as_missing:
        given = given.assign(**{c.name: _only_seen(given[c.name], c) for c in codec.columns})
    codec.known(given)  # refuses what it must before anything is drawn
    _say_what_is_broken(given, codec)
    pending = np.flatnonzero(given.isna().any(axis=1))
    if not len(pending):
        return data.copy()
    drawn = pd.concat(list(_rows_that_hold(drawer, key, given, pending, batch_size)))
    left = np.setdiff1d(pending, drawn.index)
    _say_what_is_left(left, codec)
    if drawn.empty:
        return data.copy()
    # Rows without a gap may stand beside any draw: nothing of it is taken.
    drawn = drawn.iloc[np.maximum(drawn.index.get_indexer(given.index), 0)].set_axis(data.index)
    result = data.copy()
    for name in names:
        asked = given[name].isna().to_numpy() & ~given.index.isin(left)
        if asked.any():
            result[name] = data[name].where(~asked, drawn[name])
    return result


def _rows_that_hold(
    drawer: Drawer, key: Key, given: pd.DataFrame, pending: np.ndarray, batch_size: int
) -> Iterator[pd.DataFrame]:
    """Of each row the first draw that keeps the constraints, by its number; a row of which no draw does is left out.

    Draw j of row i has the key fold_in(key, i + j n), whatever the batch.
    """
    size, tries = min(batch_size, len(pending)), 0
    while len(pending) and tries < TRIES:
        each = min(max(size // len(pending), 1), TRIES - tries)
        rows = np.repeat(pending, each)
        number = rows + len(given) * np.tile(np.arange(tries, tries + each), len(pending))
        for at in range(0, len(rows), size):
            frame = _drawn(drawer, key, given, rows[at : at + size], number[at : at + size], size)
            kept = frame[~frame.index.duplicated() & frame.index.isin(pending)]
            yield kept
            pending = np.setdiff1d(pending, kept.index)
        tries += each


def _drawn(
    drawer: Drawer, key: Key, given: pd.DataFrame, rows: np.ndarray, number: np.ndarray, size: int
) -> pd.DataFrame:
    """Draws of these rows, of which those are left out that break a constraint where a cell was filled in."""
    codec: Any = drawer.codec
    padded = np.resize(rows, size)  # batches of one shape are compiled once
    known = codec.known(given.iloc[padded].reset_index(drop=True))
    parts = drawer.batch(key, np.resize(number, size), known)
    drawn = codec.decode(parts, from_high=known.from_high)[: len(rows)].set_axis(rows)
    seen = given.iloc[rows].set_axis(rows)
    whole = {c.name: seen[c.name].where(seen[c.name].notna(), drawn[c.name]) for c in codec.columns}
    can_be = codec.possible(parts, known.from_high)[: len(rows)]
    return drawn[can_be & ~_broken(pd.DataFrame(whole), codec, seen.isna())]


def _broken(frame: pd.DataFrame, codec: TableCodec, asked: pd.DataFrame) -> np.ndarray:
    """Which rows break a constraint of which one cell at least is asked for."""
    found = np.zeros(len(frame), bool)
    for constraint in codec.schema.constraints:
        alone = replace(codec.schema, constraints=(constraint,))
        found |= alone.broken(frame) & asked[list(constraint.names)].any(axis=1).to_numpy()
    return found


def _say_what_is_broken(given: pd.DataFrame, codec: TableCodec) -> None:
    rows = np.flatnonzero(codec.schema.broken(given))
    if len(rows):
        log.warning(
            "%d rows break a constraint (%s) by what they hold already; what they lack is filled in all the same: %s",
            len(rows),
            _laws(codec),
            _named(rows),
        )


def _say_what_is_left(rows: np.ndarray, codec: TableCodec) -> None:
    if len(rows):
        log.warning(
            "%d rows are left as they are: beside what they hold, no draw of %d keeps the constraints (%s): %s",
            len(rows),
            TRIES,
            _laws(codec),
            _named(rows),
        )


def _laws(codec: TableCodec) -> str:
    return ", ".join(map(str, codec.schema.constraints))


def _named(rows: np.ndarray) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"rows {shown}{more} (the first is row 1)"


def _only_seen(values: pd.Series, column: Any) -> pd.Series:
    if not isinstance(column, Category | Flag):
        return values
    return values.where(values.isin([v for v in column.values if v is not None]))
