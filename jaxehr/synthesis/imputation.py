"""Missing cells filled in with draws, given those that are there."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.codecs.columns import Category, Constant, Flag
from jaxehr.data import DataError, Records, listed, records_of, table_of
from jaxehr.data.records import check_joined
from jaxehr.synthesis import series
from jaxehr.synthesis.held import TRIES, rows_that_hold
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    """The cells of the table, missing where they are to be filled in, all that is known of the subjects, and of a
    series [n, step, variable] what is to be filled in."""

    cells: pd.DataFrame
    known: KnownParts
    asked: np.ndarray | None

    @property
    def pending(self) -> np.ndarray:
        rows = self.cells.isna().any(axis=1).to_numpy()
        return np.flatnonzero(rows if self.asked is None else rows | self.asked.any(axis=(1, 2)))


def imputed(
    drawer: Drawer,
    key: Key,
    data: Any,
    *,
    variables: Sequence[Any],
    unseen_as_missing: bool,
    batch_size: int,
) -> Any:
    """See `Synthesizer.impute`."""
    codec, records = drawer.codec, _checked(drawer.codec, data)
    wanted = _wanted(codec, records, variables, unseen_as_missing)
    _say_what_is_broken(wanted.cells, codec)
    cells, drawn = [wanted.cells.iloc[:0]], []
    for held in rows_that_hold(
        drawer,
        key,
        wanted.known,
        wanted.pending,
        partial(_judged, codec, wanted.cells),
        total=len(wanted.cells),
        batch_size=batch_size,
    ):
        cells.append(held.cells.set_axis(held.rows))
        if wanted.asked is not None:
            drawn.append(series.cells_of(codec, held, wanted.asked[held.rows]))
    filled = _filled(pd.concat(cells), wanted, table_of(records), codec)
    if wanted.asked is None:
        events = records.events
    else:
        series.say_gaps(codec, records, wanted.asked)
        series.say_not_learnt(codec, records.events)
        events = series.with_drawn(codec, records, records.events, drawn)
    return series.as_it_came(data, filled, events)


def _wanted(
    codec: Codec, records: Records, variables: Sequence[Any], unseen_as_missing: bool
) -> _Wanted:
    """Refuses what cannot be filled in before anything is drawn."""
    if variables and codec.series is None:
        raise DataError("variables are those of a series, and the run learnt none; leave them out")
    static, columns = table_of(records), codec.columns
    given = static[[c.name for c in columns]].reset_index(drop=True)
    hidden = given.assign(**{c.name: _only_seen(given[c.name], c) for c in columns})
    unseen = (given.notna() & hidden.isna()).any(axis=None)
    if unseen_as_missing:
        given = hidden
    seen = given if records.events is None else given.assign(subject_id=list(static["subject_id"]))
    whole = Records(seen, records.events)
    try:
        known = codec.known_of(whole, variables=variables)
    except DataError as error:
        if unseen and not unseen_as_missing:
            way = "unseen_as_missing=True (--unseen-as-missing) draws another instead"
            raise DataError(f"{error}; {way}") from None
        raise
    return _Wanted(
        given, known, None if codec.series is None else codec.series.gaps(whole, variables)
    )


def _filled(
    drawn: pd.DataFrame, wanted: _Wanted, static: pd.DataFrame, codec: Codec
) -> pd.DataFrame:
    """The static table, its gaps filled in with the rows that were drawn."""
    given, left = wanted.cells, np.setdiff1d(wanted.pending, drawn.index)
    _say_what_is_left(left, codec)
    result = static.copy()
    if drawn.empty:
        return result
    # Rows without a gap may stand beside any draw: nothing of it is taken.
    drawn = drawn.iloc[np.maximum(drawn.index.get_indexer(given.index), 0)].set_axis(static.index)
    for name in given.columns:
        asked = given[name].isna().to_numpy() & ~given.index.isin(left)
        if asked.any():
            result[name] = static[name].where(~asked, drawn[name])
    return result


def _judged(
    codec: Codec, given: pd.DataFrame, rows: np.ndarray, known: KnownParts | None, parts: Parts
) -> tuple[pd.DataFrame, np.ndarray]:
    """(the cells given and drawn, which rows keep every constraint of which a cell was filled in)."""
    assert known is not None
    drawn, seen = codec.cells(parts, known.from_high), given.iloc[rows].reset_index(drop=True)
    whole = {c.name: seen[c.name].where(seen[c.name].notna(), drawn[c.name]) for c in codec.columns}
    cells = codec.kept(pd.DataFrame(whole, index=seen.index), seen.isna())
    holds = codec.possible(parts, known.from_high) & ~_broken(cells, codec, seen.isna())
    return cells, holds


def _checked(codec: Codec, data: Any) -> Records:
    """The records, those of a run of events alone with a table of their subjects. Raises DataError."""
    records = records_of(data)
    if codec.series is not None:
        return series.checked(codec, data)
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
    return records


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
