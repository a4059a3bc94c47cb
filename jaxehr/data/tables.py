"""Files of records: CSV, CSV.gz and Parquet, read into the dtypes of a schema and written whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from jaxehr.data.schema import DataError, Schema
from jaxehr.files import whole

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read_records(path: str | Path, schema: Schema | None = None) -> pd.DataFrame:
    """The records of a file; with a schema, in its columns' dtypes.

    Codes keep their spelling: the columns subject_id and code are enough, others are ignored.
    Raises DataError for a file that is not there, empty, or unreadable.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    try:
        frame = _read(path, suffix, schema)
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read as {suffix}: {reason}") from None
    if frame.empty:
        raise DataError(f"{path} has no rows")
    return frame


def _read(path: Path, suffix: str, schema: Schema | None) -> pd.DataFrame:
    if suffix == ".parquet":
        import pyarrow as pa

        try:
            frame = pd.read_parquet(path)
        except pa.ArrowInvalid as error:
            raise ValueError(str(error)) from None
    else:
        names = _header(path)
        text = {"code": str} if {"subject_id", "code"} <= set(names) else {}
        frame = pd.read_csv(path, dtype=text, low_memory=False)
    return frame if schema is None else _typed(frame, schema)


def _header(path: Path) -> list[str]:
    """Raises DataError if a column name stands in the header twice (pandas would rename the second)."""
    names = pd.read_csv(path, nrows=1, header=None, dtype=str).iloc[0].dropna()
    if not names.is_unique:
        twice = names[names.duplicated()].iloc[0]
        raise DataError(f"column '{twice}' appears more than once; rename one")
    return names.tolist()


def _typed(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The frame with the schema's dtypes where its columns came in others, as they do from CSV."""
    wanted = {c.name: c.dtype for c in schema.columns if c.name in frame.columns}
    for name, dtype in wanted.items():
        if str(frame[name].dtype) == dtype:
            continue
        try:
            frame[name] = frame[name].astype(dtype)
        except (TypeError, ValueError):
            if frame[name].isna().any() and dtype.startswith(("int", "bool")):
                continue  # the codec says what a missing value means
            raise DataError(
                f"column '{name}' does not read as {dtype}, which the schema wants; "
                "correct the values or the schema"
            ) from None
    return frame


def write_records(frame: pd.DataFrame, path: str | Path) -> None:
    """Writes a file whole or not at all."""
    with records_writer(path) as write:
        write(frame)


@contextmanager
def records_writer(path: str | Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """write(frame), as often as there are frames. Beside the file first, then renamed: an error leaves nothing."""
    suffix = suffix_of(Path(path))
    with whole(path) as beside:
        with (_parquet_writer if suffix == ".parquet" else _csv_writer)(beside, suffix) as write:
            yield write


@contextmanager
def _csv_writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    import gzip

    opened = gzip.open if suffix == ".csv.gz" else open
    with opened(path, "wt", newline="") as file:
        header = True

        def write(frame: pd.DataFrame) -> None:
            nonlocal header
            frame.to_csv(file, index=False, header=header)
            header = False

        yield write


@contextmanager
def _parquet_writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def suffix_of(path: Path) -> str:
    """Raises DataError for one that records are not read and written in."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise DataError(f"{path} is not {', '.join(SUFFIXES)}; records are read and written in these")
