"""What each column of the records is."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

Kind = Literal["numerical", "integer", "categorical", "boolean", "datetime", "id", "code"]
KINDS: dict[str, tuple[str, ...]] = {
    "table": ("numerical", "integer", "categorical", "boolean", "datetime", "id"),
    "codes": ("id", "code"),
}
VERSION = 1


class DataError(ValueError):
    """Records that cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class Column:
    """A column's name, its kind, the pandas dtype it comes in and goes out with, and for dates as text their format."""

    name: str
    kind: Kind
    dtype: str
    format: str | None = None


@dataclass(frozen=True)
class Inequality:
    """The value of column `low` is never above that of column `high`, where both are there."""

    low: str
    high: str
    kind: ClassVar[str] = "inequality"

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        return (frame[self.low] > frame[self.high]).fillna(False).to_numpy(bool)

    def __str__(self) -> str:
        return f"{self.low} <= {self.high}"


@dataclass(frozen=True)
class Range:
    """The values of a column lie between two numbers, ends included; None is no end."""

    column: str
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "range"

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        values = frame[self.column]
        below = values < self.low if self.low is not None else values.isna() & False
        above = values > self.high if self.high is not None else values.isna() & False
        return (below | above).fillna(False).to_numpy(bool)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{self.low:g} <= "
        high = "" if self.high is None else f" <= {self.high:g}"
        return f"{low}{self.column}{high}"


Constraint = Inequality | Range


