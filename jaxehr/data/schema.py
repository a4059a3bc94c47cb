"""What each column of the records is."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.checks import (
    check_events,
    check_frame,
    check_period,
    check_values,
    quoted,
    said_period,
)
from jaxehr.data.constraints import Constraint, constraints_from_json
from jaxehr.data.constraints import Equal as Equal
from jaxehr.data.constraints import Implication as Implication
from jaxehr.data.constraints import Inequality as Inequality
from jaxehr.data.constraints import Product as Product
from jaxehr.data.constraints import Range as Range
from jaxehr.data.constraints import Sum as Sum
from jaxehr.data.dates import check_format
from jaxehr.data.grid import Grid as Grid
from jaxehr.data.infer import agreeing, infer_column
from jaxehr.data.kinds import EVENT_KINDS, KINDS, Kind, listed
from jaxehr.data.kinds import Column as Column
from jaxehr.data.kinds import DataError as DataError
from jaxehr.data.records import EVENT_COLUMNS, Records, check_joined, records_of
from jaxehr.data.visits import Visits as Visits
from jaxehr.data.write import check_spelling
from jaxehr.files import write_text

VERSION = 3  # where there is a grid; without one 2, which says as much
LONG, FIRST, LAST = 40, 20, 5  # columns of a schema that is printed whole; shown of a longer one


@dataclass(frozen=True)
class Schema:
    """What each column of the records is.

    columns         of the static table, which has a row per subject; none where there is no such table
    events          subject_id and code of the events; none where there are no events
    constraints     what holds in every row of the static table, real or synthetic
    missing         texts that stand for a missing value, beside an empty cell
    whole           the records come as Records, and go back so; else they are one frame
    grid            makes a series of the events; without one they are codes, and their times and values not learnt
    visits          how records came as rows of visits, and are written so
    """

    columns: tuple[Column, ...]
    events: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    missing: tuple[str, ...] = ()
    whole: bool = False
    grid: Grid | None = None
    visits: Visits | None = None

    def __post_init__(self) -> None:
        """Raises DataError for a format of dates or a period that cannot be, a constraint that is not about the
        columns, and where nothing says whose the events are."""
        check_events(self.columns, self.events)
        if self.grid is not None and not self.events:
            raise DataError("the schema has a grid, which is of events, and names no events")
        columns = {c.name: c for c in self.columns}
        for column in self.columns:
            check_period(column)
            if column.kind == "datetime" and column.format is not None:
                check_format(column.format, column.name)
            elif column.format is not None:
                check_spelling(column.format, column.name)
        for constraint in self.constraints:
            constraint.check(columns)

    @staticmethod
    def infer(data: pd.DataFrame | Records) -> "Schema":
        """Reads the kinds off the values, and spellings off the file (`read_records` notes them in frame.attrs).

        Raises DataError for records that no kind fits.
        """
        schema, problems = Schema.draft(data)
        if problems:
            raise DataError(problems[0])
        return schema

    @staticmethod
    def draft(data: pd.DataFrame | Records) -> tuple["Schema", tuple[str, ...]]:
        """As `infer`, with the nearest kind for what no kind fits, and what stands in the way, a line a column."""
        static, events = records_of(data).static, records_of(data).events
        columns: tuple[Column, ...] = ()
        pair: tuple[Column, ...] = ()
        missing: tuple[str, ...] = ()
        problems: tuple[str, ...] = ()
        visits: Visits | None = None
        if events is not None:
            if "visits" in events.attrs:
                visits = Visits.from_json(events.attrs["visits"])
            check_frame(events)
            missing = tuple(events.attrs.get("missing", ()))
            subject, code = str(events["subject_id"].dtype), str(events["code"].dtype)
            pair = (Column("subject_id", "id", subject), Column("code", "code", code))
        if static is not None:
            check_frame(static)
            missing = tuple(dict.fromkeys([*static.attrs.get("missing", ()), *missing]))
            columns, problems = _drafted(static, joins=events is not None)
        whole = isinstance(data, Records)
        return Schema(columns, pair, missing=missing, whole=whole, visits=visits), problems

    def check(self, data: pd.DataFrame | Records) -> None:
        """Raises DataError if the data lacks a column of the schema, or has values its kind cannot hold."""
        records = records_of(data)
        sides = (
            ("a static table", self.columns, records.static),
            ("events", self.events, records.events),
        )
        for what, columns, frame in sides:
            if (frame is not None) != bool(columns):
                raise DataError(
                    f"the data {'lacks' if columns else 'has'} {what}, which the schema "
                    f"{'names' if columns else 'does not name'}"
                )
            if frame is None:
                continue
            check_frame(frame)
            missing = [c.name for c in columns if c.name not in frame.columns]
            if missing:
                raise DataError(
                    f"the data has no column {quoted(missing)}, which the schema names; "
                    f"it has {quoted(list(frame.columns))}"
                )
            for column in columns:
                if column.kind != "id":
                    check_values(frame[column.name], column)
        if self.grid is not None and records.events is not None:
            self.grid.check(records.events)
        if records.static is not None and records.events is not None:
            check_joined(records.static, records.events)

    def of_kind(self, *kinds: str) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind in kinds)

    @property
    def names(self) -> list[str]:
        """Of the static table."""
        return [c.name for c in self.columns]

    @property
    def event_names(self) -> list[str]:
        """What is learnt of events: also times and values, where they are a series."""
        more = EVENT_COLUMNS[2:] if self.grid is not None else ()
        return [*(c.name for c in self.events), *more]

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

    def with_period(self, name: str, period: float, start: float = 0) -> "Schema":
        """The same schema with one column's numbers coming round: they lie from `start` to below start + period.

        Raises DataError for a column that is not there, or holds no numbers, and for a period that is none.
        """
        if name not in self.names:
            raise DataError(
                f"there is no column '{name}'; the columns are {listed(self.names, name)}"
            )
        around: dict[str, Any] = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in (("period", period), ("start", start))
        }
        columns = (replace(c, **around) if c.name == name else c for c in self.columns)
        return replace(self, columns=tuple(columns))

    def on_grid(self, data: pd.DataFrame | Records, every: str, **said: Any) -> "Schema":
        """The same schema with the events as a series, whose variables are read off the data.

        every   how long a step is, such as 1h; `said` (length, value, start, counts) is as in `Grid.draft`
        """
        events = records_of(data).events
        if events is None:
            raise DataError("a grid is of events, and the data have none")
        return replace(self, grid=Grid.draft(events, every=every, **said))

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows break a constraint."""
        columns = {c.name: c for c in self.columns}
        found = [constraint.broken(frame, columns) for constraint in self.constraints]
        return np.any(found, axis=0) if found else np.zeros(len(frame), bool)

    def to_json(self) -> dict[str, Any]:
        version = 2 if self.grid is None else VERSION
        schema: dict[str, Any] = {"version": version, "columns": _to_json(self.columns)}
        if self.events:
            schema["events"] = _to_json(self.events)
        if self.missing:
            schema["missing"] = list(self.missing)
        if self.constraints:
            schema["constraints"] = [{"kind": c.kind, **asdict(c)} for c in self.constraints]
        if self.whole:
            schema["whole"] = True
        if self.grid is not None:
            schema["grid"] = self.grid.to_json()
        if self.visits is not None:
            schema["visits"] = self.visits.to_json()
        return schema

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Schema":
        """Raises DataError for a kind or a version that is not known.

        Version 1 named one list of columns, and the records that it was of: table, or codes.
        """
        try:
            version, columns = value["version"], _from_json(value["columns"])
            events = _from_json(value.get("events", []))
        except (KeyError, TypeError) as error:
            raise DataError(
                f"not a schema: {error}; it needs version, and columns with name, kind and dtype"
            ) from None
        if version > VERSION:
            raise DataError(f"a schema of version {version}; this jaxehr reads {VERSION}")
        if value.get("records") == "codes":
            columns, events = (), columns
        for kinds, named in ((KINDS, columns), (EVENT_KINDS, events)):
            for column in named:
                if column.kind not in kinds:
                    raise DataError(
                        f"column '{column.name}' has kind '{column.kind}'; "
                        f"{'it is one of' if kinds is KINDS else 'of events it is'} {', '.join(kinds)}"
                    )
        if not columns and not events:
            raise DataError("the schema names no column; there is nothing to learn")
        columns = tuple(column.of_kind(column.kind) for column in columns)
        constraints = constraints_from_json(value.get("constraints", []))
        whole, missing = bool(value.get("whole", False)), _texts(value.get("missing", []))
        grid = Grid.from_json(value["grid"]) if value.get("grid") else None
        visits = Visits.from_json(value["visits"]) if value.get("visits") else None
        return Schema(columns, events, constraints, missing, whole, grid, visits)

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
        """A line for each column and each constraint; of many the first and the last, and how many of each kind there
        are between."""
        every = (*self.columns, *self.events)
        first, last = (len(every), 0) if len(every) <= LONG else (FIRST, LAST)
        between = every[first : len(every) - last]
        shown = [*every[:first], *every[len(every) - last :]]
        wide = max(len(c.name) for c in shown)
        lines = [
            f"  {c.name:<{wide}}  {c.kind:<11}  {c.dtype}"
            + (f"  {c.format}" if c.format else "")
            + (f"  {said_period(c.period, c.start)}" if c.period else "")
            for c in shown
        ]
        if between:
            kinds = Counter(c.kind for c in between).most_common()
            counts = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
            lines.insert(first, f"  ... {len(between):,} more: {counts}")
        if self.missing:
            lines.append(f"  missing where empty, or {', '.join(self.missing)}")
        laws = self.constraints if len(self.constraints) <= LONG else self.constraints[:FIRST]
        lines += [f"  always {constraint}" for constraint in laws]
        if more := len(self.constraints) - len(laws):
            lines.append(f"  and {more:,} more constraints")
        return "\n".join([self.said, *lines])

    @property
    def said(self) -> str:
        """What a row is."""
        table = f"table: one row per patient, {len(self.columns)} columns" if self.columns else ""
        codes = "codes: one row per patient and code" if self.events else ""
        events = codes if self.grid is None else str(self.grid)
        return "; ".join(part for part in (table, events) if part)


