"""A series: what is measured of a subject over time, on a grid of steps; the part of a schema that says so."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxehr.data.kinds import DataError, listed

VariableKind = Literal["numerical", "categorical", "binary"]
VARIABLE_KINDS = ("numerical", "categorical", "binary")
VALUES = ("last", "mean")
FIRST = "first"  # time starts with a subject's first event
TEXT, NONE = "text", "none"  # dtypes of a variable whose values are texts, or that is there or not
COUNTS = {"seconds": 10**6, "minutes": 60 * 10**6, "hours": 3_600 * 10**6, "days": 86_400 * 10**6}
EPOCH = pd.Timestamp("2000-01-01")  # where times start that are counted from a subject's start
NEAR = 24  # steps
MOST = 0.95  # of the subjects whose events a length that nobody said holds


@dataclass(frozen=True)
class Variable:
    """A code of the events, as something that is measured again and again.

    name    the code
    kind    numerical, categorical, or binary: at most two values
    dtype   of its values in numeric_value; "text" where they stand in text_value, "none" where it has no value, and
            is there or not
    """

    name: Any
    kind: VariableKind
    dtype: str


@dataclass(frozen=True)
class Grid:
    """Steps in time, and what is measured in them.

    every       how long a step is: 1h, 15min, 90d
    length      steps; what lies after them is left out
    value       of several events of one code in a step the last, or of numbers the mean; the time is that of the last
    start       where a subject's time starts: "first", its first event; or a date, or number, that is the same for all
    time        the dtype of the events' time
    counts      what a time counts that is a number and no date: seconds, minutes, hours, days
    """

    every: str
    length: int
    variables: tuple[Variable, ...]
    value: str = "last"
    start: str = FIRST
    time: str = "datetime64[us]"
    counts: str | None = None

    def __post_init__(self) -> None:
        """Raises DataError for a grid that cannot be."""
        _step(self.every)
        if not isinstance(self.length, int) or self.length < 1:
            raise DataError(f"a grid has a length of 1 step or more; got {self.length!r}")
        if self.value not in VALUES:
            raise DataError(f"the value of a step is {' or '.join(VALUES)}; got '{self.value}'")
        if self.counts is not None and self.counts not in COUNTS:
            raise DataError(f"times count {', '.join(COUNTS)}; got '{self.counts}'")
        if self.start != FIRST:
            self._origin()
        if not self.variables:
            raise DataError("the grid of the schema names no variable; there is nothing to learn")
        names = [v.name for v in self.variables]
        if twice := [str(name) for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise DataError(f"the grid names {listed(twice)} twice; take one away")
        for v in self.variables:
            if v.kind not in VARIABLE_KINDS:
                said = ", ".join(VARIABLE_KINDS)
                raise DataError(f"variable '{v.name}' has kind '{v.kind}'; it is one of {said}")
            if v.kind == "numerical" and v.dtype in (TEXT, NONE):
                raise DataError(
                    f"variable '{v.name}' has {'texts' if v.dtype == TEXT else 'no values'}, which are not numerical; "
                    "make it categorical"
                )

    @classmethod
    def draft(
        cls,
        events: pd.DataFrame,
        *,
        every: str,
        length: int | None = None,
        value: str = "last",
        start: str | None = None,
        counts: str | None = None,
    ) -> "Grid":
        """The grid of these events: what is not said is read off them. Raises DataError for events without times."""
        _check_times(events, counts)
        made = cls(
            every,
            1 if length is None else length,
            tuple(_variables(events)),
            value,
            FIRST if start is None else start,
            str(events["time"].dtype),
            counts,
        )
        if start is None:
            made = replace(made, start=made._start_of(events))
        if length is None:
            last = made.since(events).groupby(events["subject_id"].to_numpy()).max().dropna()
            steps = int(np.quantile(np.maximum(last // made.step, 0) + 1, MOST, method="higher"))
            made = replace(made, length=steps)
        return made

    @property
    def step(self) -> int:
        """In microseconds."""
        return _step(self.every)

    def check(self, events: pd.DataFrame) -> None:
        """Raises DataError for events that have no times, or none like those of the grid."""
        _check_times(events, self.counts)

    def since(self, events: pd.DataFrame) -> pd.Series:
        """Microseconds since each subject's start, missing where there is no time. By the rows of the events."""
        ticks = self._ticks(events["time"])
        if self.start != FIRST:
            return ticks - self._origin()
        named = events["code"].isin([v.name for v in self.variables])
        first = ticks.where(named).groupby(events["subject_id"].to_numpy()).transform("min")
        return ticks - first

    def starts(self, events: pd.DataFrame, subjects: pd.Series) -> pd.Series:
        """Where the time of each of these subjects starts, as `times` takes it; missing where its first event says so,
        and it has none."""
        if self.start != FIRST:
            return pd.Series(self._origin(), index=range(len(subjects)), dtype="Int64")
        named = events["code"].isin([v.name for v in self.variables])
        first = self._ticks(events["time"]).where(named).groupby(events["subject_id"]).min()
        return first.reindex(subjects).astype("Int64").reset_index(drop=True)

    def times(self, since: np.ndarray, start: pd.Series | None = None) -> pd.Series:
        """The way back, in the dtype of the events.

        start   of each; by default, and where it is missing, a subject's own is 2000-01-01, or 0
        """
        zero = self._zero()
        ticks = since + (zero if start is None else start.fillna(zero).to_numpy(np.int64))
        if self.counts is not None:
            return pd.Series(ticks / COUNTS[self.counts]).astype(self.time)
        return pd.Series(ticks.astype("int64").astype("datetime64[us]")).astype(self.time)

    def steps_until(self, until: str) -> int:
        """Steps before a time since a subject's start, such as 24h. Raises DataError where they are not whole."""
        ticks = ticks_of(until)
        if ticks is None or ticks < 0:
            raise DataError(
                f"until is a time since each subject's start, such as 24h; got '{until}'"
            )
        steps, rest = divmod(ticks, self.step)
        if rest:
            ends = " or ".join(self.after(each) for each in (steps, steps + 1))
            raise DataError(
                f"until={until} lies inside a step of the schema's grid, which has one every {self.every}; take {ends}"
            )
        return steps

    def after(self, steps: int) -> str:
        """The time after so many steps, in the unit of `every`."""
        number, unit = re.fullmatch(r"\s*([0-9.]*)(.*?)\s*", self.every).groups()  # type: ignore[union-attr]
        return f"{steps * float(number or 1):.10g}{unit}"

    def to_json(self) -> dict[str, Any]:
        found = {k: v for k, v in asdict(self).items() if v is not None}
        return {**found, "variables": [asdict(v) for v in self.variables]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Grid":
        """Raises DataError for what is no grid."""
        try:
            variables = tuple(Variable(**each) for each in value["variables"])
            return cls(**{**value, "variables": variables})
        except (KeyError, TypeError) as error:
            raise DataError(
                f"the grid of the schema is none: {error}; it has every, length, and variables with name, kind, dtype"
            ) from None

    def __str__(self) -> str:
        """What a step is."""
        start = "its first event" if self.start == FIRST else self.start
        return (
            f"series: {len(self.variables):,} variables, every {self.every} from {start}, {self.length:,} steps, the "
            f"{self.value} value in each"
        )

    def _start_of(self, events: pd.DataFrame) -> str:
        """2000-01-01, from which readers count, or 0, where most begin within 24 steps of it; else "first"."""
        start = "0" if self.counts is not None else str(EPOCH.date())
        made = replace(self, start=start)
        first = made.since(events).groupby(events["subject_id"].to_numpy()).min().dropna()
        near = first.abs() < NEAR * self.step
        return start if len(first) and near.mean() > 0.5 else FIRST

    def _zero(self) -> int:
        """Where time starts in what is drawn."""
        if self.start != FIRST:
            return self._origin()
        return 0 if self.counts is not None else _microseconds(EPOCH)

    def _origin(self) -> int:
        """The start of all, as `_ticks` counts."""
        try:
            if self.counts is not None:
                return round(float(self.start) * COUNTS[self.counts])
            return _microseconds(pd.Timestamp(self.start))
        except ValueError:
            what = "a number" if self.counts is not None else "a date such as 2000-01-01"
            raise DataError(f"time starts at \"first\", or {what}; got '{self.start}'") from None

    def _ticks(self, times: pd.Series) -> pd.Series:
        """Microseconds, nullable: since 1970, or of what is counted."""
        if self.counts is not None:
            return pd.Series(np.rint(pd.to_numeric(times) * COUNTS[self.counts])).astype("Int64")
        read = times.dt.as_unit("us")
        return read.astype("int64").astype("Int64").mask(read.isna())


def refuse_series(grid: Grid | None, what: str) -> None:
    """Raises DataError where there is a grid: `what` does not take series."""
    if grid is not None:
        raise DataError(
            f"{what} of series is not there yet, and the schema's grid makes a series of the events; without its grid "
            "(in a copy of schema.json) they are codes"
        )


def _step(every: str) -> int:
    ticks = ticks_of(every)
    if ticks is None or ticks <= 0:
        raise DataError(f"a step lasts some time, such as 1h, 15min or 90d; got every='{every}'")
    return ticks


def ticks_of(text: str) -> int | None:
    """Microseconds of a time such as 1h; None of what is none."""
    try:
        time = pd.Timedelta(re.sub(r"(?<=[0-9 ])d$", "D", text.strip().lower()))
        ticks = time // pd.Timedelta(1, "us")
        return int(ticks) if pd.Timedelta(ticks, "us") == time else None
    except (ValueError, TypeError, AttributeError):
        return None


def _microseconds(moment: pd.Timestamp) -> int:
    return int(moment.as_unit("us").asm8.astype("int64"))


def _check_times(events: pd.DataFrame, counts: str | None) -> None:
    if "time" not in events:
        raise DataError(
            "a series needs the time of each event, and these have no column time; say which it is: --map time=COLUMN"
        )
    times = events["time"]
    if not times.notna().any():
        raise DataError("a series needs the time of each event, and column time is empty")
    dated = isinstance(times.dtype, np.dtype) and times.dtype.kind == "M"
    if counts is None and not dated:
        what = "are numbers; say what they count: counts='hours'"
        if not pd.api.types.is_numeric_dtype(times) or pd.api.types.is_bool_dtype(times):
            what = (
                f"are {times.dtype}, not dates without a time zone; make them so by pd.to_datetime"
            )
        raise DataError(f"the times of the events {what}")
    if counts is not None and not pd.api.types.is_numeric_dtype(times):
        raise DataError(
            f"times count {counts} in the schema's grid; those of the events are {times.dtype}"
        )


def _variables(events: pd.DataFrame) -> Sequence[Variable]:
    """A variable for each code, in order, its kind by its values."""
    empty = pd.Series(np.nan, index=events.index)
    numbers, texts = (
        events[name] if name in events else empty for name in ("numeric_value", "text_value")
    )
    if not pd.api.types.is_numeric_dtype(numbers):
        raise DataError(f"numeric_value of events holds numbers; here it is {numbers.dtype}")
    frame = pd.DataFrame({"code": events["code"], "number": numbers, "text": texts})
    grouped = frame.groupby("code", observed=True, sort=True)
    counts = grouped[["number", "text"]].agg(["count", "nunique"])
    ends = grouped["number"].agg(["min", "max"])
    found = []
    for code, (many, different, written, words) in zip(
        counts.index, counts.to_numpy().tolist(), strict=True
    ):
        flag = different == 1 or many >= 20 or set(ends.loc[code]) == {0, 1}
        kind: VariableKind = "numerical"
        dtype = str(numbers.dtype)
        if not many and not written:
            kind, dtype = "binary", NONE
        elif many < written:
            kind, dtype = ("binary" if words <= 2 else "categorical"), TEXT
        elif different <= 2 and flag:
            kind = "binary"
        name = code.item() if isinstance(code, np.generic) else code
        found.append(Variable(name, kind, dtype))
    return found
