"""Columns that follow from others: equal to one, the sum of some, or a product and a quotient of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from jaxehr.data.dates import days
from jaxehr.data.kinds import Column, DataError

Columns = Mapping[str, Column]
NUMBERS = ("numerical", "integer")
ORDERED = (*NUMBERS, "datetime")
ROUNDING = (
    1e-11  # of the largest number in a row: 0.1 + 0.2 is 0.3; of a date less than 20 milliseconds
)


@dataclass(frozen=True)
class Equal:
    """Column `column` holds what column `source` holds, where both are there."""

    column: str
    source: str
    kind: ClassVar[str] = "equal"

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)

    @property
    def names(self) -> tuple[str, ...]:
        return self.column, self.source

    def check(self, columns: Columns) -> None:
        """Raises DataError for columns that cannot be equal."""
        check_there(self, columns)
        if len({_sort(columns[name]) for name in self.names}) > 1 or self.column == self.source:
            raise DataError(
                f"the constraint {self} needs two columns of numbers, of dates, or of categories"
            )

    def of(self, values: Mapping[str, pd.Series]) -> pd.Series:
        """What the column is, of the values of its source."""
        return values[self.source]

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        own, other = (values_of(frame[name], columns[name]) for name in self.names)
        there = (own.notna() & other.notna()).to_numpy()
        if _sort(columns[self.column]) == "category":
            return there & (own.to_numpy() != other.to_numpy())
        return there & _are_apart(own, other, 0.0, np.maximum(own.abs(), other.abs()))

    def __str__(self) -> str:
        return f"{self.column} = {self.source}"


@dataclass(frozen=True)
class Sum:
    """Column `total` is the sum of the columns `parts`, where all are there.

    parts   two or more columns of numbers; of a total that is a date one is a date, and the others are days
    within  how far off it may be, for numbers that were rounded
    """

    total: str
    parts: tuple[str, ...]
    within: float = 0.0
    kind: ClassVar[str] = "sum"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _names(self, "parts", self.parts))

    @property
    def column(self) -> str:
        return self.total

    @property
    def sources(self) -> tuple[str, ...]:
        return self.parts

    @property
    def names(self) -> tuple[str, ...]:
        return self.total, *self.parts

    def check(self, columns: Columns) -> None:
        """Raises DataError for columns that cannot be added up so."""
        check_there(self, columns, ORDERED)
        dated = [name for name in self.parts if columns[name].kind == "datetime"]
        if len(dated) != (columns[self.total].kind == "datetime"):
            raise DataError(
                f"the constraint {self} adds dates: a date is the sum of one date and of days, a number that of numbers"
            )
        if len(set(self.names)) < len(self.names) or len(self.parts) < 2:
            raise DataError(
                f"the constraint {self} needs a total and two parts or more, all different"
            )
        _check_within(self)

    def of(self, values: Mapping[str, pd.Series]) -> pd.Series:
        """The sum of numbers; of a date they are days since 1970."""
        return sum((values[name] for name in self.parts[1:]), values[self.parts[0]])

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        return _is_off(self, frame, columns)

    def __str__(self) -> str:
        return f"{self.total} = {' + '.join(self.parts)}{_about(self.within)}"


@dataclass(frozen=True)
class Product:
    """Column `column` is `times` the product of the columns `factors`, divided by that of `over`, where all are there.

    A column may stand there twice: bmi = 10,000 weight / (height height).
    """

    column: str
    factors: tuple[str, ...]
    over: tuple[str, ...] = ()
    times: float = 1.0
    within: float = 0.0
    kind: ClassVar[str] = "product"

    def __post_init__(self) -> None:
        for name in ("factors", "over"):
            object.__setattr__(self, name, _names(self, name, getattr(self, name)))

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.factors, *self.over)))

    @property
    def names(self) -> tuple[str, ...]:
        return self.column, *self.sources

    def check(self, columns: Columns) -> None:
        """Raises DataError for columns that cannot be multiplied."""
        check_there(self, columns, NUMBERS)
        if self.column in self.sources or not self.sources:
            raise DataError(
                f"the constraint {self} needs factors, and none that is the column itself"
            )
        if not _is_number(self.times) or self.times == 0:
            raise DataError(
                f"the constraint {self} has the factor {self.times!r}; it is a number, not 0"
            )
        _check_within(self)

    def of(self, values: Mapping[str, pd.Series]) -> pd.Series:
        """The product of numbers; NaN where it is divided by 0."""
        found: Any = float(self.times)
        for name in self.factors:
            found = found * values[name]
        for name in self.over:
            found = found / values[name]
        numbers: pd.Series = found.where(np.isfinite(found))
        return numbers

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        return _is_off(self, frame, columns)

    def __str__(self) -> str:
        times = [f"{self.times:.6g}"] if self.times != 1 or not self.factors else []
        over = " * ".join(self.over)
        over = f" / {over if len(self.over) == 1 else f'({over})'}" if over else ""
        return f"{self.column} = {' * '.join([*times, *self.factors])}{over}{_about(self.within)}"


Formula = Equal | Sum | Product


def values_of(values: pd.Series, column: Column) -> pd.Series:
    """Numbers and booleans as float64, dates as days since 1970, all else as it is; NaN where missing."""
    if column.kind == "datetime":
        return pd.Series(days(values, column.format), index=values.index)
    if _sort(column) == "number":
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    return values.astype(object)


def check_there(constraint: Any, columns: Columns, kinds: tuple[str, ...] | None = None) -> None:
    """Raises DataError for a column that is not in the table, or of another kind than one of these."""
    for name in constraint.names:
        if name not in columns or columns[name].kind not in (kinds or (columns[name].kind,)):
            wanted = "columns of numbers" + (" or dates" if kinds == ORDERED else "")
            wanted = wanted if kinds else "columns of the table"
            raise DataError(
                f"the constraint {constraint} needs {wanted}; '{name}' is none of the schema's"
            )
        if columns[name].kind == "id":
            raise DataError(
                f"the constraint {constraint} is about '{name}', an id, which is not learnt"
            )


def _sort(column: Column) -> str:
    return {"datetime": "date", "categorical": "category"}.get(column.kind, "number")


def _is_off(law: Sum | Product, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
    own = values_of(frame[law.column], columns[law.column])
    values = {name: values_of(frame[name], columns[name]) for name in law.sources}
    found = law.of(values)
    size = np.maximum(own.abs(), found.abs())
    if isinstance(law, Sum):
        for part in values.values():
            size = np.maximum(size, part.abs())
    return _are_apart(own, found, law.within, size)


def _are_apart(own: pd.Series, found: pd.Series, within: float, size: pd.Series) -> np.ndarray:
    return ((own - found).abs() > within + ROUNDING * size).to_numpy()


def _names(law: Any, field: str, names: Any) -> tuple[str, ...]:
    """Of JSON. Raises TypeError for what is no list of names."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{field} of a {law.kind} are names of columns; got {names!r}")
    return tuple(names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_within(law: Sum | Product) -> None:
    if not _is_number(law.within) or law.within < 0:
        raise DataError(
            f"the constraint {law} holds within {law.within!r}; it is 0 or a number above"
        )


def _about(within: Any) -> str:
    return f" (within {within:g})" if _is_number(within) and within else ""
