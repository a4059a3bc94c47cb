"""Patients as they are: what stands once for each of them, and what happened to them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from jaxehr.data.kinds import DataError

log = logging.getLogger(__name__)

# The columns of events that are looked at, by their names in MEDS; the last three may be absent.
EVENT_COLUMNS = ("subject_id", "code", "time", "numeric_value", "text_value")


@dataclass(frozen=True)
class Records:
    """Static facts and events of the same subjects; one of the two may be absent.

    static  one row per subject; it has a column subject_id where there are events too
    events  a row per event: subject_id and code, and where they are known time (null for what is always so),
            numeric_value and text_value, as MEDS names them

    Raises DataError where both are absent, or a column that joins them is.
    """

    static: pd.DataFrame | None = None
    events: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.static is None and self.events is None:
            raise DataError("records need a static table or events; got neither")
        if self.events is not None:
            lacking = [name for name in EVENT_COLUMNS[:2] if name not in self.events.columns]
            if lacking:
                raise DataError(
                    f"events need the columns subject_id and code; they lack {', '.join(lacking)} "
                    f"and have {', '.join(map(str, self.events.columns))}"
                )
            if self.static is not None and "subject_id" not in self.static.columns:
                raise DataError(
                    "the static table needs a column subject_id, which says whose the events are; "
                    f"it has {', '.join(map(str, self.static.columns))}"
                )

    def __len__(self) -> int:
        """Subjects."""
        if self.static is not None:
            return len(self.static)
        assert self.events is not None
        return self.events["subject_id"].nunique()


def records_of(data: pd.DataFrame | Records) -> Records:
    """A frame with subject_id and code is of events, any other is a static table."""
    if isinstance(data, Records):
        return data
    if set(EVENT_COLUMNS[:2]) <= set(data.columns):
        return Records(events=data)
    return Records(static=data)


def stacked(batches: Sequence[pd.DataFrame] | Sequence[Records]) -> pd.DataFrame | Records:
    """Batches of different subjects as one."""
    if not isinstance(batches[0], Records):
        return pd.concat(list(batches), ignore_index=True)
    parts = []
    for part in ("static", "events"):
        frames = [getattr(batch, part) for batch in batches]
        there = frames[0] is not None
        parts.append(pd.concat(frames, ignore_index=True) if there else None)
    return Records(*parts)


def table_of(data: pd.DataFrame | Records) -> pd.DataFrame:
    """The static table. Raises DataError where there are events alone."""
    static = records_of(data).static
    if static is None:
        raise DataError("codes have no missing cells: a code is there or not; this is for tables")
    return static


def same(one: pd.DataFrame | Records, other: pd.DataFrame | Records) -> bool:
    """Whether both hold the same rows in the same order."""
    a, b = records_of(one), records_of(other)
    pairs = ((a.static, b.static), (a.events, b.events))
    return all(x.equals(y) if x is not None and y is not None else x is y for x, y in pairs)


def check_joined(static: pd.DataFrame, events: pd.DataFrame) -> None:
    """Raises DataError for a subject that has no row in the static table, or two, or no name in either."""
    ids, theirs = static["subject_id"], events["subject_id"]
    if ids.isna().any() or theirs.isna().any():
        raise DataError("a row lacks its subject_id; correct or drop it")
    twice = ids[ids.duplicated()]
    if len(twice):
        raise DataError(
            f"the static table has {twice.nunique():,} subjects in more than one row, {twice.iloc[0]} for one; "
            "it takes one row per subject"
        )
    strange = theirs[~theirs.isin(ids)]
    if len(strange):
        raise DataError(
            f"{strange.nunique():,} subjects have events but no row in the static table, {strange.iloc[0]} for one; "
            "add their rows, or drop their events"
        )


def say_indices(records: Records, what: str) -> None:
    """Logs what becomes of an index that has a name, and so may be meant as a column."""
    for frame in (records.static, records.events):
        names = () if frame is None else frame.index.names
        if named := [repr(str(name)) for name in names if name is not None]:
            log.warning(
                "the index, %s, is %s: reset_index() makes it a column", ", ".join(named), what
            )
