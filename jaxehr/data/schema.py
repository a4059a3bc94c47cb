"""What each column of the records is."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxehr.data.checks import check_values
from jaxehr.data.constraints import Constraint, constraints_from_json
from jaxehr.data.constraints import Inequality as Inequality
from jaxehr.data.constraints import Range as Range
from jaxehr.data.dates import check_format
from jaxehr.data.infer import agreeing, infer_column
from jaxehr.data.kinds import KINDS, Kind, listed
from jaxehr.data.kinds import Column as Column
from jaxehr.data.kinds import DataError as DataError
from jaxehr.data.write import check_spelling
from jaxehr.files import write_text

VERSION = 1
LONG, FIRST, LAST = 40, 20, 5  # columns of a schema that is printed whole; shown of a longer one


@dataclass(frozen=True)
class Schema:
    """The columns of a table (one row per patient), or of codes (one row per patient and code).

    constraints     what holds in every row, real or synthetic
    missing         texts that stand for a missing value, beside an empty cell
    """

    records: Literal["table", "codes"]
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...] = ()
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises DataError for a format of dates that cannot be, and for a constraint that is not about the columns."""
        columns = {c.name: c for c in self.columns}
        for column in self.columns:
            if column.kind == "datetime" and column.format is not None:
                check_format(column.format, column.name)
            elif column.format is not None:
                check_spelling(column.format, column.name)
        for constraint in self.constraints:
            constraint.check(columns)

    @staticmethod
    def infer(frame: pd.DataFrame) -> "Schema":
        """Reads the kinds off the values, and spellings off the file (`read_records` notes them in frame.attrs).

        Raises DataError for records that no kind fits.
        """
        schema, problems = Schema.draft(frame)
        if problems:
            raise DataError(problems[0])
        return schema

    @staticmethod
    def draft(frame: pd.DataFrame) -> tuple["Schema", tuple[str, ...]]:
        """As `infer`, with the nearest kind for what no kind fits, and what stands in the way, a line a column."""
        _check_frame(frame)
        missing = tuple(frame.attrs.get("missing", ()))
        if {"subject_id", "code"} <= set(frame.columns):
            subject, code = str(frame["subject_id"].dtype), str(frame["code"].dtype)
            pair = (Column("subject_id", "id", subject), Column("code", "code", code))
            return Schema("codes", pair, missing=missing), ()
        formats = frame.attrs.get("format", {})
        found = [infer_column(frame[name], formats.get(name)) for name in frame.columns]
        columns = agreeing(frame, [each.column for each in found])
        columns = tuple(replace(c, format=c.format or formats.get(c.name)) for c in columns)
        problems = tuple(each.problem for each in found if each.problem)
        return Schema("table", columns, missing=missing), problems

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
                check_values(frame[column.name], column)

    def of_kind(self, *kinds: str) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind in kinds)

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def spelling(self) -> dict[str, str]:
        """The formats of numbers, for frame.attrs["format"]: files are written by them."""
        dates = {c.name: ".0f" for c in self.of_kind("datetime") if c.dtype == "float64"}
        rest = {c.name: c.format for c in self.columns if c.format and c.kind != "datetime"}
        return {**dates, **rest}

    def with_missing(self, texts: Iterable[str]) -> "Schema":
        """The same schema, to whose texts for a missing value these are added."""
        return replace(self, missing=tuple(dict.fromkeys([*self.missing, *texts])))

    def with_kind(self, name: str, kind: Kind) -> "Schema":
        """The same schema with one column's kind changed."""
        columns = (c.of_kind(kind) if c.name == name else c for c in self.columns)
        return replace(self, columns=tuple(columns))

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows break a constraint."""
        columns = {c.name: c for c in self.columns}
        found = [constraint.broken(frame, columns) for constraint in self.constraints]
        return np.any(found, axis=0) if found else np.zeros(len(frame), bool)

    def to_json(self) -> dict[str, Any]:
        keys = ("name", "kind", "dtype", "format")
        columns = [
            {key: getattr(c, key) for key in keys if getattr(c, key) is not None}
            for c in self.columns
        ]
        schema: dict[str, Any] = {"version": VERSION, "records": self.records, "columns": columns}
        if self.missing:
            schema["missing"] = list(self.missing)
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
        columns = tuple(column.of_kind(column.kind) for column in columns)
        constraints = constraints_from_json(value.get("constraints", []))
        return Schema(records, columns, constraints, _texts(value.get("missing", [])))

    def save(self, path: str | Path) -> None:
        write_text(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")

    @staticmethod
    def load(path: str | Path) -> "Schema":
        """Raises DataError if there is no such file, or it is not a schema."""
        if not Path(path).is_file():
            raise DataError(f"no such schema file: {path}")
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}") from None
        return Schema.from_json(value)

    def __str__(self) -> str:
        """A line for each column; of many the first and the last, and how many of each kind there are between."""
        first, last = (len(self.columns), 0) if len(self.columns) <= LONG else (FIRST, LAST)
        between = self.columns[first : len(self.columns) - last]
        shown = [*self.columns[:first], *self.columns[len(self.columns) - last :]]
        wide = max(len(c.name) for c in shown)
        lines = [
            f"  {c.name:<{wide}}  {c.kind:<11}  {c.dtype}" + (f"  {c.format}" if c.format else "")
            for c in shown
        ]
        if between:
            kinds = Counter(c.kind for c in between).most_common()
            counts = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
            lines.insert(first, f"  ... {len(between):,} more: {counts}")
        what = "one row per patient" if self.records == "table" else "one row per patient and code"
        if self.missing:
            lines.append(f"  missing where empty, or {', '.join(self.missing)}")
        lines += [f"  always {constraint}" for constraint in self.constraints]
        return "\n".join([f"{self.records}: {what}, {len(self.columns)} columns", *lines])


def _texts(value: Any) -> tuple[str, ...]:
    """Raises DataError for what is no list of texts."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(
            f'"missing" of a schema is a list of texts, such as ["NA", "?"]; got {value!r}'
        )
    return tuple(value)


def _quoted(names: Iterable) -> str:
    return listed(f"'{name}'" for name in names)


def _check_frame(frame: pd.DataFrame) -> None:
    if not len(frame) or not len(frame.columns):
        raise DataError("the records are empty: there is no row to learn from")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].unique()
        raise DataError(f"column {_quoted(list(twice))} appears more than once; rename one")
