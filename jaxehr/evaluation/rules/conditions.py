"""Whether a condition of a clinical rule holds, patient by patient; a missing value leaves it open."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from jaxehr.data import DataError, records_of
from jaxehr.data.dates import date_formats, days
from jaxehr.evaluation.blocks.frames import Data
from jaxehr.evaluation.rules.rule_file import Condition, Rule, RuleFile, like

Flags = Bool[np.ndarray, "patient"]


class Patients:
    """Records as rules see them: columns with one value per patient, and the codes that each has.

    A column of the events beside subject_id, code and time is the patient's: its first value counts. Where the static
    table has one of that name, it is that one.
    """

    def __init__(self, data: Data, rules: RuleFile, name: str):
        self.rules, self.name = rules, name
        self.records = records_of(data)
        self._frames = [f for f in (self.records.static, self.records.events) if f is not None]

    @property
    def columns(self) -> list[str]:
        """What may be asked of, as the records call it."""
        return [*dict.fromkeys(column for frame in self._frames for column in frame.columns)]

    def column(self, name: str) -> str | None:
        """What the records call the column that a rule calls `name`."""
        if name == "code":
            return None if self.records.events is None else "code"
        return next((own for frame in self._frames if (own := self._own(frame, name))), None)

    def _own(self, frame: pd.DataFrame, name: str) -> str | None:
        """What a frame calls it."""
        own = {_plain(column): column for column in frame.columns}
        spellings = map(_plain, (name, *self.rules.columns.get(name, ())))
        return next((own[each] for each in spellings if each in own), None)

    @cached_property
    def _subject(self) -> np.ndarray:
        """The patient's number of each event."""
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
        return column.groupby(self._subject).first().reindex(range(self.count))

    def lines(self, group: str) -> Bool[np.ndarray, "line"]:
        """Which events have a code of the group; each different code is looked at once."""
        place, codes = pd.factorize(self._events["code"])
        return np.array([self.rules.is_in(str(code), group) for code in codes], bool)[place]

    def have(self, lines: Bool[np.ndarray, "line"]) -> Flags:
        whose = self._subject[lines]
        return np.bincount(whose[whose >= 0], minlength=self.count) > 0

    def times(self, lines: Bool[np.ndarray, "line"], which: str) -> np.ndarray:
        """The first ("min") or last ("max") time of each patient's lines, in float; NaN where there is none."""
        column = self._own(self._events, "time")
        if column is None:
            raise DataError(
                f"a rule asks for times, and the events of the {self.name} records have none"
            )
        time = _numbers(self._events[column])
        found = pd.Series(time[lines]).groupby(self._subject[lines]).agg(which)
        return found.reindex(range(self.count)).to_numpy(float)


def broken(patients: Patients, rule: Rule) -> tuple[Flags, Flags]:
    """(of whom the rule can be told, who breaks it)."""
    concerned, _ = _all(patients, rule.who, among=True)
    if rule.order:
        known, breaks = _order(patients, *rule.order)
    elif rule.never:
        known, breaks = _all(patients, rule.never)
    else:
        known, holds = _all(patients, rule.always)
        breaks = ~holds
    return concerned & known, breaks


def _all(
    patients: Patients, conditions: tuple[Condition, ...], *, among: bool = False
) -> tuple[Flags, Flags]:
    """(known, holds) of all conditions together; `among` knows only of those for whom it holds."""
    known, holds = np.ones(patients.count, bool), np.ones(patients.count, bool)
    for condition in conditions:
        seen, true = _one(patients, condition)
        known, holds = known & seen, holds & true
    return (known & holds, holds) if among else (known, holds)


def _one(patients: Patients, condition: Condition) -> tuple[Flags, Flags]:
    if condition.column == "code":
        having = [patients.have(patients.lines(group)) for group in condition.values]
        return np.ones(patients.count, bool), np.any(having, axis=0)
    values = patients.values(condition.column)
    seen = values.notna().to_numpy()
    if condition.kind == "any":
        return seen, _is_any(values, condition.values)
    if condition.kind == "range":
        numbers = _numbers(values)
        low, high = condition.values
        return seen & ~np.isnan(numbers), (numbers >= low) & (numbers <= high)
    limit = condition.values[0]
    other = _numbers(patients.values(limit)) if isinstance(limit, str) else limit
    numbers = _numbers(values)
    ask = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}
    return ~np.isnan(numbers) & ~np.isnan(other), ask[condition.kind](numbers, other)


def _is_any(values: pd.Series, wanted: tuple[Any, ...]) -> Flags:
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


def _order(patients: Patients, way: str, group: str) -> tuple[Flags, Flags]:
    marked = patients.lines(group)
    mark = patients.times(marked, "min" if way == "after" else "max")
    other = patients.times(~marked, "max" if way == "after" else "min")
    known = ~np.isnan(mark)
    with np.errstate(invalid="ignore"):
        return known, (other > mark) if way == "after" else (other < mark)


def _numbers(values: pd.Series) -> np.ndarray:
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
