"""Missing cells filled in with draws, given those that are there."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts
from jaxehr.codecs.columns import Category, Constant, Flag
from jaxehr.data import DataError, Records, listed, records_of, table_of
from jaxehr.data.grid import refuse_series
from jaxehr.data.records import check_joined
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

log = logging.getLogger(__name__)

TRIES = 256  # draws of a row until it keeps the constraints
# Of these so many are looked at a second time: a row that nobody is like is filled in all the same.
LOOKS = 128


def imputed(
    drawer: Drawer, key: Key, data: Any, *, unseen_as_missing: bool, batch_size: int
) -> Any:
    """See `Synthesizer.impute`."""
    codec, records = drawer.codec, records_of(data)
    refuse_series(codec.schema.grid, "imputation")
    static = table_of(data)
    names = [column.name for column in codec.columns]
    absent = [name for name in names if name not in static.columns]
    if absent or static.empty:
        raise DataError(
            f"the data has no column {listed(map(repr, absent))}, which the run was trained on"
            if absent
            else "the data has no rows"
        )
    if (records.events is None) != (not codec.codes):
        raise DataError(
            "the run was trained on a table alone; the data has events"
            if records.events is not None
            else "the run was trained on events too, which say more of the missing cells; give them (Records)"
        )
    if records.events is not None:
        check_joined(static, records.events)
    given = static[names].reset_index(drop=True)
    hidden = given.assign(**{c.name: _only_seen(given[c.name], c) for c in codec.columns})
    unseen = (given.notna() & hidden.isna()).any(axis=None)
    if unseen_as_missing:
        given = hidden
    seen = given if records.events is None else given.assign(subject_id=list(static["subject_id"]))
    try:
        known = codec.known_of(Records(seen, records.events))  # refuses before anything is drawn
    except DataError as error:
        if unseen and not unseen_as_missing:
            way = "unseen_as_missing=True (--unseen-as-missing) draws another instead"
            raise DataError(f"{error}; {way}") from None
        raise
    _say_what_is_broken(given, codec)
    filled = _filled(drawer, key, _Wanted(given, known), static, batch_size)
    return filled if data is static else Records(filled, records.events)


class _Wanted(NamedTuple):
    """The cells of the table, missing where they are to be filled in, and all that is known of the subjects."""

    cells: pd.DataFrame
    known: KnownParts


def _filled(
    drawer: Drawer, key: Key, wanted: _Wanted, static: pd.DataFrame, batch_size: int
) -> pd.DataFrame:
    """The static table, its gaps filled in."""
    given = wanted.cells
    pending = np.flatnonzero(given.isna().any(axis=1))
    if not len(pending):
        return static.copy()
    drawn = pd.concat(list(_rows_that_hold(drawer, key, wanted, pending, batch_size)))
    left = np.setdiff1d(pending, drawn.index)
    _say_what_is_left(left, drawer.codec)
    if drawn.empty:
        return static.copy()
    # Rows without a gap may stand beside any draw: nothing of it is taken.
    drawn = drawn.iloc[np.maximum(drawn.index.get_indexer(given.index), 0)].set_axis(static.index)
    result = static.copy()
    for name in given.columns:
        asked = given[name].isna().to_numpy() & ~given.index.isin(left)
        if asked.any():
            result[name] = static[name].where(~asked, drawn[name])
    return result


def _rows_that_hold(
    drawer: Drawer, key: Key, wanted: _Wanted, pending: np.ndarray, batch_size: int
) -> Iterator[pd.DataFrame]:
    """Of each row the first draw that keeps the constraints, by its number; a row of which no draw does is left out.

    Draw j of row i has the key fold_in(key, i + j n), whatever the batch.
    """
    size, tries = min(batch_size, len(pending)), 0
    while len(pending) and tries < TRIES:
        end = LOOKS if tries < LOOKS else TRIES
        each = min(max(size // len(pending), 1), end - tries)
        rows = np.repeat(pending, each)
        number = rows + len(wanted.cells) * np.tile(np.arange(tries, tries + each), len(pending))
        for at in range(0, len(rows), size):
            seen = drawer if tries < LOOKS else drawer._replace(look=None)
            frame = _drawn(seen, key, wanted, rows[at : at + size], number[at : at + size], size)
            kept = frame[~frame.index.duplicated() & frame.index.isin(pending)]
            yield kept
            pending = np.setdiff1d(pending, kept.index)
        tries += each


def _drawn(
    drawer: Drawer, key: Key, wanted: _Wanted, rows: np.ndarray, number: np.ndarray, size: int
) -> pd.DataFrame:
    """Draws of these rows, of which those are left out that break a constraint where a cell was filled in."""
    codec = drawer.codec
    known = wanted.known.rows(np.resize(rows, size))  # batches of one shape are compiled once
    parts, looked = drawer.batch(key, np.resize(number, size), known)
    drawn = codec.cells(parts, known.from_high)[: len(rows)].set_axis(rows)
    seen = wanted.cells.iloc[rows].set_axis(rows)
    whole = {c.name: seen[c.name].where(seen[c.name].notna(), drawn[c.name]) for c in codec.columns}
    kept = codec.kept(pd.DataFrame(whole), seen.isna())
    can_be = (codec.possible(parts, known.from_high) & looked)[: len(rows)]
    return kept[can_be & ~_broken(kept, codec, seen.isna())]


def _broken(frame: pd.DataFrame, codec: Codec, asked: pd.DataFrame) -> np.ndarray:
    """Which rows break a constraint of which one cell at least is asked for."""
    found = np.zeros(len(frame), bool)
    for constraint in codec.schema.constraints:
        alone = replace(codec.schema, constraints=(constraint,))
        found |= alone.broken(frame) & asked[list(constraint.names)].any(axis=1).to_numpy()
    return found


def _say_what_is_broken(given: pd.DataFrame, codec: Codec) -> None:
    rows = np.flatnonzero(codec.schema.broken(given))
    if len(rows):
        log.warning(
            "%d rows break a constraint (%s) by what they hold already; what they lack is filled in all the same: %s",
            len(rows),
            _laws(codec),
            _named(rows),
        )


def _say_what_is_left(rows: np.ndarray, codec: Codec) -> None:
    if len(rows):
        log.warning(
            "%d rows are left as they are: beside what they hold, no draw of %d keeps the constraints (%s): %s",
            len(rows),
            TRIES,
            _laws(codec),
            _named(rows),
        )


def _laws(codec: Codec) -> str:
    return listed(codec.schema.constraints)


def _named(rows: np.ndarray) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"rows {shown}{more} (the first is row 1)"


def _only_seen(values: pd.Series, column: Any) -> pd.Series:
    inner = column.column if isinstance(column, Constant) else column
    if not isinstance(inner, Category | Flag):
        return values
    return values.where(values.isin([v for v in inner.values if v is not None]))