def _drafted(static: pd.DataFrame, *, joins: bool) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns of a table, and what stands in their way.

    joins   its subject_id says whose the events are, whatever it looks like
    """
    formats = static.attrs.get("format", {})
    found = [infer_column(static[name], formats.get(name)) for name in static.columns]
    columns = agreeing(static, [each.column for each in found])
    columns = tuple(replace(c, format=c.format or formats.get(c.name)) for c in columns)
    problems = tuple(each.problem for each in found if each.problem)
    if joins:
        ids = Column("subject_id", "id", str(static["subject_id"].dtype))
        columns = tuple(ids if c.name == "subject_id" else c for c in columns)
        problems = tuple(p for p in problems if "'subject_id'" not in p)
    return columns, problems


def _to_json(columns: Sequence[Column]) -> list[dict[str, Any]]:
    keys = ("name", "kind", "dtype", "format", "period")
    found = [{k: getattr(c, k) for k in keys if getattr(c, k) is not None} for c in columns]
    return [
        {**each, "start": c.start} if c.period else each
        for c, each in zip(columns, found, strict=True)
    ]


def _from_json(columns: Iterable[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(**column) for column in columns)


def _texts(value: Any) -> tuple[str, ...]:
    """Raises DataError for what is no list of texts."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(
            f'"missing" of a schema is a list of texts, such as ["NA", "?"]; got {value!r}'
        )
    return tuple(value)
