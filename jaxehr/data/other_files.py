"""Files that say themselves what their columns are: Parquet, Excel, Stata, SAS, SPSS."""

import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa

from jaxehr.data.kinds import DataError

log = logging.getLogger(__name__)

OTHER = (".xlsx", ".xls", ".dta", ".sas7bdat", ".xpt", ".sav")
DIGITS = 15  # of a decimal, which a float64 keeps


def read_parquet(path: Path) -> pd.DataFrame:
    """Dates are datetime64[s]; decimals, times of day and durations numbers, whose type attrs["format"] keeps.

    Raises DataError for cells that hold more than one value, or bytes.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    odd = [field for field in table.schema if _is_refused(field.type)]
    if odd:
        named = ", ".join(f"'{field.name}' ({field.type})" for field in odd[:4])
        raise DataError(
            f"{path}: a cell is one value; column {named} holds more than that, or bytes: take it apart, or drop it"
        )
    formats: dict[str, str] = {}
    for i, field in enumerate(table.schema):
        column, form = _plain(field.name, table.column(i))
        if column is not table.column(i):
            table = table.set_column(i, field.name, column)
        formats |= {field.name: form} if form else {}
    frame = table.to_pandas()
    for i, field in enumerate(table.schema):
        if field.name in frame and pa.types.is_integer(field.type) and table.column(i).null_count:
            frame[field.name], form = _with_gaps(table.column(i), frame[field.name])
            formats |= {field.name: formats.get(field.name, form)} if form else {}
    if frame.index.name is not None or isinstance(frame.index, pd.MultiIndex):
        named = ", ".join(f"'{name}'" for name in frame.index.names)
        log.warning("%s: what pandas wrote as its index, %s, is read as a column", path, named)
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    frame.attrs = {"format": formats} if formats else {}
    return frame


def _with_gaps(column: pa.ChunkedArray, values: pd.Series) -> tuple[pd.Series, str | None]:
    """Integers that pandas has made numbers with decimals, for the sake of NaN: exactly, and with the type they had."""
    if values.dtype != "float64":
        return values, None
    if values.abs().max() >= 2**53:
        whole = column.to_pandas(integer_object_nulls=True).astype("Int64")
        return whole.set_axis(values.index), None
    return values, str(column.type)


def _is_refused(kind: pa.DataType) -> bool:
    types = pa.types
    binary = (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )
    return types.is_nested(kind) or binary


def _plain(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    """As a type that pandas has, and the one it was, where a number stands for it."""
    kind, types = column.type, pa.types
    if types.is_date(kind):
        return column.cast(pa.timestamp("s")), None
    if types.is_time(kind) or types.is_duration(kind):
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        return column.cast(whole).cast(pa.int64()), str(kind)
    if types.is_decimal(kind):
        made = column.cast(pa.float64() if kind.scale > 0 else pa.int64())
        if kind.precision > DIGITS and not made.cast(kind).equals(column):
            raise DataError(
                f"column '{name}' is {kind}, with more digits than a number keeps; make it float64, or text"
            )
        return made, str(kind)
    return column, None


READERS = {".xlsx": "openpyxl", ".xls": "xlrd", ".sav": "pyreadstat"}


def read_other(path: Path, suffix: str) -> pd.DataFrame:
    """By pandas. Raises ImportError that names the package which is lacking, ValueError for what cannot be read."""
    try:
        if suffix in (".xlsx", ".xls"):
            return _excel(path)
        if suffix == ".dta":
            return pd.read_stata(path)
        if suffix == ".sav":
            return pd.read_spss(path)
        return pd.read_sas(path, encoding="infer" if suffix == ".sas7bdat" else "utf-8")
    except ImportError:
        raise ImportError(
            f"{path} needs the package {READERS.get(suffix, 'pandas')}: pip install 'jaxehr[files]'; or save it as CSV"
        ) from None
    except DataError:
        raise
    except Exception as error:  # of a damaged file, whatever its reader comes upon
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _excel(path: Path) -> pd.DataFrame:
    """The first sheet. A column of text beside numbers is text, each number as it would be typed."""
    sheets = pd.read_excel(
        path, sheet_name=None, dtype=object, keep_default_na=False, na_values=[""]
    )
    name, frame = next(iter(sheets.items()))
    if len(sheets) > 1:
        log.warning("%s: only its first sheet, '%s', is read", path, name)
    twice = [str(each) for each in frame.columns if str(each).endswith(".1")]
    if twice and twice[0].removesuffix(".1") in frame:
        raise DataError(
            f"column '{twice[0].removesuffix('.1')}' appears more than once; rename one"
        )
    frame.columns = [str(each) for each in frame.columns]
    return frame.apply(_cells)


def _cells(values: pd.Series) -> pd.Series:
    found = values.infer_objects()
    present = values.dropna()
    if found.dtype != object or not present.map(lambda value: isinstance(value, str)).any():
        return found if found.dtype != object else found.where(found.notna(), None).convert_dtypes()
    return values.map(
        lambda value: (
            value
            if isinstance(value, str)
            else f"{value:.15g}"
            if isinstance(value, float)
            else str(value)
        ),
        na_action="ignore",
    )
