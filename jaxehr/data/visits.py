"""A wide file of visits, a row for each and a column for each thing that is measured, as a table and events; and back.

What says the same in all rows of every subject is static; the rest are variables, whose code is the column's name.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.dates import read_dates, write_dates
from jaxehr.data.ids import new_ids
from jaxehr.data.infer import agreeing, infer_column
from jaxehr.data.kinds import Column, DataError, listed
from jaxehr.data.records import Records

log = logging.getLogger(__name__)

EPOCH = pd.Timestamp("2000-01-01")  # where a subject starts whose times are counted
UNITS = ("days", "hours", "minutes", "seconds")
MOST = 0.5  # of the rows may have a subject and a time that another has too


@dataclass(frozen=True)
class Visits:
    """What the rows of visits become, and what becomes such rows.

    subject_id, time    columns that say whose a visit is, and when it was
    counts      what time counts since the subject's start (days, hours, ...); None where it is a date
    columns     of the file, in order
    static      names of those that are so; others of kind id number the rows, and the rest are variables
    """

    subject_id: str
    time: str
    counts: str | None
    columns: tuple[Column, ...]
    static: tuple[str, ...]

    @classmethod
    def draft(
        cls, frame: pd.DataFrame, *, subject_id: str, time: str, counts: str | None = None
    ) -> "Visits":
        """Read off the rows; logs what becomes of the columns.

        Raises DataError for a column that is not there or cannot be a variable, where nothing changes from visit to
        visit, and where most rows share their moment, as those of a long file do.
        """
        for what, name in (("subject_id", subject_id), ("time", time)):
            if name not in frame:
                raise DataError(
                    f"the visits have no column '{name}' for {what}; they have {listed(frame.columns, name)}"
                )
        formats = frame.attrs.get("format", {})
        found = [infer_column(frame[name], formats.get(name)) for name in frame.columns]
        columns = tuple(
            c if c.format or c.name not in formats else _with_format(c, formats[c.name])
            for c in agreeing(frame, [each.column for each in found])
        )
        _check_moments(frame, subject_id, time)
        whose = [frame[name] for name in frame.columns if name not in (subject_id, time)]
        static = tuple(str(values.name) for values in whose if _constant(values, frame[subject_id]))
        for each, column in zip(found, columns, strict=True):
            if column.name not in (*static, subject_id, time):
                _check_variable(column, each.problem)
        made = cls(subject_id, time, counts, columns, static)
        if not made.variables:
            raise DataError(
                f"no column changes within a '{subject_id}', so rows are no visits; without a time they are a table"
            )
        made._say()
        return made

    @property
    def variables(self) -> tuple[Column, ...]:
        return tuple(c for c in self._others if c.kind != "id")

    @property
    def numbered(self) -> tuple[Column, ...]:
        """What identifies a row."""
        return tuple(c for c in self._others if c.kind == "id")

    def records(self, frame: pd.DataFrame) -> Records:
        """The static table, and the events, by subject and time, of every value that is there.

        Raises DataError for a row without a subject or a time, and for a column that is not there, or is to be static
        and changes.
        """
        lacking = [c.name for c in self.columns if c.name not in frame and c not in self.numbered]
        if lacking:
            raise DataError(
                f"the visits have no column {listed(lacking)}, as those had that were learnt; they have "
                f"{listed(frame.columns, lacking[0])}"
            )
        whose = frame[self.subject_id]
        if whose.isna().any():
            row = int(np.argmax(whose.isna())) + 1
            raise DataError(
                f"row {row:,} of the visits has no {self.subject_id}; correct or drop it"
            )
        for name in self.static:
            if not _constant(frame[name], whose):
                raise DataError(
                    f"'{name}' changes from visit to visit of subject {_changing(frame[name], whose)}, and was the "
                    "same in all of those that were learnt; make it so"
                )
        times = self._read(frame[self.time])
        order = np.lexsort((times.to_numpy(), pd.factorize(whose)[0]))
        frame, times = frame.iloc[order].reset_index(drop=True), times.iloc[order]
        static = frame.drop_duplicates(self.subject_id)[[self.subject_id, *self.static]]
        static = static.rename(columns={self.subject_id: "subject_id"}).reset_index(drop=True)
        formats = {c.name: c.format for c in self.columns if c.name in self.static and c.format}
        static.attrs = {"format": formats} if formats else {}
        events = self._events(frame, times.reset_index(drop=True))
        _say_empty(len(frame), len(events[["subject_id", "time"]].drop_duplicates()))
        return Records(static, events)

    def frame(self, records: Records, *, first: int = 0) -> pd.DataFrame:
        """The rows of visits of these records, with all columns in their order; what identifies a row counts from
        first + 1. A subject without an event has no row."""
        static, events = records.static, records.events
        assert static is not None and events is not None
        keys = ["subject_id", "time"]
        visits = events[keys].drop_duplicates().sort_values(keys, kind="stable")
        visits = visits.merge(static[["subject_id"]].reset_index(names="row"), on="subject_id")
        visits = visits.sort_values(["row", "time"], kind="stable", ignore_index=True)
        index = pd.MultiIndex.from_frame(visits[keys])
        made: dict[str, pd.Series] = {}
        for column in self.columns:
            if column.name == self.subject_id:
                values = visits["subject_id"]
            elif column.name == self.time:
                values = self._written(visits["time"], column)
            elif column.name in self.static:
                values = static[column.name].take(visits["row"])
            elif column in self.numbered:
                values = new_ids(len(visits), first, column.dtype)
            else:
                own = events[events["code"] == column.name]
                own = own.drop_duplicates(keys, keep="last").set_index(keys)
                values = _values(own.reindex(index), column)
            made[column.name] = values.reset_index(drop=True)
        found = pd.DataFrame(made)
        formats = {c.name: c.format for c in self.columns if c.format and c.kind != "datetime"}
        formats |= {
            c.name: ".0f"  # gaps have made decimals of it
            for c in self.columns
            if "int" in c.dtype and c.name not in formats and found[c.name].dtype.kind == "f"
        }
        found.attrs = {"format": formats} if formats else {}
        if silent := int((~static["subject_id"].isin(visits["subject_id"])).sum()):
            log.warning(
                "%s of %s subjects have no visit, and so no row", f"{silent:,}", f"{len(static):,}"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        columns = [{k: v for k, v in asdict(c).items() if v} for c in self.columns]
        return {**asdict(self), "columns": columns, "static": list(self.static)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Visits":
        """Raises DataError for what are none."""
        try:
            columns = tuple(Column(**each) for each in value["columns"])
            return cls(**{**value, "columns": columns, "static": tuple(value["static"])})
        except (KeyError, TypeError) as error:
            raise DataError(
                f"the visits of the schema are none: {error}; they have subject_id, time, counts, columns and static"
            ) from None

    @property
    def _others(self) -> tuple[Column, ...]:
        told = (*self.static, self.subject_id, self.time)
        return tuple(c for c in self.columns if c.name not in told)

    def _say(self) -> None:
        variables, numbered = (listed(c.name for c in c_) for c_ in (self.variables, self.numbered))
        log.warning(
            "a row is a visit of '%s' at '%s'; the same in all of a subject's, and so static: %s; variables: %s%s",
            *(self.subject_id, self.time, listed(self.static) or "nothing", variables),
            f"; numbered anew: {numbered}" if numbered else "",
        )

    def _read(self, values: pd.Series) -> pd.Series:
        """As timestamps. Raises DataError for one that is not there, or cannot be read."""
        column = next(c for c in self.columns if c.name == self.time)
        if self.counts is None:
            if column.kind != "datetime":
                raise DataError(
                    f"'{self.time}' holds no dates, such as {values.iloc[0]}; where it counts from the subject's "
                    f"start, say what: --map time={self.time}:days (or {', '.join(UNITS[1:])})"
                )
            times = read_dates(values, column.format)
        elif pd.api.types.is_numeric_dtype(values):
            times = self._since(values)
        else:
            raise DataError(f"'{self.time}' is to count {self.counts}; it holds {values.iloc[0]}")
        if times.isna().any():
            row = int(np.argmax(times.isna())) + 1
            raise DataError(
                f"row {row:,} of the visits has no {self.time} that reads; correct or drop it"
            )
        return times.astype("datetime64[us]")

    def _since(self, values: pd.Series) -> pd.Series:
        try:
            since = pd.to_timedelta(values, self.counts)
            return EPOCH + since
        except (ValueError, OverflowError):  # pandas' own is a ValueError
            raise DataError(
                f"'{self.time}' counts {self.counts} up to {values.abs().max():g}, beyond what times hold; say what "
                f"it counts (--map time={self.time}:minutes, ...), or correct it"
            ) from None

    def _written(self, times: pd.Series, column: Column) -> pd.Series:
        """As they were read."""
        if self.counts is None:
            dated = column.dtype.startswith("datetime64")
            return times.astype(column.dtype) if dated else write_dates(times, str(column.format))
        counted = (times - EPOCH) / pd.Timedelta(1, self.counts)
        whole = bool((counted == counted.round()).all())
        return counted.astype(column.dtype) if whole or "int" not in column.dtype else counted

    def _events(self, frame: pd.DataFrame, times: pd.Series) -> pd.DataFrame:
        """Long, by subject, time, and the columns' order."""
        empty = pd.Series(np.nan, index=frame.index)
        words = any(_is_text(c) for c in self.variables)
        found = []
        for column in self.variables:
            values, text = frame[column.name], _is_text(column)
            each = {"subject_id": frame[self.subject_id], "time": times, "code": column.name}
            each["numeric_value"] = empty if text else values.astype("float64")
            each |= {"text_value": values if text else None} if words else {}
            found.append(pd.DataFrame(each)[values.notna()])
        events = pd.concat(found).sort_index(kind="stable").reset_index(drop=True)
        events.attrs = {"visits": self.to_json()}
        return events


