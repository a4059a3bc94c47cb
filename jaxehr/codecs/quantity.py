"""Numbers and dates of a column as float64, and back in their own dtype, decimals and range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxehr.codecs.shared import shared
from jaxehr.data.dates import read_dates, write_dates
from jaxehr.data.kinds import Column, DataError


@dataclass(frozen=True)
class Quantity:
    """What a column of numbers or dates needs to come back as it was.

    low, high   of the values that are `shared` by enough patients: nothing outside is ever written
    decimals    that write all values exactly but those of too few patients; None keeps all digits
    unit        of a datetime: the coarsest of days, hours, ... ns in which all values are whole, but those of too few
    period      of numbers that come round: they lie from `start` to below start + period, and these are the ends,
                unless all of them are one value

    Integers and dates are exact, or refused when the column is fitted.
    """

    name: str
    kind: str
    dtype: str
    low: float
    high: float
    decimals: int | None
    unit: str | None = None
    format: str | None = None
    period: float | None = None
    start: float = 0

    @classmethod
    def fit(
        cls, values: pd.Series, column: Column, least: int = 1, *, unit: str | None = None
    ) -> "Quantity":
        """least     patients that have what is kept of the values

        Raises DataError for integers and dates that float64 does not keep exactly.
        """
        if column.kind == "datetime" and unit is None:
            unit = unit_of(values, column, least)
        numbers = _numbers(values, column.kind, column.format, unit)
        seen = numbers[~np.isnan(numbers)]
        _check_exact(seen, column, unit)
        decimals = _decimals(seen, least) if column.kind == "numerical" else 0
        kept = rounded(shared(seen, least), decimals)
        low, high = float(kept[0]), float(kept[-1])
        if column.period is not None and low < high:
            low, high = column.start, _last(column.start, column.period, decimals)
        cycle = (column.period, column.start)
        return cls(
            column.name, column.kind, column.dtype, low, high, decimals, unit, column.format, *cycle
        )

    def learnt(self, numbers: np.ndarray, least: int) -> np.ndarray:
        """Of the numbers seen what may be learnt from: in order, each that of `least` patients, with its decimals."""
        return rounded(shared(numbers[~np.isnan(numbers)], least), self.decimals)

    def numbers(self, values: pd.Series) -> np.ndarray:
        """float64, NaN where missing; datetimes count units since 1970."""
        return _numbers(values, self.kind, self.format, self.unit)

    def held(self, numbers: np.ndarray) -> np.ndarray:
        """What is beyond an end becomes the end; of numbers that come round it is a round less, or more."""
        if self.period is not None and self.low < self.high:
            rounds = np.floor((numbers - self.start) / self.period) * self.period
            numbers = np.where(rounds == 0, numbers, rounded(numbers - rounds, self.decimals)) + 0.0
        return np.clip(numbers, self.low, self.high)

    def between(self, numbers: np.ndarray, low: float, high: float) -> np.ndarray:
        """Which lie between these ends; where they come round and the low end is above the high one, past the start."""
        both = np.logical_and if low <= high else np.logical_or
        return both(numbers >= low, numbers <= high)

    def series(self, numbers: np.ndarray) -> pd.Series:
        """Rounded to the decimals seen, held in the range seen; NaN is missing."""
        numbers = self.held(rounded(numbers, self.decimals))
        if self.kind == "datetime":
            return _dates(numbers, self.unit or "ns", self.format, self.dtype)
        if self.dtype == "object":
            return pd.Series(numbers, dtype=object).where(~np.isnan(numbers), None)
        return pd.Series(numbers).astype(self.dtype)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Quantity":
        return cls(**value)


def finest(units: Sequence[str]) -> str:
    """Of units of time the smallest, in which all that is whole in any of them is whole."""
    return min(units, key=lambda unit: UNITS.get(unit, 0))


def rounded(numbers: np.ndarray, decimals: int | None) -> np.ndarray:
    return numbers if decimals is None else np.round(numbers, decimals)


def unit_of(values: pd.Series, column: Column, least: int = 1) -> str:
    """The coarsest unit in which all dates of a column are whole, but those of fewer than `least` patients."""
    read = read_dates(values.dropna(), column.format)
    if read.dt.unit == "ns" and (read.astype("int64") % 1000 != 0).sum() >= least:
        return "ns"
    ticks = read.dt.as_unit("us").astype("int64")
    return next(unit for unit, size in UNITS.items() if (ticks % size != 0).sum() < least)


def _numbers(values: pd.Series, kind: str, form: str | None, unit: str | None) -> np.ndarray:
    """float64, NaN where missing; datetimes count units since 1970."""
    if kind != "datetime":
        return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0.0 is 0
    read = read_dates(values, form)
    base, size = _base(unit or "ns")
    ticks = read.dt.as_unit(base).astype("int64").to_numpy() // size
    return np.where(read.isna(), np.nan, ticks.astype(np.float64))


UNITS = {
    "D": 86_400 * 10**6,
    "h": 3_600 * 10**6,
    "min": 60 * 10**6,
    "s": 10**6,
    "ms": 10**3,
    "us": 1,
}  # in microseconds, which hold the year 9999; nanoseconds do not


def _base(unit: str) -> tuple[Literal["us", "ns"], int]:
    """(what dates are counted in, how many of these a unit has)."""
    return ("ns", 1) if unit == "ns" else ("us", UNITS[unit])


def _check_exact(seen: np.ndarray, column: Column, unit: str | None) -> None:
    """Raises DataError for integers and dates that float64 does not hold one by one, on a scale from 0 to 1 either."""
    largest, span = np.abs(seen).max(), seen.max() - seen.min()
    if largest < 2**53 and span <= 2**50:
        return
    if column.kind == "datetime":
        raise DataError(
            f"column '{column.name}' has times that are whole in {unit} only, too fine to be kept exactly over their "
            "range; round them to a coarser unit, such as with .dt.floor('ms')"
        )
    if "int" in column.dtype.lower():
        raise DataError(
            f"column '{column.name}' has integers as large as {largest:.3g}, beyond 2^53, or 2^50 apart, which are not "
            "kept exactly; declare it id or categorical in a schema, or make it float64"
        )


def _last(start: float, period: float, decimals: int | None) -> float:
    """The highest number below start + period."""
    end = start + period
    return float(
        np.nextafter(end, start) if decimals is None else np.round(end - 10.0**-decimals, decimals)
    )


def _dates(numbers: np.ndarray, unit: str, form: str | None, dtype: str) -> pd.Series:
    missing = np.isnan(numbers)
    base, size = _base(unit)
    ticks = np.where(missing, 0, np.round(numbers)).astype(np.int64) * size
    dates = pd.Series(ticks.astype(f"datetime64[{base}]")).mask(missing)
    if dtype.startswith("datetime64"):
        target = dtype.split(",")
        if len(target) == 1:
            return dates.astype(dtype)
        return dates.dt.tz_localize("UTC").astype(dtype)
    text = write_dates(dates, form or "%Y-%m-%dT%H:%M:%S")
    if "int" in dtype.lower() or dtype.lower().startswith("float"):  # such as 20210305
        return pd.to_numeric(text).astype(dtype)
    return text.astype(dtype)


def _decimals(present: np.ndarray, least: int) -> int | None:
    """The least number of decimals that writes every value exactly, but those of fewer than `least` patients; None if
    it takes more than 12."""
    for decimals in range(13):
        if (np.round(present, decimals) != present).sum() < least:
            return decimals
    return None
