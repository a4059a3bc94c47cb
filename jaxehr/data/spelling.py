"""Columns of text as what they are: a number only where it is written back as it was.

A column of a text file keeps its spelling in one of these ways:

    no format       as pandas writes it: 3, 1.5, 2.0, True
    ".2f"           with so many decimals: 1.50, 3.00; ".0f" is a count with gaps; ",.0f" has thousands: 1,200
    ".15g"          whole numbers without a point: 40, 50.5
    text            leading zeros, and numbers whose zeros would be lost: 0078, 250.00 beside 250.0
"""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import Column, DataError
from jaxehr.data.words import (
    LEADING_ZERO,
    NUMBER,
    Words,
    is_in,
    matches,
    missing_option,
    unlike_numbers,
    what_to_do,
)

log = logging.getLogger(__name__)

# What says "missing" for certain in a column that otherwise holds numbers, dates, or True and False.
CERTAIN = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None")
BOOLEAN = {"True": True, "False": False, "1": True, "0": False, "1.0": True, "0.0": False}
BOOLEAN |= {each: each.lower() == "true" for each in ("true", "TRUE", "false", "FALSE")}
DATE = r"^[0-9]{1,4}[-/. ]([0-9]{1,2}|[A-Za-z]{3})[-/. ][0-9]{1,4}([ T].*)?$"
WHOLE = r"^(-?[1-9][0-9]*|0)$"
PLAIN = r"^-?(0|[1-9][0-9]*)\.([0-9]*[1-9]|0)$"
SHORT = r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$"
ORDINARY = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
TINY = r"^-?0\.0000|^-0(\.0*)?$"  # written as 1e-05; and -0
EXACT = 15  # digits, which a float64 keeps


def typed(words: Words, missing: Sequence[str] = ()) -> tuple[pd.Series, str | None]:
    """(values, format): numbers, True and False, or text, as the texts are; missing where one is empty or `missing`."""
    gone = _gone(words, missing)
    marks = is_in(words.texts, CERTAIN) & ~gone
    rest = words.where(~gone & ~marks)
    found: tuple[pd.Series, str | None] | None = None
    if len(rest.texts) and rest.are_numbers().all():
        found = _as_numbers(words, ~gone & ~marks)
    elif len(rest.texts) and is_in(rest.texts, ("True", "False")).all():
        found = _as_booleans(words, ~gone & ~marks), None
    if found is not None or (len(rest.texts) and matches(rest.texts, DATE).all()):
        if marks.any():
            log.warning("column '%s': read as missing: %s", words.name, words.where(marks))
        if found is not None and rest.padded:
            log.warning(
                "column '%s': blanks around %s values are taken off", words.name, f"{rest.padded:,}"
            )
        return found if found is not None else (_as_text(words, gone | marks), None)
    if marks.any():
        log.warning(
            "column '%s' holds %s as categories; %s where that means missing",
            *(words.name, words.where(marks), missing_option(words.where(marks).texts.to_pylist())),
        )
    odd = unlike_numbers(words.where(~gone))
    if odd is not None:
        log.warning(
            "column '%s' is text, since %s of %s values are not numbers: %s; %s; text has no order",
            *(words.name, f"{odd.total:,}", f"{len(words.rows):,}", odd, what_to_do(odd)),
        )
    return _as_text(words, gone), None


def typed_as(words: Words, column: Column, missing: Sequence[str] = ()) -> pd.Series:
    """The values as a schema wants them. Raises DataError naming the values that are not."""
    gone, dtype, kind = _gone(words, missing), column.dtype, column.kind
    marked = gone | is_in(words.texts, CERTAIN)
    if kind == "boolean" or dtype.startswith("bool"):
        return _as_booleans(words, ~marked, column)
    if "[" in (column.format or ""):
        return _as_units(words, marked, column)
    number = dtype.lower().startswith(("int", "uint", "float"))
    if kind in ("numerical", "integer") or (number and kind != "id"):
        return as_dtype(_checked_numbers(words, ~marked, column), dtype, words.name)
    if dtype.startswith(("str", "object")) or dtype == "large_string[pyarrow]":
        series = _as_text(words, gone if kind != "datetime" else marked)
        return series if dtype == "str" else as_dtype(series, dtype, words.name)
    if dtype.startswith("datetime64"):
        return _as_dates(words, marked, column)
    return as_dtype(typed(words, missing)[0], dtype, words.name)


