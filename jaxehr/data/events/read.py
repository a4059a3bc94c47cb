"""Long files, a line per event or measurement, as events by the names of MEDS, in bounded memory.

Of times that are counted from a subject's start, the start is 2000-01-01.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.events.batches import RowFile
from jaxehr.data.events.by_subject import parts_for, sorted_parts
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.columns import JOINT, EventMap
from jaxehr.data.events.rows import LeftOut, mapped
from jaxehr.data.events.times import time_format
from jaxehr.data.kinds import DataError


def read_events(
    path: str | Path,
    names: Mapping[str, str] | None = None,
    *,
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> pd.DataFrame:
    """The events of a file by subject and time: subject_id, code, and time, numeric_value, text_value where it has any.

    Arguments and errors are those of `events_by_subject`; all events are held, about twice at the most.
    """
    return in_order(_parts(path, names, Cells(tuple(missing), decimal), sep, encoding))


def events_by_subject(
    path: str | Path,
    names: Mapping[str, str] | None = None,
    *,
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Frames of whole subjects, each sorted by subject and time, in bounded memory whatever the file holds.

    names       what columns are: {"subject_id": "RecordID", "time": "minute:minutes", "code": "LAB//itemid+unit",
                "numeric_value": "HR|SysABP"}; see EventMap. A column called as in MEDS needs no saying
    missing     texts that stand for a missing value, beside an empty cell
    sep, encoding, decimal      of a text file, where it leaves a choice

    Rows without a subject or a code, or with a time that does not read, are left out, counted in the log. A row
    without a time always holds. What is no number is kept as text_value.
    Raises DataError for a file or a row that cannot be read, and where more than half of the times do not read.
    """
    for part in _parts(path, names, Cells(tuple(missing), decimal), sep, encoding):
        yield as_frame(part)


def _parts(
    path: str | Path,
    names: Mapping[str, str] | None,
    cells: Cells,
    sep: str | None,
    encoding: str | None,
) -> Iterator[pa.Table]:
    file = RowFile.of(path, sep=sep, encoding=encoding)
    how = EventMap.of(names or {}, file.names, path)
    streams = events_of(str(path), file.batches, [how], cells)
    return sorted_parts(streams, parts_for(file.text_bytes))


def events_of(
    what: str,
    batches: Callable[[Sequence[str]], Iterable[pa.Table]],
    maps: Sequence[EventMap],
    cells: Cells,
) -> Iterator[pa.Table]:
    """Tables of the events that each map makes of the rows; then says what was left out.

    what        the file, in words
    batches     of columns their values, batch by batch, as often as it is asked
    """
    columns = list(dict.fromkeys(name for how in maps for name in how.columns))
    each = [JOINT.join(filter(None, (how.prefix, *how.code))) for how in maps]
    counts = [LeftOut(f"{what}, {code}" if len(maps) > 1 else what) for code in each]
    forms: list[str | None] | None = None
    for batch in batches(columns):
        if forms is None:
            forms = [time_format(batch, how, cells, what) for how in maps]
        for how, form, left_out in zip(maps, forms, counts, strict=True):
            yield mapped(batch, how, form, cells, left_out)
    for left_out in counts:
        left_out.say()
        if len(counts) == 1 and not maps[0].dated:
            left_out.check()


def in_order(parts: Iterable[pa.Table]) -> pd.DataFrame:
    """All parts as one frame, in the order of subjects, without the columns in which there is nothing."""
    tables = list(parts)
    if not tables:
        raise DataError("there is not one event")
    table = pa.concat_tables(tables).unify_dictionaries()
    if len(tables) > 1:
        del tables
        keyed = table.select(["subject_id"]).append_column(
            "row", pa.array(np.arange(table.num_rows))
        )
        keys = [(name, "ascending") for name in keyed.column_names]
        table = table.take(pc.sort_indices(keyed, sort_keys=keys))
    empty = [n for n in table.column_names if table.column(n).null_count == table.num_rows]
    return as_frame(table.drop_columns(empty))


def as_frame(table: pa.Table) -> pd.DataFrame:
    text = table.column("code").cast(pa.large_string())
    return table.set_column(table.column_names.index("code"), "code", text).to_pandas()
