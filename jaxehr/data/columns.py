"""Columns of a table as arrays, and back: numbers, flags and categories."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.schema import Column, DataError

Named = tuple[tuple[str, str], ...]  # (part, name) of each array that a column becomes


@dataclass(frozen=True)
class Number:
    """Min-max in [0, 1]; where values are missing an indicator says so, and the mean stands in.

    decimals    of the most precise value seen; decode rounds to it. None keeps all digits
    unit        of a datetime: the coarsest of days, hours, ... ns in which all values are whole
    """

    name: str
    kind: str
    dtype: str
    low: float
    high: float
    mean: float
    decimals: int | None
    optional: bool
    unit: str | None = None
    format: str | None = None

    @classmethod
    def fit(cls, values: pd.Series, column: Column) -> "Number":
        unit = _unit(values, column) if column.kind == "datetime" else None
        numbers = _numbers(values, column.kind, column.format, unit)
        present = numbers[~np.isnan(numbers)]
        return cls(
            column.name,
            column.kind,
            column.dtype,
            float(present.min()),
            float(present.max()),
            float(present.mean()),
            _decimals(present) if column.kind == "numerical" else 0,
            len(present) < len(numbers),
            unit,
            column.format,
        )

    def parts(self) -> Named:
        scaled = ("number", self.name)
        return (scaled, ("bit", f"{self.name} is missing")) if self.optional else (scaled,)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        numbers = _numbers(values, self.kind, self.format, self.unit)
        missing = np.isnan(numbers)
        if missing.any() and not self.optional:
            raise DataError(
                f"column '{self.name}' has {missing.sum():,} missing values, but had none when the codec was fitted"
            )
        scaled = (np.where(missing, self.mean, numbers) - self.low) / (
            (self.high - self.low) or 1.0
        )
        return (scaled, missing.astype(np.int8)) if self.optional else (scaled,)

    def decode(self, scaled: np.ndarray, missing: np.ndarray | None = None) -> pd.Series:
        numbers = np.clip(scaled, 0, 1) * (self.high - self.low) + self.low
        if self.decimals is not None:
            numbers = np.round(numbers, self.decimals)
        numbers = np.clip(numbers, self.low, self.high)
        if missing is not None:
            numbers = np.where(missing == 1, np.nan, numbers)
        if self.kind == "datetime":
            return _dates(numbers, self.unit or "ns", self.format, self.dtype)
        if self.dtype == "object":
            return pd.Series(numbers, dtype=object).where(~np.isnan(numbers), None)
        return pd.Series(numbers).astype(self.dtype)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Number", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Number":
        return cls(**{name: v for name, v in value.items() if name != "type"})


@dataclass(frozen=True)
class Flag:
    """Two values, as a bit: `values[0]` is 0 and `values[1]` is 1."""

    name: str
    dtype: str
    values: tuple[Any, Any]

    def parts(self) -> Named:
        return (("bit", f"{self.name} is {self.values[1]}"),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self.name, self.values).astype(np.int8),)

    def decode(self, bits: np.ndarray) -> pd.Series:
        return _taken(bits, self.values, self.dtype)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Flag", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Flag":
        return cls(value["name"], value["dtype"], tuple(value["values"]))


@dataclass(frozen=True)
class Category:
    """Any number of values; a missing one is the value None."""

    name: str
    dtype: str
    values: tuple[Any, ...]

    def parts(self) -> Named:
        return (("category", self.name),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self.name, self.values).astype(np.int32),)

    def decode(self, chosen: np.ndarray) -> pd.Series:
        return _taken(chosen, self.values, self.dtype)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Category", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Category":
        return cls(value["name"], value["dtype"], tuple(value["values"]))


def fit_column(values: pd.Series, column: Column) -> Number | Flag | Category:
    if column.kind in ("numerical", "integer", "datetime"):
        return Number.fit(values, column)
    found = [_plain(value) for value in values.dropna().unique()]
    found = sorted(found, key=lambda value: (str(type(value)), value))
    if values.isna().any():
        found.append(None)
    if column.kind == "boolean" and len(found) == 1:
        found = [type(found[0])(0), type(found[0])(1)]  # only one was seen: both are known
    kind = Flag if len(found) == 2 else Category
    return kind(column.name, column.dtype, tuple(found))


def new_ids(n: int, first: int, dtype: str) -> pd.Series:
    """first + 1, first + 2, ... in the dtype of the real ids; text ids say that they are synthetic."""
    numbers = pd.Series(np.arange(first + 1, first + n + 1))
    if any(kind in dtype.lower() for kind in ("int", "float")):
        return numbers.astype(dtype)
    text = "synthetic-" + numbers.astype(str).str.zfill(7)
    return text if dtype.startswith("category") else text.astype(dtype)


def _numbers(values: pd.Series, kind: str, form: str | None, unit: str | None) -> np.ndarray:
    """float64, NaN where missing; datetimes count units since 1970."""
    if kind != "datetime":
        return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    read = _read_dates(values, form)
    ticks = read.dt.as_unit("ns").astype("int64").to_numpy() // UNITS[unit or "ns"]
    return np.where(read.isna(), np.nan, ticks.astype(np.float64))


def _read_dates(values: pd.Series, form: str | None) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz else values
    return pd.to_datetime(values, format=form or "ISO8601")


UNITS = {
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "min": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}


def _unit(values: pd.Series, column: Column) -> str:
    ticks = _read_dates(values.dropna(), column.format).dt.as_unit("ns").astype("int64")
    return next(unit for unit, size in UNITS.items() if (ticks % size == 0).all())


def _dates(numbers: np.ndarray, unit: str, form: str | None, dtype: str) -> pd.Series:
    missing = np.isnan(numbers)
    ticks = np.where(missing, 0, np.round(numbers)).astype(np.int64) * UNITS[unit]
    dates = pd.Series(ticks.astype("datetime64[ns]")).mask(missing)
    if dtype.startswith("datetime64"):
        target = dtype.split(",")
        if len(target) == 1:
            return dates.astype(dtype)
        return dates.dt.tz_localize("UTC").astype(dtype)
    text = dates.dt.strftime(form or "%Y-%m-%dT%H:%M:%S")
    return text.where(~missing, None).astype(dtype)


def _decimals(present: np.ndarray) -> int | None:
    """The least number of decimals that writes every value exactly; None if it takes more than 12."""
    for decimals in range(13):
        if (np.round(present, decimals) == present).all():
            return decimals
    return None


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _positions(values: pd.Series, name: str, known: tuple[Any, ...]) -> np.ndarray:
    place = {value: i for i, value in enumerate(known) if value is not None}
    found = values.map(place).to_numpy(dtype=float, na_value=np.nan)
    missing = values.isna().to_numpy()
    if None in known:
        found = np.where(missing, known.index(None), found)
    if np.isnan(found).any():
        odd = values[np.isnan(found)].iloc[0]
        said = "a missing value" if pd.isna(odd) else repr(_plain(odd))
        raise DataError(
            f"column '{name}' has {said}, which was not there when the codec was fitted"
        )
    return found.astype(np.int64)


def _taken(chosen: np.ndarray, values: tuple[Any, ...], dtype: str) -> pd.Series:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    series = pd.Series(found[chosen.astype(np.int64)], dtype=object)
    if dtype == "object":
        return series.where(series.notna(), np.nan)
    if dtype == "category":
        return pd.Series(pd.Categorical(series, categories=[v for v in values if v is not None]))
    if dtype.startswith("float"):
        return pd.to_numeric(series).astype(dtype)
    return series.astype(dtype)