def marked_numbers(missing: Sequence[str]) -> list[float]:
    """Of texts that stand for a missing value those that are numbers."""
    texts = pa.array(list(missing), pa.string())
    return [float(text) for text in texts.filter(pa.array(matches(texts, NUMBER))).to_pylist()]


def _gone(words: Words, missing: Sequence[str]) -> np.ndarray:
    said = is_in(words.texts, missing)
    numbers = words.are_numbers()
    if (values := marked_numbers(missing)) and numbers.any():  # -9 stands for -9.00 too
        said[numbers] |= np.isin(words.where(numbers).numbers(), values)
    if said.any():
        log.warning("column '%s': read as missing: %s", words.name, words.where(said))
    return said | is_in(words.texts, ("",))


def _as_text(words: Words, gone: np.ndarray) -> pd.Series:
    """The texts to the letter, blanks around them too."""
    texts = pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), words.spelt)
    series = texts.take(pa.array(words.rows)).to_pandas()
    return series.where(series.notna(), np.nan) if series.dtype == object else series


def _as_booleans(words: Words, present: np.ndarray, column: Column | None = None) -> pd.Series:
    texts = words.texts.to_pylist()
    odd = present & ~is_in(words.texts, tuple(BOOLEAN))
    if odd.any() and column is not None:
        raise _unfit(words.where(odd), column, "True, False, 0 or 1")
    values = np.array([BOOLEAN.get(text, np.nan) for text in texts], dtype=object)
    values[~present] = np.nan
    series = pd.Series(values[words.rows], dtype=object)
    if column is not None and not column.dtype.startswith(("bool", "object")):
        return as_dtype(series.map({True: 1.0, False: 0.0}), column.dtype, words.name)
    whole = not series.isna().any()
    dtype = "bool" if column is None else column.dtype
    return series.astype(dtype) if whole or dtype == "boolean" else series


def _as_numbers(words: Words, present: np.ndarray) -> tuple[pd.Series, str | None] | None:
    """None where the numbers would not be written back as they were, and may be codes."""
    rest = words.where(present)
    if matches(rest.texts, LEADING_ZERO).any():
        return None
    gaps = bool(words.counts[~present].sum())
    if matches(rest.texts, WHOLE).all():
        return _as_whole_numbers(words, present, gaps, "," * rest.grouped)
    numbers = rest.numbers()
    if not np.isfinite(numbers).all():
        return None
    form, kept = _format(rest, numbers)
    if not kept:
        zeros = matches(rest.texts, r"\.[0-9]*0$")
        twice = len(np.unique(numbers)) < len(numbers)
        # A spelling that is kept through repetition is a code's.
        if zeros.any() and (twice or rest.counts.sum() >= 2 * len(numbers)):
            example = ", ".join(f"'{text}'" for text in rest.where(zeros).texts.to_pylist()[:3])
            log.warning(
                "column '%s' is text, since numbers would lose the zeros of %s; if they are no codes, make it "
                "numerical in the schema",
                *(words.name, example),
            )
            return None
        _say_rewritten(rest, numbers)
    full = np.full(len(words.texts), np.nan)
    full[present] = numbers
    return pd.Series(full[words.rows]), form


def _as_whole_numbers(
    words: Words, present: np.ndarray, gaps: bool, grouped: str
) -> tuple[pd.Series, str | None] | None:
    try:
        numbers = words.where(present).texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None  # beyond 64 bits
    full = np.zeros(len(words.texts), np.int64)
    full[present] = numbers
    series = pd.Series(full[words.rows])
    if not gaps:
        return series, grouped + ".0f" if grouped else None
    if len(numbers) and np.abs(numbers.astype(np.float64)).max() >= 2**53:
        return series.astype("Int64").mask(~present[words.rows]), None
    return series.astype(np.float64).mask(~present[words.rows]), grouped + ".0f"


def _format(words: Words, numbers: np.ndarray) -> tuple[str | None, bool]:
    """(format, whether all numbers are written so)."""
    texts, grouped = words.texts, "," * words.grouped
    digits = pc.max(pc.utf8_length(texts)).as_py() - 1  # with the sign too: no fewer than there are
    places = len(texts[0].as_py().partition(".")[2])
    ordinary = matches(texts, ORDINARY).all() and not matches(texts, TINY).any()
    if digits <= EXACT and ordinary:
        if not grouped and matches(texts, PLAIN).all():
            return None, True
        if matches(texts, rf"^-?(0|[1-9][0-9]*)\.[0-9]{{{places}}}$").all():
            return f"{grouped}.{places}f", True
        if matches(texts, SHORT).all():
            return f"{grouped}.15g", True
        return None, False
    if _as_repr(texts, numbers):
        return None, True
    listed = texts.to_pylist()
    for way in (f".{places}f", ".15g"):
        if all(format(x, way) == text for x, text in zip(numbers.tolist(), listed, strict=True)):
            return way, True
    return None, False


