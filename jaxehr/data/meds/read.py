"""A MEDS dataset as Records."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.lives import say_outside_life
from jaxehr.data.meds.columns import Kept
from jaxehr.data.meds.facts import columns_of_codes, table_of
from jaxehr.data.meds.layout import (
    DATA,
    SCHEMA,
    SPLITS,
    Origin,
    own_ids,
    read_parquet_table,
    read_splits,
)
from jaxehr.data.records import Records
from jaxehr.files import before

log = logging.getLogger(__name__)

TIMELESS = np.iinfo(np.int64).min


def read_meds(folder: str | Path, *, split: str | None = None, more: Sequence[str] = ()) -> Records:
    """The events of all shards, subject by subject and by time; those without a time come first.

    MEDS holds events alone, and another's dataset is read as that: a null time says that something is always so. Where
    `write_meds` made it, the static table that was written with them is a table again, and every column what it was.

    split   only the subjects of this one: train, tuning, held_out
    more    further columns of the events to read, such as unit; others are left, and named in the log

    Raises DataError for a folder without events, a shard that is cut off or whose columns are not those of MEDS, and
    for ids beyond 64 bits. Subjects in several shards, events that are not sorted, and events before birth or after
    death are counted in the log, and kept.
    """
    folder = Path(folder)
    origin = Origin.load(folder)
    subjects = _subjects(folder, split)
    own = [c.name for c in origin.events or ()] if origin else []
    more = [name for name in dict.fromkeys([*more, *own]) if name not in SCHEMA.names]
    records = _records(folder, _in_order(folder, _tables(folder, more, subjects)), origin)
    if records.events is not None:
        say_outside_life(folder, records.events)
    return records


def shards(folder: Path) -> list[Path]:
    """Raises DataError where there is none."""
    if not folder.is_dir():
        aside = before(folder.absolute())
        hint = (
            f"; the one before it is {aside}, since a write was stopped" if aside.is_dir() else ""
        )
        raise DataError(f"no such folder: {folder}{hint}")
    data = folder / DATA
    if not data.is_dir():
        raise DataError(f"{folder} has no folder data/; a MEDS dataset has data/**/*.parquet")
    found = [
        path
        for path in sorted(data.rglob("*.parquet"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(data).parts)
    ]
    if not found:
        raise DataError(f"{data} has no file *.parquet; the shards of a MEDS dataset lie there")
    return found


def _subjects(folder: Path, split: str | None) -> pa.Array | None:
    """Those of the split; None for all, which the log says where there are several splits."""
    table = read_splits(folder)
    counts = {} if table is None else table["split"].to_pandas().value_counts().to_dict()
    said = ", ".join(f"{name} ({n:,})" for name, n in counts.items())
    if split is None:
        if len(counts) > 1:
            log.warning("%s: the subjects of every split are read: %s", folder, said)
        return None
    if table is None:
        raise DataError(f"{folder} has no metadata/{SPLITS}, which would say who is in '{split}'")
    if split not in counts:
        raise DataError(f"{folder} has no split '{split}'; it has {said}")
    mine = table.filter(pc.equal(table["split"], split))["subject_id"]
    return mine.combine_chunks().cast(pa.int64())


def _tables(folder: Path, more: Sequence[str], subjects: pa.Array | None) -> list[pa.Table]:
    tables, notes = [], set[str]()
    for path in shards(folder):
        table = _read_shard(path, more, notes)
        tables.append(
            table if subjects is None else table.filter(pc.is_in(table["subject_id"], subjects))
        )
    for note in sorted(notes):
        log.warning("%s: %s", folder, note)
    return tables


def _read_shard(path: Path, more: Sequence[str], notes: set[str]) -> pa.Table:
    """The columns wanted, in the types of `SCHEMA`; into `notes` goes what is left out or read otherwise."""
    table, names = read_parquet_table(path, [*SCHEMA.names, *more])
    lacking = [name for name in ("subject_id", "time", "code") if name not in names]
    if lacking:
        raise DataError(
            f"{path} lacks the column {' and '.join(lacking)}; it has {', '.join(names)}"
        )
    notes |= {f"not read: {name}" for name in names if name not in table.column_names}
    if not len(table):
        return _typed_nothing(table)
    zone = getattr(table.schema.field("time").type, "tz", None)
    if zone is not None:
        notes.add(f"times in the zone {zone} are read as UTC, without a zone")
    for i, name in enumerate(table.column_names):
        if name in TYPED:
            table = table.set_column(i, name, _typed(path, name, table[name]))
    return table


def _typed_nothing(table: pa.Table) -> pa.Table:
    """Of an empty shard, whatever types it has."""
    return pa.table({name: pa.array([], SCHEMA.field(name).type) for name in SCHEMA.names[:3]})


def _typed(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted, cast = TYPED[name]
    try:
        made = cast(column)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise DataError(
            f"{path}: column '{name}' ({column.type}) does not read as {wanted}: {str(error).splitlines()[0]}"
        ) from None
    if made is None:
        raise DataError(f"{path}: column '{name}' is {column.type}; MEDS wants {wanted}")
    if name in ("subject_id", "code") and made.null_count:
        raise DataError(f"{path}: {made.null_count:,} of {len(made):,} events have no {name}")
    return made


def _as_id(column: pa.ChunkedArray):
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else None


def _as_time(column: pa.ChunkedArray):
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz)).cast(pa.timestamp("us"))
    return column.cast(pa.timestamp("us")) if pa.types.is_date(kind) or kind == pa.null() else None


def _as_text(column: pa.ChunkedArray):
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    types = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    text = any(is_type(kind) for is_type in types) or kind == pa.null()
    return column.cast(pa.large_string()) if text else None


def _as_number(column: pa.ChunkedArray):
    kind = column.type
    if kind in (pa.float16(), pa.float32(), pa.null()):
        return column.cast(pa.float32())
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return column.cast(pa.float64()) if number else None


TYPED = {
    "subject_id": ("int64", _as_id),
    "time": ("timestamp[us]", _as_time),
    "code": ("string", _as_text),
    "numeric_value": ("float32", _as_number),
    "text_value": ("large_string", _as_text),
}


def _in_order(folder: Path, tables: list[pa.Table]) -> pa.Table:
    """The shards as one table, each subject in one piece and sorted by time; what this changes is logged."""
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{folder}: a column differs from shard to shard: {error}") from None
    shard = np.repeat(np.arange(len(tables)), [len(each) for each in tables])
    del tables
    if not len(table):
        raise DataError(f"{folder} has no events to read")
    subject, ids = pd.factorize(table["subject_id"].to_numpy())
    time = table["time"].cast(pa.int64()).fill_null(TIMELESS).to_numpy()
    same = (subject[1:] == subject[:-1]) & (shard[1:] == shard[:-1])
    begins = np.flatnonzero(np.r_[True, ~same])
    pieces = np.bincount(subject[begins], minlength=len(ids))
    pairs = np.unique(np.stack([subject[begins], shard[begins]]), axis=1)
    spread = np.bincount(pairs[0], minlength=len(ids)) > 1
    scattered = (pieces > 1) & ~spread
    falling = np.zeros(len(ids), bool)
    falling[subject[1:][same & (time[1:] < time[:-1])]] = True
    for wrong, what in (
        (spread, "are in more than one shard; their events are put together"),
        (scattered, "have their events in several places of a shard; they are put together"),
        (falling, "have events that are not sorted by time; they are sorted"),
    ):
        if wrong.any():
            n, first = f"{wrong.sum():,}", ids[wrong][0]
            log.warning("%s: %s subjects, such as %s, %s", folder, n, first, what)
    if not (spread.any() or scattered.any() or falling.any()):
        return table
    return table.take(pa.array(np.lexsort((time, subject))))


def _records(folder: Path, table: pa.Table, origin: Origin | None) -> Records:
    if origin is None:
        return Records(events=table.to_pandas(split_blocks=True))
    static = None
    if origin.static is not None:
        facts, table = _without_facts(table, origin)
        columns = [c for c in origin.static if c.name != "subject_id"]
        static = table_of(facts, columns)
        static["subject_id"] = _own(folder, static["subject_id"], origin.static)
        static = static[[c.name for c in origin.static]]
        static.attrs = dict(origin.static_attrs)
    if origin.events is None and not len(table):
        return Records(static)
    return Records(static, _events(folder, table, origin))


def _without_facts(table: pa.Table, origin: Origin) -> tuple[pa.Table, pa.Table]:
    """(events that are cells of the static table, the others)."""
    rows = np.flatnonzero(table["time"].is_null().to_numpy())
    codes = table["code"].take(pa.array(rows)).combine_chunks().dictionary_encode()
    columns = [c for c in origin.static or () if c.name != "subject_id"]
    which, _ = columns_of_codes(codes.dictionary, columns)
    rows = rows[which[codes.indices.to_numpy()] >= 0]
    rest = np.ones(len(table), bool)
    rest[rows] = False
    return table.take(pa.array(rows)), table.filter(pa.array(rest))


def _events(folder: Path, table: pa.Table, origin: Origin) -> pd.DataFrame:
    if origin.events is None:
        return table.to_pandas()
    made = {}
    for column in origin.events:
        found = table[column.name].combine_chunks() if column.name in table.column_names else None
        if found is None:
            raise DataError(f"{folder}: no shard has the column '{column.name}', which was written")
        made[column.name] = _event_column(found, column)
        table = table.drop_columns([column.name])  # a large dataset is held once
    events = pd.DataFrame(made, copy=False)
    events["subject_id"] = _own(folder, events["subject_id"], origin.events)
    events.attrs = dict(origin.events_attrs)
    return events


def _event_column(found: pa.Array, column: Kept) -> pd.Series:
    n, name = len(found), column.name
    if name == "numeric_value":
        return column.values(pa.nulls(n, pa.large_string()), found, None, n)
    if pa.types.is_large_string(found.type) or pa.types.is_string(found.type):
        return column.values(found, None, None, n)
    values = found.to_pandas()
    if name == "subject_id" or str(values.dtype) == column.dtype:
        return values
    if column.holds == "time" and "," in column.dtype and values.dt.tz is None:
        values = values.dt.tz_localize("UTC")
    return values.astype(column.dtype)


def _own(folder: Path, ids: pd.Series, columns: Sequence[Kept]) -> pd.Series:
    """As they were before they were MEDS."""
    dtype = next((c.dtype for c in columns if c.name == "subject_id"), "int64")
    own = pd.Series(own_ids(folder, ids.to_numpy()), name="subject_id")
    return own if str(own.dtype) == dtype else own.astype(dtype)
