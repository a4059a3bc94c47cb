"""Records as one table of events: what MEDS writes of them, and what they were."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.meds.columns import Kept
from jaxehr.data.meds.facts import STATIC, check_names, columns_of_codes, facts_of, kept_of
from jaxehr.data.meds.layout import SCHEMA, Origin
from jaxehr.data.records import Records

TIMELESS = np.iinfo(np.int64).min


class Told(NamedTuple):
    """A batch of records.

    table       subject (its place among `subjects`), time, code, numeric_value, text_value and other columns of the
                events; subject by subject, by time
    subjects    their ids; None where the records have none
    inexact     numeric values that float32 does not hold, and are rounded
    """

    table: pa.Table
    subjects: pd.Series | None
    origin: Origin
    inexact: int


def told(records: Records, origin: Origin | None = None) -> Told:
    """Of a batch, whose columns are told as in those before it. Raises DataError for what MEDS cannot hold."""
    static, events = records.static, records.events
    found = Origin(
        None if static is None else kept_of(static),
        None if events is None else tuple(Kept.of(events[name]) for name in events.columns),
        _attrs(static),
        _attrs(events),
    )
    origin = found if origin is None else origin.joined(found)
    subject, subjects = _subjects(static, events)
    tables, inexact = [], 0
    if static is not None:
        facts = [c for c in origin.static or () if c.name != "subject_id"]
        check_names(facts)
        table = facts_of(static, facts)
        row = table["row"].to_numpy()
        tables.append(table.drop_columns(["row"]).append_column("subject", [subject[row]]))
    if events is not None:
        table, inexact = _events(events, origin)
        if static is not None:
            _check_no_facts(table, origin)
        whose = subject[len(subject) - len(events) :]
        tables.append(table.append_column("subject", [whose]))
    table = pa.concat_tables(tables, promote_options="permissive")
    return Told(_in_order(table), subjects, origin, inexact)


def _attrs(frame: pd.DataFrame | None) -> dict:
    """How a file spelt the columns, which `read_records` notes."""
    found = {} if frame is None else frame.attrs
    return {key: found[key] for key in ("format", "missing") if key in found}


def _subjects(
    static: pd.DataFrame | None, events: pd.DataFrame | None
) -> tuple[np.ndarray, pd.Series | None]:
    """(the place of each row's subject, of the static table and then of the events; the subjects' ids)."""
    if events is None and static is not None and "subject_id" not in static:
        return np.arange(len(static)), None
    found = [_ids(frame) for frame in (static, events) if frame is not None]
    if len({Kept.of(ids).holds for ids in found if len(ids)}) > 1:
        raise DataError(
            f"subject_id is {found[0].dtype} in the static table and {found[1].dtype} in the events; make them alike"
        )
    if static is not None:
        twice = found[0][found[0].duplicated()]
        if len(twice):
            raise DataError(
                f"the static table has several rows of {twice.nunique():,} subjects, such as {twice.iloc[0]}; "
                "it has one row per subject"
            )
    subject, subjects = pd.factorize(pd.concat(found, ignore_index=True))
    return subject, pd.Series(subjects, name="subject_id")


def _ids(frame: pd.DataFrame) -> pd.Series:
    ids = frame["subject_id"]
    if ids.isna().any():
        raise DataError(f"{ids.isna().sum():,} of {len(ids):,} rows have no subject_id")
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return ids.astype(ids.cat.categories.dtype)
    return ids


def _events(events: pd.DataFrame, origin: Origin) -> tuple[pa.Table, int]:
    """(the columns but subject_id, numeric values that are rounded)."""
    made, inexact = {}, 0
    for column in origin.events or ():
        values, name = events[column.name], column.name
        if name == "time":
            made[name] = _times(values, column)
        elif name == "numeric_value":
            made[name], rounded = _numbers(values, column)
            inexact = int(rounded.sum())
        elif name in ("code", "text_value") or column.categories is not None:
            made[name] = column.texts(values)
        elif name != "subject_id":
            made[name] = pa.array(values, from_pandas=True)
    if made["code"].null_count:
        raise DataError(f"{made['code'].null_count:,} of {len(events):,} events have no code")
    return pa.table(made), inexact


def _times(values: pd.Series, column: Kept) -> pa.Array:
    if column.holds not in ("time", "nothing"):
        raise DataError(
            f"the events' time is {values.dtype}; make it datetime64, as pd.to_datetime does"
        )
    found = pa.array(values, from_pandas=True)
    try:
        zone = getattr(found.type, "tz", None)
        return found.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the events' time ({values.dtype}) has values that microseconds do not hold; "
            f"round them, as .dt.floor('us') does: {error}"
        ) from None


def _numbers(values: pd.Series, column: Kept) -> tuple[pa.Array, np.ndarray]:
    if column.holds not in ("number", "integer", "nothing"):
        raise DataError(f"the events' numeric_value is {values.dtype}; it holds numbers")
    numbers, inexact = column.numbers(values)
    lost = numbers.is_null().to_numpy(False) & values.notna().to_numpy()
    if lost.any():
        raise DataError(
            f"{lost.sum():,} numeric values are beyond float32, which MEDS holds, such as {values[lost].iloc[0]}"
        )
    return numbers, inexact


def _check_no_facts(events: pa.Table, origin: Origin) -> None:
    """That no event would be read as a cell of the static table."""
    timeless = (
        events if "time" not in events.column_names else events.filter(pc.is_null(events["time"]))
    )
    codes = timeless["code"].unique()
    which, _ = columns_of_codes(codes, [c for c in origin.static or () if c.name != "subject_id"])
    if (which >= 0).any():
        raise DataError(
            f"the code {codes[int(np.argmax(which >= 0))]} of an event without a time says what the static table "
            f"says; codes of {STATIC}// are its own: rename the code, or leave the table out"
        )


def _in_order(table: pa.Table) -> pa.Table:
    """By subject, then time; the columns of MEDS first."""
    n = len(table)
    for field in SCHEMA:
        if field.name not in ("subject_id", *table.column_names):
            table = table.append_column(field.name, pa.nulls(n, field.type))
    others = [name for name in table.column_names if name not in ("subject", *SCHEMA.names)]
    table = table.select(["subject", *SCHEMA.names[1:], *others])
    subject = table["subject"].to_numpy()
    time = table["time"].cast(pa.int64()).fill_null(TIMELESS).to_numpy()
    falls = (subject[1:] < subject[:-1]) | ((subject[1:] == subject[:-1]) & (time[1:] < time[:-1]))
    return table.take(pa.array(np.lexsort((time, subject)))) if falls.any() else table
