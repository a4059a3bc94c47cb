"""Records as clinical rules see them: columns with one value per patient, and events with codes, values and times."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from jaxehr.data import DataError, records_of
from jaxehr.data.dates import date_formats, days
from jaxehr.data.records import EVENT_COLUMNS
from jaxehr.evaluation.blocks.frames import Data
from jaxehr.evaluation.rules.rule import Condition, Event, RuleFile, like
from jaxehr.evaluation.rules.timeline import Lines, Timeline

Flags = Bool[np.ndarray, "patient"]


class Patients:
    """Columns with one value per patient, and the codes that each has.

    A column of the events beside those that MEDS names is the patient's: its first value counts. Where the static
    table has one of that name, it is that one.
    """

    def __init__(self, data: Data, rules: RuleFile, name: str):
        self.rules, self.name = rules, name
        self.records = records_of(data)
        self._frames = [f for f in (self.records.static, self.records.events) if f is not None]
        self._of_group: dict[str, Lines] = {}

    @property
    def columns(self) -> list[str]:
        """What may be asked of, as the records call it."""
        return [*dict.fromkeys(column for frame in self._frames for column in frame.columns)]

    def column(self, name: str) -> str | None:
        """What the records call the column that a rule calls `name`."""
        if name in EVENT_COLUMNS and self.records.events is not None:
            return name if name == "code" else self._own(self.records.events, name)
        if name == "code":
            return None
        return next((own for frame in self._frames if (own := self._own(frame, name))), None)

    def _own(self, frame: pd.DataFrame, name: str) -> str | None:
        """What a frame calls it."""
        own = {_plain(column): column for column in frame.columns}
        spellings = map(_plain, (name, *self.rules.columns.get(name, ())))
        return next((own[each] for each in spellings if each in own), None)

    @cached_property
    def subject(self) -> Int[np.ndarray, "event"]:
        """The patient's number of each event; -1 of one whom the static table lacks."""
        events, static = self._events, self.records.static
        if static is None:
            return pd.factorize(events["subject_id"])[0]
        return pd.Index(static["subject_id"]).get_indexer(pd.Index(events["subject_id"]))

    @property
    def _events(self) -> pd.DataFrame:
        assert self.records.events is not None
        return self.records.events

    @cached_property
    def count(self) -> int:
        return len(self.records)

    def values(self, name: str) -> pd.Series:
        """One value per patient."""
        frame = next(frame for frame in self._frames if self._own(frame, name))
        column = frame[self._own(frame, name)]
        if frame is self.records.static:
            return column.reset_index(drop=True)
        return column.groupby(self.subject).first().reindex(range(self.count))

    def lines(self, group: str) -> Lines:
        """Which events have a code of the group; each different code is looked at once."""
        if group not in self._of_group:
            place, codes = self._codes
            known = np.array([self.rules.is_in(str(code), group) for code in codes], bool)
            self._of_group[group] = np.append(known, False)[place]  # place -1 is missing
        return self._of_group[group]

    @cached_property
    def _codes(self) -> tuple[np.ndarray, pd.Index]:
        return pd.factorize(self._events["code"])

    def matching(self, event: Event) -> Lines:
        """Which events are so."""
        lines = np.any([self.lines(group) for group in event.groups], axis=0)
        if event.value is None:
            return lines
        at = np.flatnonzero(lines)
        seen, true = self.worth(at, event.value)
        lines = np.zeros(len(lines), bool)
        lines[at[seen & true]] = True
        return lines

    def worth(self, at: Int[np.ndarray, "asked"], asked: Condition) -> tuple[Lines, Lines]:
        """(of which of these events it can be told, of which it is true) that their value is so."""
        if asked.kind == "any":
            numbers = tuple(value for value in asked.values if not isinstance(value, str))
            texts = tuple(value for value in asked.values if isinstance(value, str))
            seen, true = np.zeros(len(at), bool), np.zeros(len(at), bool)
            for name, wanted in (("numeric_value", numbers), ("text_value", texts)):
                if wanted:
                    values = self._column(name).iloc[at]
                    seen |= values.notna().to_numpy()
                    true |= is_any(values, wanted)
            return seen, true
        numbers = self.numbers[at]
        if asked.other is None:
            return ~np.isnan(numbers), is_so(numbers, asked)
        others = self.lines(asked.other)
        least, most = self.timeline.least_and_most(at, others, self.numbers)
        limit = least if asked.kind in ("<", "<=") else most
        return ~np.isnan(numbers) & ~np.isnan(limit), is_so(numbers, asked, limit)

    @cached_property
    def numbers(self) -> Float[np.ndarray, "event"]:
        """The numeric value of each event, NaN where there is none."""
        return numbers_of(self._column("numeric_value"))

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline.of(self.subject, self._column("time"))

    def _column(self, name: str) -> pd.Series:
        return self._events[self._own(self._events, name)]


def is_so(numbers: np.ndarray, asked: Condition, limit: np.ndarray | None = None) -> np.ndarray:
    """Whether numbers are in a range, of some values, or on the right side of a limit; never so of NaN."""
    if asked.kind == "any":
        return np.isin(numbers, [float(value) for value in asked.values])
    if asked.kind == "range":
        return (numbers >= asked.values[0]) & (numbers <= asked.values[1])
    ask = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}
    return ask[asked.kind](numbers, asked.values[0] if limit is None else limit)


def is_any(values: pd.Series, wanted: tuple[Any, ...]) -> np.ndarray:
    """Numbers and true or false by value, texts without regard to case, with * for anything."""
    place, distinct = pd.factorize(values)
    found = np.array([any(_same(value, each) for each in wanted) for value in distinct], bool)
    return np.append(found, False)[place]  # place -1 is missing


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return like(str(value), wanted)
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return isinstance(wanted, bool) and str(value).lower() == str(wanted).lower()


def numbers_of(values: pd.Series) -> np.ndarray:
    """Numbers as they are, dates as days; NaN where missing. Raises DataError for text that is neither."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    numbers = pd.to_numeric(values, errors="coerce")
    if not pd.api.types.is_datetime64_any_dtype(values) and numbers[values.notna()].notna().all():
        return numbers.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(values):
        return days(values, None)
    forms = date_formats(values.dropna())
    if not forms:
        odd = values.dropna().iloc[0]
        raise DataError(
            f"a rule compares the column '{values.name}', which holds {odd!r}: neither number nor date"
        )
    return days(values, forms[0])


def _plain(name: Any) -> str:
    """Heart Rate, heart_rate and heart-rate are one name."""
    return str(name).lower().replace("_", "").replace(" ", "").replace("-", "")
