"""Columns of a table as arrays, and back: flags, categories, constants; numbers are in `numbers`, `cyclic` and `bins`.

A value that fewer than `least` patients have is not learnt: together such values become one, 'other', or where they are
still too few the most frequent one (a missing value counts as one). A line of the log says which column and how many.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.bins import Bins
from jaxehr.codecs.cyclic import RADIUS, Cyclic
from jaxehr.codecs.numbers import Arrays, BoxCox, Named, Number, Quantile
from jaxehr.codecs.quantity import Quantity
from jaxehr.codecs.shared import other
from jaxehr.data.schema import Column, DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flag:
    """Two values, as a bit: `values[0]` is 0 and `values[1]` is 1. The rest is as in `Category`."""

    name: str
    dtype: str
    values: tuple[Any, Any]
    levels: tuple[Any, ...] | None = None
    ordered: bool = False
    rest: int = -1
    made: bool = False

    missing = -1

    def classes(self) -> tuple[int, ...]:
        return ()

    def parts(self) -> Named:
        return (("bit", f"{self.name} is {self.values[1]}"),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self).astype(np.int8),)

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
        return cls(value["name"], value["dtype"], tuple(value["values"]), *_rest_of(value))


@dataclass(frozen=True)
class Category:
    """Any number of values; a missing one is the value None.

    levels, ordered     of a pandas categorical: its categories in their order, and whether that means anything; seen or
                        not, but for those of too few patients
    rest                which value stands for all others, which too few patients have; -1: there were none
    made                whether that is a value of its own, such as 'other', which no patient has
    """

    name: str
    dtype: str
    values: tuple[Any, ...]
    levels: tuple[Any, ...] | None = None
    ordered: bool = False
    rest: int = -1
    made: bool = False

    @property
    def missing(self) -> int:
        return self.values.index(None) if None in self.values else -1

    def classes(self) -> tuple[int, ...]:
        return (len(self.values),)

    def parts(self) -> Named:
        return (("category", self.name),)

    def encode(self, values: pd.Series) -> tuple[np.ndarray, ...]:
        return (_positions(values, self).astype(np.int32),)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        seen = values.notna().to_numpy()
        found = np.zeros(len(values), np.int32)
        if seen.any():
            found[seen] = self.encode(values[seen])[0]
        return (found,), (seen,)

    def allowed(self, wanted: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """The classes of these values; None is a missing one."""
        return (np.array([value in wanted for value in self.values]),)

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        return _taken(arrays[0], self)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Category", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Category":
        return cls(value["name"], value["dtype"], tuple(value["values"]), *_rest_of(value))


@dataclass(frozen=True)
class Constant:
    """A column of one value: kept, reproduced, and not learnt.

    few     there were others, of too few patients to be learnt
    """

    column: Number | Category
    few: bool = False

    missing = -1

    @property
    def name(self) -> str:
        return self.column.name

    def parts(self) -> Named:
        return ()

    def classes(self) -> tuple[int, ...]:
        return ()

    def encode(self, values: pd.Series) -> Arrays:
        if self.few:
            return ()
        if isinstance(self.column, Number):
            odd = self.column.quantity.numbers(values) != self.column.quantity.low
        else:
            odd = self.column.encode(values)[0] != 0
        if odd.any():
            raise DataError(
                f"column '{self.name}' has {_plain(values[odd].iloc[0])!r}, but had one value only in "
                "training"
            )
        return ()

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        if values.notna().any():
            self.encode(values.dropna())
        return (), ()

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        return self.column.decode(n, np.zeros(n, np.int64))

    def to_json(self) -> dict[str, Any]:
        return {"type": "Constant", "column": self.column.to_json(), "few": self.few}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Constant":
        return cls(column_from_json(value["column"]), value.get("few", False))


Learnt = Number | Quantile | Cyclic | Bins | Flag | Category | Constant
NumberKind = type[Number] | type[Quantile] | type[Bins]


def fit_column(values: pd.Series, column: Column, numbers: NumberKind, least: int = 1) -> Learnt:
    """The column as it was seen; `numbers` says what numerical, integer and datetime ones become.

    A column that has a period becomes Cyclic; in Bins its values are classes all the same.

    least   patients that have what is kept of the values; there are at least as many rows
    """
    if not values.notna().any():
        _say(column, "has no value at all: it is kept, and empty in every draw")
        return _fit_category(values, column, least)
    if column.kind in ("numerical", "integer", "datetime"):
        return _fit_number(values, column, numbers, least)
    return _fit_category(values, column, least)


def _fit_number(values: pd.Series, column: Column, kind: NumberKind, least: int) -> Learnt:
    missing = int(values.isna().sum())
    if len(values) - missing < least:
        _say(
            column,
            f"the values of {len(values) - missing:,} patients, too few to be learnt, became missing",
        )
        return Constant(Category(column.name, column.dtype, (None,), rest=0), few=True)
    if 0 < missing < least:
        _say(
            column,
            f"the missing values of {missing:,} patients, too few to be learnt, became the middle one",
        )
    quantity = Quantity.fit(values, column, least)
    found = quantity.numbers(values)
    if quantity.low < quantity.high:
        if column.period is not None and kind in RADIUS:
            return Cyclic.fit(quantity, found, least, RADIUS[kind])
        return kind.fit(quantity, found, least)
    few = values.nunique() > 1
    if few:
        odd = int((found != quantity.low).sum()) - missing
        _say(
            column,
            f"the other values of {odd:,} patients, too few to be learnt, became {quantity.low:g}",
        )
    number = Number.fit(quantity, found, least)
    if not number.optional:
        return Constant(number, few or missing > 0)
    if column.kind == "datetime":
        return number
    value = _plain(quantity.series(np.array([quantity.low])).iloc[0])
    return Flag(column.name, column.dtype, (value, None), rest=0 if few else -1)


def _fit_category(values: pd.Series, column: Column, least: int) -> Flag | Category | Constant:
    counts = {_plain(value): int(n) for value, n in values.value_counts().items() if n}
    if values.isna().any():
        counts[None] = int(values.isna().sum())
    rare = {value: n for value, n in counts.items() if n < least}
    found = [value for value in counts if value not in rare]
    rest = _rest(found, rare, counts, column, least) if rare else None
    made = bool(rare) and rest not in counts
    found = sorted({*found, rest} if rare else found, key=_place)
    levels, ordered = None, False
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = [_plain(level) for level in values.cat.categories]
        kept, seen = set(known) if least <= 1 else set(found), set(known)
        new = [value for value in found if value is not None and value not in seen]
        levels = tuple([level for level in known if level in kept] + new)
        if unused := [level for level in known if level not in kept and level not in rare]:
            _say(
                column,
                f"{len(unused):,} of its categories that no row has ({_few(unused)}) are left out, since those who had "
                "them may be few (--min-patients 1 keeps them)",
            )
        ordered = bool(values.cat.ordered)
    which = found.index(rest) if rare else -1
    described = (column.name, column.dtype, tuple(found), levels, ordered, which, made)
    if len(found) == 1:
        return Constant(Category(*described), few=which >= 0)
    return Flag(*described) if len(found) == 2 else Category(*described)


def _rest(
    found: list[Any], rare: dict[Any, int], counts: dict[Any, int], column: Column, least: int
) -> Any:
    """What the rare values become: 'other', or the most frequent value where they are too few for that."""
    example = next(value for value in counts if value is not None)
    rows, new = sum(rare.values()), None
    if rows >= least:
        new = other([value for value in found if value is not None], column.dtype, example)
    rest = max(found or counts, key=lambda value: counts[value]) if new is None else new
    what = "1 value" if len(rare) == 1 else f"{len(rare):,} values"
    became = "missing" if rest is None else repr(rest)
    _say(
        column,
        f"{what} of fewer than {least} patients ({rows:,} rows) became {became}"
        + (", the most frequent" if new is None else ""),
    )
    return rest


def _few(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values[:4])) + (", ..." if len(values) > 4 else "")


def _place(value: Any) -> tuple[bool, str, Any]:
    """Where a value stands among the others: a missing one last."""
    return value is None, str(type(value)), value


def _say(column: Column, what: str) -> None:
    log.warning("column '%s': %s", column.name, what)


def column_from_json(value: dict[str, Any]) -> Any:
    kinds = (Number, BoxCox, Quantile, Cyclic, Bins, Flag, Category, Constant)
    return {kind.__name__: kind for kind in kinds}[value["type"]].from_json(value)


def encodable(column: Learnt, values: pd.Series) -> np.ndarray:
    """Which rows the column can encode, asked of each distinct value."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    if not hasattr(getattr(column, "column", column), "values"):
        return np.ones(len(values), bool)
    good = np.zeros(len(distinct), bool)
    for i, value in enumerate(distinct):
        try:
            column.encode(pd.Series([value], dtype=values.dtype))
            good[i] = True
        except DataError:
            continue
    return good[codes]


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _positions(values: pd.Series, column: "Flag | Category") -> np.ndarray:
    known = column.values
    place = {value: i for i, value in enumerate(known) if value is not None}
    found = values.map(place).to_numpy(dtype=float, na_value=np.nan)
    missing = values.isna().to_numpy()
    if None in known:
        found = np.where(missing, known.index(None), found)
    unseen = np.isnan(found)
    if unseen.any() and column.rest < 0:
        odd = values[unseen].iloc[0]
        said = "a missing value" if pd.isna(odd) else repr(_plain(odd))
        raise DataError(f"column '{column.name}' has {said}, which was not there in training")
    return np.where(unseen, column.rest, found).astype(np.int64)


def _rest_of(value: dict[str, Any]) -> tuple[tuple[Any, ...] | None, bool, int, bool]:
    """Of a column as JSON; older files say nothing about them."""
    levels = value.get("levels")
    levels = None if levels is None else tuple(levels)
    return levels, value.get("ordered", False), value.get("rest", -1), value.get("made", False)


def _taken(chosen: np.ndarray, column: Flag | Category) -> pd.Series:
    values, dtype = column.values, column.dtype
    found = np.empty(len(values), dtype=object)
    found[:] = values
    series = pd.Series(found[chosen.astype(np.int64)], dtype=object)
    if pd.Series([], dtype=dtype).dtype == object:  # str too, before pandas 3
        return series.where(series.notna(), np.nan)
    if dtype == "category":
        levels = [v for v in values if v is not None] if column.levels is None else column.levels
        return pd.Series(pd.Categorical(series, list(levels), ordered=column.ordered))
    if dtype.startswith("float"):
        return pd.to_numeric(series).astype(dtype)
    return series.astype(dtype)
