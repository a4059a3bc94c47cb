"""Columns of a table as arrays, and back: flags, categories, constants; numbers are in `numbers`."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.numbers import Arrays, Bins, Named, Number, Quantile
from jaxehr.data.schema import Column, DataError


@dataclass(frozen=True)
class Flag:
    """Two values, as a bit: `values[0]` is 0 and `values[1]` is 1. Levels are as in `Category`."""

    name: str
    dtype: str
    values: tuple[Any, Any]
    levels: tuple[Any, ...] | None = None
    ordered: bool = False

    missing = -1

    def classes(self) -> tuple[int, ...]:
        return ()

    def parts(self) -> Named:
        return (("bit", f"{self.name} is {self.values[1]}"),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self.name, self.values).astype(np.int8),)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        seen = values.notna().to_numpy()
        found = np.zeros(len(values), np.int8)
        if seen.any():
            found[seen] = self.encode(values[seen])[0]
        # Of a value and none, what is to be filled in can only be the value.
        return (found,), (seen | (None in self.values),)

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        return _taken(arrays[0], self)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Flag", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Flag":
        return cls(value["name"], value["dtype"], tuple(value["values"]), *_levels_of(value))


@dataclass(frozen=True)
class Category:
    """Any number of values; a missing one is the value None.

    levels, ordered     of a pandas categorical: its categories, seen or not, in their order, and whether that means
                        anything
    """

    name: str
    dtype: str
    values: tuple[Any, ...]
    levels: tuple[Any, ...] | None = None
    ordered: bool = False

    @property
    def missing(self) -> int:
        return self.values.index(None) if None in self.values else -1

    def classes(self) -> tuple[int, ...]:
        return (len(self.values),)

    def parts(self) -> Named:
        return (("category", self.name),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self.name, self.values).astype(np.int32),)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        seen = values.notna().to_numpy()
        found = np.zeros(len(values), np.int32)
        if seen.any():
            found[seen] = self.encode(values[seen])[0]
        return (found,), (seen,)

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        return _taken(arrays[0], self)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Category", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Category":
        return cls(value["name"], value["dtype"], tuple(value["values"]), *_levels_of(value))


@dataclass(frozen=True)
class Constant:
    """A column of one value: kept, reproduced, and not learnt."""

    column: Number | Category

    missing = -1

    @property
    def name(self) -> str:
        return self.column.name

    def parts(self) -> Named:
        return ()

    def classes(self) -> tuple[int, ...]:
        return ()

    def encode(self, values: pd.Series) -> Arrays:
        (position,) = self.column.encode(values)
        if (position != 0).any():
            odd = _plain(values[position != 0].iloc[0])
            raise DataError(
                f"column '{self.name}' has {odd!r}, but had one value only when the codec was fitted"
            )
        return ()

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        if values.notna().any():
            self.encode(values.dropna())
        return (), ()

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        return self.column.decode(n, np.zeros(n, np.int64))

    def to_json(self) -> dict[str, Any]:
        return {"type": "Constant", "column": self.column.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Constant":
        return cls(column_from_json(value["column"]))


Learnt = Number | Quantile | Bins | Flag | Category | Constant
NumberKind = type[Number] | type[Quantile] | type[Bins]


def fit_column(values: pd.Series, column: Column, numbers: NumberKind) -> Learnt:
    """The column as it was seen; `numbers` says what numerical, integer and datetime ones become."""
    is_number = column.kind in ("numerical", "integer", "datetime")
    if values.nunique() > 1 and is_number:
        return numbers.fit(values, column)
    if is_number and (column.kind == "datetime" or values.notna().all()):
        fitted = Number.fit(values, column)
        return fitted if fitted.optional else Constant(fitted)
    found = [_plain(value) for value in values.dropna().unique()]
    found = sorted(found, key=lambda value: (str(type(value)), value))
    if values.isna().any():
        found.append(None)
    levels, ordered = None, False
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = tuple(_plain(level) for level in values.cat.categories)
        ordered = bool(values.cat.ordered)
    described = (column.name, column.dtype, tuple(found), levels, ordered)
    if len(found) == 1:
        return Constant(Category(*described))
    return Flag(*described) if len(found) == 2 else Category(*described)


def column_from_json(value: dict[str, Any]) -> Any:
    kinds = {kind.__name__: kind for kind in (Number, Quantile, Bins, Flag, Category, Constant)}
    return kinds[value["type"]].from_json(value)


def new_ids(n: int, first: int, dtype: str) -> pd.Series:
    """first + 1, first + 2, ... in the dtype of the real ids; text ids say that they are synthetic."""
    numbers = pd.Series(np.arange(first + 1, first + n + 1))
    if any(kind in dtype.lower() for kind in ("int", "float")):
        return numbers.astype(dtype)
    text = "synthetic-" + numbers.astype(str).str.zfill(7)
    return text if dtype.startswith("category") else text.astype(dtype)


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


def _levels_of(value: dict[str, Any]) -> tuple[tuple[Any, ...] | None, bool]:
    """Of a column as JSON; older files say nothing about them."""
    levels = value.get("levels")
    return None if levels is None else tuple(levels), value.get("ordered", False)


def _taken(chosen: np.ndarray, column: Flag | Category) -> pd.Series:
    values, dtype = column.values, column.dtype
    found = np.empty(len(values), dtype=object)
    found[:] = values
    series = pd.Series(found[chosen.astype(np.int64)], dtype=object)
    if dtype == "object":
        return series.where(series.notna(), np.nan)
    if dtype == "category":
        levels = [v for v in values if v is not None] if column.levels is None else column.levels
        return pd.Series(pd.Categorical(series, list(levels), ordered=column.ordered))
    if dtype.startswith("float"):
        return pd.to_numeric(series).astype(dtype)
    return series.astype(dtype)
