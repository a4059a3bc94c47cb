"""Files of records as frames: text files, Parquet, and what pandas reads of Excel, Stata, SAS and SPSS.

What a frame has no place for travels in its attrs: "format", how the file spells its numbers, and "missing", the texts
that stand for a missing value. `Schema.infer` takes both into the schema, and `write_records` writes by them.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jaxehr.data.codes import codes_of, long_hint, say_learnt
from jaxehr.data.decimals import with_decimals
from jaxehr.data.kinds import Column, DataError
from jaxehr.data.other_files import OTHER, read_other, read_parquet
from jaxehr.data.schema import Schema
from jaxehr.data.spelling import CERTAIN, as_dtype, marked_numbers, typed, typed_as
from jaxehr.data.text_files import TEXT_SUFFIXES, check_there, read_text_table, said_of
from jaxehr.data.words import Words, words_of_series

log = logging.getLogger(__name__)


def read_records(
    path: str | Path,
    schema: Schema | None = None,
    *,
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    names: dict[str, str] | None = None,
) -> pd.DataFrame:
    """The records of a file; with a schema, in its columns' dtypes. Nothing is changed without a word in the log.

    A column of a text file is a number only where that is written back as it was; codes keep their spelling.

    missing     texts that stand for a missing value, beside an empty cell and those of the schema
    sep, encoding, decimal      of a text file, where it leaves a choice
    names       columns to be called otherwise: {"subject_id": "patient_id", "code": "icd9"}

    Raises DataError for a file that is not there, empty, or unreadable, with the line of a row that has more or fewer
    fields than the header, and for values that the schema does not want.
    """
    path = Path(path)
    suffix = _suffix(path)
    check_there(path)
    marks = tuple(dict.fromkeys([*missing, *(schema.missing if schema else ())]))
    text = {"sep": sep, "encoding": encoding, "decimal": decimal}
    with said_of(path, suffix):
        frame = _read(path, suffix, schema, marks, names or {}, text)
    if frame.empty:
        raise DataError(f"{path} has no rows")
    if marks:
        frame.attrs["missing"] = list(marks)
    return frame


def read_texts(
    path: str | Path, *, sep: str | None = None, encoding: str | None = None
) -> pd.DataFrame:
    """A text file as it stands, every cell a text; an empty one is "". Options and errors are as in `read_records`."""
    path = Path(path)
    check_there(path)
    with said_of(path, "text"):
        table, _ = read_text_table(path, sep=sep, encoding=encoding)
    return pd.DataFrame({n: table.column(n).to_pylist() for n in table.column_names}, dtype=object)


def _suffix(path: Path) -> str:
    for suffix in (*TEXT_SUFFIXES, ".parquet", *OTHER):
        if path.name.lower().endswith(suffix):
            return suffix
    raise DataError(
        f"{path} is not one of {', '.join((*TEXT_SUFFIXES, '.parquet', *OTHER))}; records are read from these"
    )


def _read(path: Path, suffix: str, schema, marks, names, text: dict) -> pd.DataFrame:
    if suffix in TEXT_SUFFIXES:
        return _read_text(path, schema, marks, names, **text)
    frame = read_parquet(path) if suffix == ".parquet" else read_other(path, suffix)
    frame = frame.rename(columns=dict(zip(frame, _renamed(path, list(frame), names), strict=True)))
    for name in frame.columns if marks else ():
        frame[name] = _unmarked(frame[name], marks)
    for column in schema.columns if schema else ():
        if column.name in frame and str(frame[column.name].dtype) != column.dtype:
            frame[column.name] = _retyped(frame[column.name], column)
    if _is_long(frame):
        return codes_of(path, frame)
    long_hint(path, frame)
    return frame


def _unmarked(values: pd.Series, marks: Sequence[str]) -> pd.Series:
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    found = values.isin(marked_numbers(marks) if number else list(marks))
    if not found.any():
        return values
    counts = ", ".join(f"'{text}' ({n:,})" for text, n in values[found].value_counts().items())
    log.warning("column '%s': read as missing: %s", values.name, counts)
    return values.mask(found)


def _retyped(values: pd.Series, column: Column) -> pd.Series:
    """In the schema's dtype; text by the law of text files."""
    if pd.api.types.is_string_dtype(values):
        return typed_as(words_of_series(values), column)
    return as_dtype(values, column.dtype, column.name)


def _read_text(path: Path, schema, marks, names, *, sep, encoding, decimal) -> pd.DataFrame:
    table, sep = read_text_table(path, sep=sep, encoding=encoding)
    table = table.rename_columns(_renamed(path, table.column_names, names))
    long = _is_long(table.column_names)
    if long:
        say_learnt(path, table.column_names)
        table = table.select(["subject_id", "code"])
    columns = []
    for name in table.column_names:
        columns.append(Words.of(name, table.column(name)))
        table = table.drop_columns([name])  # a large file is held once
    not_numbers = ("", *CERTAIN, *marks)
    columns = with_decimals(columns, not_numbers, sep=sep, decimal=decimal, path=path)
    wanted = {c.name: c for c in schema.columns} if schema else {}
    if long:
        wanted.setdefault("code", Column("code", "code", "str"))
    values: dict[str, pd.Series] = {}
    formats: dict[str, str] = {}
    while columns:
        words = columns.pop(0)
        if words.over_lines:
            log.warning(
                "column '%s' of %s: %s values run over several lines; where they are not meant to, a quote is too many",
                *(words.name, path, f"{words.over_lines:,}"),
            )
        if words.name in wanted:
            values[words.name] = typed_as(words, wanted[words.name], marks)
        else:
            values[words.name], form = typed(words, marks)
            formats |= {words.name: form} if form else {}
    frame = pd.DataFrame(values, copy=False)
    if schema is not None:
        formats |= schema.spelling
    if formats:
        frame.attrs["format"] = formats
    if long:
        return codes_of(path, frame)
    long_hint(path, frame)
    return frame


def _is_long(names) -> bool:
    return {"subject_id", "code"} <= set(names)


def _renamed(path: Path, columns: list[str], names: dict[str, str]) -> list[str]:
    """The columns by the names that are wanted; a file that has those already stays as it is."""
    found = list(columns)
    for new, old in names.items():
        if old in columns:
            if new in columns and new != old:
                raise DataError(f"--map {new}={old}: {path} has a column '{new}' already")
            found[columns.index(old)] = new
        elif new not in columns:
            raise DataError(
                f"--map {new}={old}: {path} has no column '{old}'; it has {', '.join(columns[:12])}"
            )
    return found