def _with_format(column: Column, form: str) -> Column:
    return Column(column.name, column.kind, column.dtype, form)


def _is_text(column: Column) -> bool:
    return column.kind == "categorical"


def _values(events: pd.DataFrame, column: Column) -> pd.Series:
    """Of the events of a variable, missing where there is none, in the column's dtype."""
    if _is_text(column):
        return events["text_value"].astype(column.dtype)
    numbers = events["numeric_value"]
    if column.dtype in ("bool", "object"):
        flags = numbers.map({1.0: True, 0.0: False})
        return flags.astype("bool") if numbers.notna().all() else flags.astype("object")
    return numbers if numbers.isna().any() else numbers.astype(column.dtype)


def _constant(values: pd.Series, whose: pd.Series) -> bool:
    """Whether a subject's are all the same, or all missing."""
    return bool((values.groupby(whose).nunique(dropna=False) <= 1).all())


def _changing(values: pd.Series, whose: pd.Series) -> Any:
    different = values.groupby(whose).nunique(dropna=False)
    return different.index[different > 1][0]


def _check_variable(column: Column, problem: str) -> None:
    if problem:
        raise DataError(f"{problem} (of visits, leave it out of the file)")
    if column.kind == "datetime":
        raise DataError(
            f"column '{column.name}' holds dates that change from visit to visit, which no variable holds; write it as "
            "days since the subject's start, or leave it out of the file"
        )
    if column.kind == "categorical" and not column.dtype.startswith(("str", "object")):
        raise DataError(
            f"column '{column.name}' holds categories as {column.dtype}; make them text"
        )


def _check_moments(frame: pd.DataFrame, subject_id: str, time: str) -> None:
    """A row is a visit: few share their moment with another of their subject's."""
    twice = frame.duplicated([subject_id, time], keep=False)
    if twice.mean() > MOST:
        raise DataError(
            f"{twice.sum():,} of {len(frame):,} rows share '{subject_id}' and '{time}' with another, so rows are no "
            "visits; where one column says what is measured and another how much, say which: --map code=COLUMN --map "
            "numeric_value=COLUMN"
        )
    if twice.any():
        log.warning(
            "%s of %s visits are at the very moment of another of the same subject: of a step one value is kept",
            *(f"{twice.sum():,}", f"{len(frame):,}"),
        )


def _say_empty(rows: int, visits: int) -> None:
    if rows > visits:
        log.warning(
            "%s of %s rows hold no variable at a moment of their own: no visit is made of them",
            *(f"{rows - visits:,}", f"{rows:,}"),
        )