@dataclass(frozen=True)
class Schema:
    """The columns of a table (one row per patient), or of codes (one row per patient and code).

    constraints     what holds in every row, real or synthetic
    """

    records: Literal["table", "codes"]
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...] = ()

    @staticmethod
    def infer(frame: pd.DataFrame) -> "Schema":
        """Reads the kinds off the values. Raises DataError for records that no kind fits."""
        _check_frame(frame)
        if {"subject_id", "code"} <= set(frame.columns):
            subject, code = str(frame["subject_id"].dtype), str(frame["code"].dtype)
            return Schema(
                "codes", (Column("subject_id", "id", subject), Column("code", "code", code))
            )
        return Schema("table", tuple(_infer(frame[name]) for name in frame.columns))

    def check(self, frame: pd.DataFrame) -> None:
        """Raises DataError if the frame lacks a column of the schema, or has values its kind cannot hold."""
        _check_frame(frame)
        missing = [c.name for c in self.columns if c.name not in frame.columns]
        if missing:
            raise DataError(
                f"the data has no column {_quoted(missing)}, which the schema names; "
                f"it has {_quoted(list(frame.columns))}"
            )
        for column in self.columns:
            if column.kind != "id":
                _check_values(frame[column.name], column)

    def of_kind(self, *kinds: str) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind in kinds)

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    def with_kind(self, name: str, kind: Kind) -> "Schema":
        """The same schema with one column's kind changed."""
        columns = (replace(c, kind=kind) if c.name == name else c for c in self.columns)
        return replace(self, columns=tuple(columns))

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows break a constraint."""
        found = [constraint.broken(frame) for constraint in self.constraints]
        return np.any(found, axis=0) if found else np.zeros(len(frame), bool)

    def to_json(self) -> dict[str, Any]:
        keys = ("name", "kind", "dtype", "format")
        columns = [
            {key: getattr(c, key) for key in keys if getattr(c, key) is not None}
            for c in self.columns
        ]
        schema = {"version": VERSION, "records": self.records, "columns": columns}
        if self.constraints:
            schema["constraints"] = [{"kind": c.kind, **asdict(c)} for c in self.constraints]
        return schema

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Schema":
        """Raises DataError for a kind or a version that is not known."""
        try:
            version, records = value["version"], value["records"]
            columns = tuple(Column(**column) for column in value["columns"])
        except (KeyError, TypeError) as error:
            raise DataError(
                f"not a schema: {error}; it needs version, records and columns with name, kind and dtype"
            ) from None
        if version > VERSION or records not in KINDS:
            raise DataError(
                f"a schema of version {version} for {records}; this jaxehr reads {VERSION}"
            )
        for column in columns:
            if column.kind not in KINDS[records]:
                raise DataError(
                    f"column '{column.name}' has kind '{column.kind}'; "
                    f"the kinds of {records} are {', '.join(KINDS[records])}"
                )
        return Schema(records, columns, _constraints(value.get("constraints", []), columns))

    def save(self, path: str | Path) -> None:
        path = Path(path)
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(self.to_json(), indent=1) + "\n")
        os.replace(beside, path)

    @staticmethod
    def load(path: str | Path) -> "Schema":
        """Raises DataError if there is no such file, or it is not a schema."""
        if not Path(path).is_file():
            raise DataError(f"no such schema file: {path}")
        try:
            value = json.loads(Path(path).read_text())
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}") from None
        return Schema.from_json(value)

    def __str__(self) -> str:
        wide = max(len(c.name) for c in self.columns)
        lines = [f"  {c.name:<{wide}}  {c.kind:<11}  {c.dtype}" for c in self.columns]
        what = "one row per patient" if self.records == "table" else "one row per patient and code"
        lines += [f"  always {constraint}" for constraint in self.constraints]
        return "\n".join([f"{self.records}: {what}, {len(self.columns)} columns", *lines])


def _constraints(
    values: list[dict[str, Any]], columns: tuple[Column, ...]
) -> tuple[Constraint, ...]:
    """Raises DataError for a kind that is not known, a column that is not there, or one that has no order."""
    kinds: dict[str, type[Constraint]] = {"inequality": Inequality, "range": Range}
    ordered = {c.name for c in columns if c.kind in ("numerical", "integer", "datetime")}
    found = []
    for value in values:
        rest = {name: v for name, v in value.items() if name != "kind"}
        try:
            constraint = kinds[value["kind"]](**rest)
        except (KeyError, TypeError):
            raise DataError(
                f"not a constraint: {json.dumps(value)}; there are "
                '{"kind": "inequality", "low": COLUMN, "high": COLUMN} and '
                '{"kind": "range", "column": COLUMN, "low": NUMBER, "high": NUMBER}'
            ) from None
        for name in _columns_of(constraint):
            if name not in ordered:
                raise DataError(
                    f"the constraint {constraint} needs columns of numbers or dates; '{name}' is none of the schema's"
                )
        found.append(constraint)
    return tuple(found)


def _columns_of(constraint: Constraint) -> tuple[str, ...]:
    if isinstance(constraint, Range):
        return (constraint.column,)
    return constraint.low, constraint.high


def _quoted(names: list) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _check_frame(frame: pd.DataFrame) -> None:
    if not len(frame) or not len(frame.columns):
        raise DataError("the records are empty: there is no row to learn from")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].unique()
        raise DataError(f"column {_quoted(list(twice))} appears more than once; rename one")


def _infer(values: pd.Series) -> Column:
    name, dtype = str(values.name), str(values.dtype)
    present = values.dropna()
    if present.empty:
        raise DataError(f"column '{name}' has no value at all; drop it")
    kind, form = _kind(name, present)
    column = Column(name, kind, dtype, form)
    if kind != "id":
        _check_values(values, column)
    return column


def _kind(name: str, present: pd.Series) -> tuple[Kind, str | None]:
    distinct = present.nunique()
    if pd.api.types.is_bool_dtype(present):
        return "boolean", None
    if pd.api.types.is_datetime64_any_dtype(present):
        return "datetime", None
    if isinstance(present.dtype, pd.CategoricalDtype):
        return "categorical", None
    if pd.api.types.is_numeric_dtype(present):
        return _kind_of_number(name, present, distinct), None
    return _kind_of_text(name, present, distinct)


def _kind_of_number(name: str, present: pd.Series, distinct: int) -> Kind:
    numbers = present.to_numpy(dtype=float)
    whole = bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())
    if whole and distinct == len(present) and _named_like_id(name):
        return "id"
    if whole and set(np.unique(numbers)) == {0.0, 1.0}:
        return "boolean"
    return "integer" if whole else "numerical"


def _kind_of_text(name: str, present: pd.Series, distinct: int) -> tuple[Kind, str | None]:
    if not present.map(lambda value: isinstance(value, str)).all():
        if set(present.map(type)) == {bool}:  # True and False beside missing values
            return "boolean", None
        raise DataError(f"column '{name}' mixes text with other values; make it one or the other")
    form = _date_format(present)
    if form is not None:
        return "datetime", form
    if distinct == len(present) and (distinct > 20 or _named_like_id(name)):
        return "id", None
    if distinct > 100 and distinct > len(present) / 10:
        raise DataError(
            f"column '{name}' has {distinct:,} different texts in {len(present):,} rows, too many to be categories; "
            "drop it, or declare it id in a schema (it is then replaced, not learnt)"
        )
    return "categorical", None


def _named_like_id(name: str) -> bool:
    name = name.lower()
    ends = name.endswith(("id", "_nbr", "_number", "_no", "_key", "mrn"))
    return ends or name in ("patient", "subject", "index", "nbr")


DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
)


def _date_format(present: pd.Series) -> str | None:
    """The format that reads every value and writes it back as it was, if there is one."""
    for form in DATE_FORMATS:
        read = pd.to_datetime(present, format=form, errors="coerce")
        if read.notna().all() and (read.dt.strftime(form) == present).all():
            return form
    return None


def _check_values(values: pd.Series, column: Column) -> None:
    present = values.dropna()
    if present.empty:
        raise DataError(f"column '{column.name}' has no value at all; drop it, or make it an id")
    _CHECKS.get(column.kind, lambda present, column: None)(present, column)


def _check_number(present: pd.Series, column: Column) -> None:
    try:
        numbers = present.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"column '{column.name}' is to be {column.kind}, but holds {present.iloc[0]!r}; "
            "make it categorical in the schema, or correct the values"
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError(
            f"column '{column.name}' has infinite values; correct them or leave them empty"
        )
    if column.kind == "integer" and (numbers != np.round(numbers)).any():
        odd = numbers[numbers != np.round(numbers)][0]
        raise DataError(
            f"column '{column.name}' is to be integer, but holds {odd}; make it numerical"
        )


def _check_boolean(present: pd.Series, column: Column) -> None:
    if not set(present.unique()) <= {0, 1}:
        odd = next(value for value in present.unique() if value not in (0, 1))
        raise DataError(
            f"column '{column.name}' is to be boolean (True, False, 0 or 1), but holds {odd!r}; "
            "make it categorical"
        )


def _check_datetime(present: pd.Series, column: Column) -> None:
    if pd.api.types.is_datetime64_any_dtype(present):
        return
    read = pd.to_datetime(present, format=column.format or "ISO8601", errors="coerce")
    if read.isna().any():
        odd = present[read.isna()].iloc[0]
        raise DataError(
            f"column '{column.name}' is to be datetime, but {odd!r} does not read as {column.format or 'ISO 8601'}"
        )


_CHECKS: dict[str, Callable[[pd.Series, Column], None]] = {
    "numerical": _check_number,
    "integer": _check_number,
    "boolean": _check_boolean,
    "datetime": _check_datetime,
}
