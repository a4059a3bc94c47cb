"""Files of records, and MEDS folders, written whole or not at all, each column in the spelling that it was read in."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from jaxehr.data.kinds import DataError
from jaxehr.data.records import Records, records_of, say_indices
from jaxehr.data.visits import Visits
from jaxehr.files import whole

WRITTEN = (".csv", ".csv.gz", ".parquet")
FOLDER = ""  # the ending of a MEDS dataset


SPELLING = re.compile(
    r",?\.\d{1,2}[fg]|time32\[m?s\]|time64\[[un]s\]|duration\[[mun]?s\]|u?int(8|16|32|64)|"
    r"decimal(128|256)\(\d+, ?\d+\)"
)


def check_spelling(form: str, name: str) -> None:
    """Raises DataError for a format that is none of numbers."""
    if not SPELLING.fullmatch(form):
        raise DataError(
            f"column '{name}' has the format '{form}'; numbers have one such as .2f (two decimals), ,.0f (thousands) "
            "or .15g (no zeros at the end), and dates, whose kind is datetime, one such as %d.%m.%Y"
        )


def write_records(
    records: pd.DataFrame | Records, path: str | Path, *, synthetic: bool = False
) -> None:
    """Writes a file, or a folder, whole or not at all."""
    say_indices(records_of(records), "not written")
    with records_writer(path, synthetic=synthetic) as write:
        write(records)


@contextmanager
def records_writer(
    path: str | Path, events: str | Path | None = None, *, synthetic: bool = False
) -> Iterator[Callable[[pd.DataFrame | Records], None]]:
    """write(records), as often as there are batches. Beside the file first, then renamed: an error leaves nothing.

    A name without an ending, or of a MEDS dataset that is there, is a folder: `meds_writer`, which takes `synthetic`
    too. A file holds a table, or codes, or visits where they came so. Numbers are spelt as frame.attrs["format"] says,
    which `read_records` sets and synthetic records keep; UTF-8.

    events  a file for the events of Records, whose table goes to `path`
    """
    if events is not None:
        with records_writer(path) as write_static, records_writer(events) as write_events:

            def write_both(records: pd.DataFrame | Records) -> None:
                both = records_of(records)
                write_static(Records(both.static))
                write_events(Records(events=both.events))

            yield write_both
        return
    path = Path(path)
    suffix = written_suffix(path)
    if suffix == FOLDER:
        from jaxehr.data.meds import meds_writer

        with meds_writer(path, synthetic=synthetic) as write:
            yield write
        return
    writer = _parquet_writer if suffix == ".parquet" else _csv_writer
    with whole(path) as beside, writer(beside, suffix) as write:
        written = 0

        def write_rows(records: pd.DataFrame | Records) -> None:
            nonlocal written
            frame = _frame(records, path, first=written)
            write(frame)
            written += len(frame)

        yield write_rows


def written_suffix(path: Path) -> str:
    """Of a file; `FOLDER` of a MEDS dataset. Raises DataError for one that records are not written in."""
    for suffix in WRITTEN:
        if path.name.lower().endswith(suffix):
            return suffix
    if path.is_dir() or not path.suffix:
        return FOLDER
    raise DataError(
        f"{path} is not {', '.join(WRITTEN)}; records are written in these, or as MEDS into a folder, whose name has "
        "no ending"
    )


def _frame(records: pd.DataFrame | Records, path: Path, *, first: int = 0) -> pd.DataFrame:
    """Of records those that a file holds; visits, if they came so, after the first that many rows."""
    if isinstance(records, pd.DataFrame):
        return records
    if records.static is not None and records.events is not None:
        if "visits" in records.events.attrs and "time" in records.events:
            return Visits.from_json(records.events.attrs["visits"]).frame(records, first=first)
        raise DataError(
            f"{path} is one file, and these records are a table and events; name a folder, and they are written as MEDS"
        )
    return records.static if records.events is None else records.events


@contextmanager
def _csv_writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    import gzip

    opened = gzip.open if suffix == ".csv.gz" else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        header = True

        def write(frame: pd.DataFrame) -> None:
            nonlocal header
            _spelt(frame).to_csv(file, index=False, header=header, lineterminator="\n")
            header = False

        yield write


def _spelt(frame: pd.DataFrame) -> pd.DataFrame:
    formats = frame.attrs.get("format", {})
    texts = {
        name: _texts(frame[name], form)
        for name, form in formats.items()
        if name in frame and pd.api.types.is_numeric_dtype(frame[name])
    }
    return frame.assign(**texts) if texts else frame


def _texts(values: pd.Series, form: str) -> pd.Series:
    """Numbers by a format, but for a column that would lose digits by it."""
    import pyarrow as pa

    missing = values.isna()
    if _is_type(form):
        texts = _arrow(values, form).cast(pa.string()).to_pandas()
        return pd.Series(texts.to_numpy(object), index=values.index).where(~missing, None)
    if pd.api.types.is_integer_dtype(values) and form in (".0f", ".15g"):
        return values  # as they are, beyond 2^53 too
    numbers = values.astype("float64").to_numpy()
    words, rows = np.unique(numbers, return_inverse=True)
    spelt = [format(number, form) for number in words.tolist()]
    whole = [float(text.replace(",", "")) for text in spelt]
    if not np.array_equal(whole, words, equal_nan=True):
        return values
    return pd.Series(np.array(spelt, object)[rows], index=values.index).where(~missing, None)


def _is_type(form: str) -> bool:
    """Of Parquet."""
    return not form.startswith((".", ","))


def _arrow(values: pd.Series, form: str):
    """The column as the Parquet type that it was read from."""
    import pyarrow as pa
    import pyarrow.types as types

    kind = _decimal(form) if "(" in form else pa.type_for_alias(form)
    if types.is_decimal(kind):
        return pa.array(values, pa.float64(), from_pandas=True).cast(kind)
    whole = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.array(values.astype("Int64"), from_pandas=True).cast(whole).cast(kind)


def _decimal(form: str):
    """decimal128(12, 2)"""
    import pyarrow as pa

    name, _, sizes = form.rstrip(")").partition("(")
    precision, scale = (int(size) for size in sizes.split(","))
    return (pa.decimal256 if name == "decimal256" else pa.decimal128)(precision, scale)


@contextmanager
def _parquet_writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    import pyarrow.parquet as pq

    writer = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = _arrow_table(frame)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _arrow_table(frame: pd.DataFrame):
    """With the types of a Parquet file that was read; what counts days, as `read_records` reads them, is a date."""
    import pyarrow as pa

    formats, frame = frame.attrs.get("format", {}), frame.copy(deep=False)
    frame.attrs = {}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for i, name in enumerate(frame.columns):
        form = formats.get(name, "")
        if form and _is_type(form):
            table = table.set_column(i, name, _arrow(frame[name], form))
        elif str(frame[name].dtype) == "datetime64[s]":
            table = table.set_column(i, name, table.column(i).cast(pa.date32()))
    return table