def _as_repr(texts: pa.Array, numbers: np.ndarray) -> bool:
    """Whether Python writes the numbers so. Arrow does, for most that have a point, and faster."""
    same = pc.equal(pa.array(numbers).cast(pa.string()), texts).to_numpy(zero_copy_only=False)
    same = same.astype(bool) & matches(texts, r"\.") & ~matches(texts, TINY)
    rest = texts.filter(pa.array(~same)).to_pylist()
    return all(repr(x) == text for x, text in zip(numbers[~same].tolist(), rest, strict=True))


def _say_rewritten(words: Words, numbers: np.ndarray) -> None:
    pairs = zip(words.texts.to_pylist(), numbers.tolist(), strict=True)
    changed = [(text, repr(x)) for text, x in pairs if text != repr(x)]
    log.warning(
        "column '%s': numbers are written as pandas writes them: '%s' as %s, and %s more",
        *(words.name, *changed[0], f"{len(changed) - 1:,}"),
    )


def _checked_numbers(words: Words, present: np.ndarray, column: Column) -> pd.Series:
    rest = words.where(present)
    odd = ~rest.are_numbers()
    if odd.any():
        raise _unfit(rest.where(odd), column, "numbers")
    zeros = matches(rest.texts, LEADING_ZERO)
    if zeros.any() and column.kind not in ("numerical", "integer"):
        raise DataError(
            f"column '{words.name}' holds '{rest.where(zeros).texts[0]}', whose zeros {column.dtype} would lose; "
            "make its dtype str in the schema"
        )
    full = np.full(len(words.texts), np.nan)
    if matches(rest.texts, WHOLE).all():
        found = _as_whole_numbers(words, present, bool(words.counts[~present].sum()), "")
        if found is not None:
            return found[0]
    full[present] = rest.numbers()
    return pd.Series(full[words.rows])


def _as_units(words: Words, gone: np.ndarray, column: Column) -> pd.Series:
    """Of a type that CSV has no word for, time64[us] or duration[s], as the number of its units."""
    what, _, unit = (column.format or "").rstrip("]").partition("[")
    if what == "duration":
        return as_dtype(_checked_numbers(words, ~gone, column), column.dtype, words.name)
    texts = pd.Series(words.texts.to_pylist(), dtype=object).mask(gone)
    read = pd.to_timedelta(texts, errors="coerce")
    odd = read.isna().to_numpy() & ~gone
    if odd.any():
        raise _unfit(words.where(odd), column, "times such as 14:30:00")
    units = (read / pd.Timedelta(1, unit)).iloc[words.rows].reset_index(drop=True)
    return as_dtype(units, column.dtype, words.name)


def _as_dates(words: Words, gone: np.ndarray, column: Column) -> pd.Series:
    texts = pd.Series(words.texts.to_pylist(), dtype=object).mask(gone)
    read = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc="," in column.dtype)
    odd = read.isna().to_numpy() & ~gone
    if odd.any():
        raise _unfit(words.where(odd), column, "dates such as 2021-03-05 or 2021-03-05 14:30")
    return read.iloc[words.rows].reset_index(drop=True).astype(column.dtype)


def as_dtype(series: pd.Series, dtype: str, name: str) -> pd.Series:
    """In the schema's dtype; but integers with gaps or decimals stay float64, and the codec says why not."""
    if str(series.dtype) == dtype:
        return series
    whole = dtype.lower().startswith(("int", "uint"))
    gaps = series.isna().any()
    try:
        made = series if gaps and dtype.startswith(("int", "uint")) else series.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"column '{name}' does not read as {dtype}, which the schema wants; correct the values or the schema"
        ) from None
    if whole and not (made == series)[series.notna()].all():
        log.warning("column '%s' is to be %s, but has numbers that are not whole", name, dtype)
        return series
    return made


def _unfit(odd: Words, column: Column, wanted: str) -> DataError:
    return DataError(
        f"column '{odd.name}' is to be {column.kind} ({column.dtype}), but {odd.total:,} of {len(odd.rows):,} values "
        f"are not {wanted}: {odd}; {what_to_do(odd)}; to keep them as they are, make it categorical in the schema"
    )
