"""Events of patients in the order of time: how many of some kind lie within a span of each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from jaxehr.data import DataError
from jaxehr.data.dates import date_formats, read_dates

Lines = Bool[np.ndarray, "event"]
Places = Int[np.ndarray, "asked"]  # of events among all, those that a rule asks of


@dataclass(frozen=True)
class Timeline:
    """Whose each event is, and when; -1 where that is not known.

    moments     the different times, rising: microseconds, or as they are where `dated` is false
    rank        of each event's time among them

    A place in time is one number, patient x moments + rank, so that events are found by bisection.
    """

    subject: Int[np.ndarray, "event"]
    rank: Int[np.ndarray, "event"]
    moments: np.ndarray
    dated: bool

    @classmethod
    def of(cls, subject: Int[np.ndarray, "event"], time: pd.Series) -> "Timeline":
        """Raises DataError for times that are neither dates nor numbers."""
        dated = not pd.api.types.is_numeric_dtype(time)
        if dated:
            times = _dates(time).astype("datetime64[us]")
            there = times.notna().to_numpy() & (subject >= 0)
            ticks = times.to_numpy().astype(np.int64)
        else:
            ticks = time.to_numpy(float, na_value=np.nan)
            there = ~np.isnan(ticks) & (subject >= 0)
        rank = np.full(len(subject), -1, np.int64)
        moments, rank[there] = np.unique(ticks[there], return_inverse=True)
        return cls(subject.astype(np.int64), rank, moments, dated)

    @cached_property
    def there(self) -> Lines:
        """Those that have a time."""
        return self.rank >= 0

    @cached_property
    def keys(self) -> Int[np.ndarray, "event"]:
        return self._key(self.subject, self.rank)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Rank of the first and last event of each patient."""
        n = int(self.subject.max(initial=-1)) + 1
        first, last = np.full(n, len(self.moments)), np.full(n, -1)
        np.minimum.at(first, self.subject[self.there], self.rank[self.there])
        np.maximum.at(last, self.subject[self.there], self.rank[self.there])
        return first, last

    def _key(self, subject: np.ndarray, rank: np.ndarray | int) -> np.ndarray:
        return subject * len(self.moments) + rank

    def sorted_by_value(self, lines: Lines, values: np.ndarray) -> Places:
        """The timed ones of the lines by patient, time and value, so that the order of a file changes nothing."""
        at = np.flatnonzero(lines & self.there)
        return at[np.lexsort((values[at], self.keys[at]))]

    def spans(
        self, at: Places, back: float | None, ahead: float | None
    ) -> tuple[np.ndarray, np.ndarray, Bool[np.ndarray, "asked"]]:
        """Of each place the ranks, from and to but not with, of what is at most so long before and after it, None
        without end; and whether the patient's record reaches as far."""
        now, (first, last) = self.moments[self.rank[at]], self.ends
        low, high = np.zeros(len(at), np.int64), np.full(len(at), len(self.moments))
        reaches = np.ones(len(at), bool)
        if back is not None:
            low = np.searchsorted(self.moments, now - back, "left")
            reaches &= self.moments[first[self.subject[at]]] <= now - back
        if ahead is not None:
            high = np.searchsorted(self.moments, now + ahead, "right")
            reaches &= self.moments[last[self.subject[at]]] >= now + ahead
        return low, high, reaches

    def count(self, at: Places, others: Lines, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How many of the others are of the same patient with a rank from low to below high; itself is none of them."""
        keys = np.sort(self.keys[others & self.there])
        whose, rank = self.subject[at], self.rank[at]
        found = np.searchsorted(keys, self._key(whose, high)) - np.searchsorted(
            keys, self._key(whose, low)
        )
        return found - (others[at] & (low <= rank) & (rank < high))

    def least_and_most(
        self, at: Places, others: Lines, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest value of the others at the same time, NaN where there is none."""
        order = self.sorted_by_value(others & ~np.isnan(values), values)
        keys, worth = self.keys[order], np.append(values[order], np.nan)
        first = np.searchsorted(keys, self.keys[at], "left")
        last = np.searchsorted(keys, self.keys[at], "right")
        none = (first == last) | ~self.there[at]
        return tuple(np.where(none, np.nan, worth[each]) for each in (first, last - 1))  # type: ignore[return-value]

    def check_span(self, within: float | None, rule: str) -> None:
        """Raises DataError for a length of time in another unit than the times."""
        if within is not None and self.dated == isinstance(within, float):
            said = "dates; say how long it is: 6h, 30min, 7d"
            raise DataError(
                f"the rule '{rule}' says within, and the times of the events are "
                + (said if self.dated else "numbers; say how many of what they count, as a number")
            )


def _dates(times: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(times):
        return read_dates(times, None)
    forms = date_formats(times.dropna())
    if not forms and times.notna().any():
        raise DataError(
            f"a rule asks for times, and those of the events hold {times.dropna().iloc[0]!r}, which is no date"
        )
    return read_dates(times, forms[0] if forms else None)
