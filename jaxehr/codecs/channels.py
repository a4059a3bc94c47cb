"""A variable of a series as a channel: its values in all steps on one scale, when in a step, and whether at all.

What is learnt of it is that of `least` patients or more, however often one of them was measured.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.columns import (
    Category,
    Constant,
    Flag,
    NumberKind,
    column_from_json,
    fit_column,
)
from jaxehr.codecs.numbers import Named, Number, Quantile
from jaxehr.codecs.quantity import Quantity, rounded
from jaxehr.codecs.shared import patients_of, shared
from jaxehr.data.grid import TEXT, Variable
from jaxehr.data.kinds import Column

log = logging.getLogger(__name__)

Scale = Number | Quantile | Constant


@dataclass(frozen=True)
class Channel:
    """What one variable becomes in each step.

    value       its values
    lag         how long after the step's clock it is measured
    optional    a bit says whether it is missing: there are steps before a subject's end without it
    """

    variable: Variable
    value: Scale | Flag | Category
    lag: Scale
    optional: bool

    @property
    def name(self) -> str:
        return str(self.variable.name)

    def parts(self) -> Named:
        missing = (("bit", f"{self.name} is missing"),) if self.optional else ()
        return (*self.value.parts(), *self.lag.parts(), *missing)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.variable.name,
            "kind": self.variable.kind,
            "dtype": self.variable.dtype,
            "value": self.value.to_json(),
            "lag": self.lag.to_json(),
            "optional": self.optional,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Channel":
        variable = Variable(value["name"], value["kind"], value["dtype"])
        value, lag, optional = value["value"], value["lag"], value["optional"]
        return cls(variable, column_from_json(value), column_from_json(lag), optional)


def channel(
    variable: Variable,
    values: np.ndarray,
    lags: np.ndarray,
    whose: np.ndarray,
    lasts: np.ndarray,
    kind: NumberKind,
    least: int,
) -> Channel:
    """Of a variable's values and lags, and whose they are.

    lasts   of each patient how many steps there are
    """
    gaps = int((np.bincount(whose, minlength=len(lasts)) < lasts).sum())
    if 0 < gaps < least:
        log.warning(
            "'%s' is missing in steps of %d patients, too few to be learnt: it is there in all draws",
            *(variable.name, gaps),
        )
    value = _value_column(variable, values, whose, kind, least)
    lag = scale(f"{variable.name}, lag", lags, whose, kind, least)
    return Channel(variable, value, lag, gaps >= max(least, 1))


def _value_column(
    variable: Variable, values: np.ndarray, whose: np.ndarray, kind: NumberKind, least: int
) -> Scale | Flag | Category:
    """What the values of a variable become; `whose` are the patients."""
    name, text = str(variable.name), variable.dtype == TEXT
    if variable.kind == "numerical":
        return scale(name, values, whose, kind, least, dtype=variable.dtype)
    column = Column(name, "categorical", "object" if text else variable.dtype)
    if values.dtype == object and not (values != None).any():  # noqa: E711
        return Constant(Category(name, "object", (None,)))
    pairs = pd.DataFrame({"value": values, "whose": whose}).drop_duplicates()
    patients = pairs.groupby("value")["whose"].transform("nunique")
    # Of one who has several rare values one is counted: what stands for them is that of patients, not of values.
    rare = pairs[patients < least].drop_duplicates("whose")
    counted = pd.concat([pairs[patients >= least], rare]).sort_index()["value"]
    found: Any = fit_column(counted, column, kind, least)
    return found


def scale(
    name: str,
    numbers: np.ndarray,
    whose: np.ndarray,
    kind: NumberKind,
    least: int,
    *,
    dtype: str = "float64",
) -> Scale:
    """The scale of numbers of which a patient may have several."""
    decimals = _decimals(numbers, whose, least)
    kept = rounded(shared(numbers, least, whose), decimals)
    if not len(
        kept
    ):  # the values of no patient can be told from few others: their mean alone stays
        kept = rounded(np.array([numbers.mean()]), decimals)
    quantity = Quantity.fit(pd.Series(kept), Column(name, "numerical", dtype), 1)
    quantity = replace(quantity, decimals=decimals)
    if quantity.low < quantity.high:
        found: Any = kind.fit(quantity, kept, 1)
        return found
    return Constant(Number.fit(quantity, kept, 1), few=len(np.unique(numbers)) > 1)


def whole(numbers: np.ndarray, whose: np.ndarray, least: int, size: int) -> bool:
    """Whether all are whole in a unit of this size, but those of fewer than `least` patients."""
    return _fewer(numbers % size != 0, whose, least)


def _decimals(numbers: np.ndarray, whose: np.ndarray, least: int) -> int | None:
    """As `Quantity` has them: of all but fewer than `least` patients."""
    for decimals in range(13):
        if _fewer(np.round(numbers, decimals) != numbers, whose, least):
            return decimals
    return None


def _fewer(mask: np.ndarray, whose: np.ndarray, least: int) -> bool:
    odd = whose[mask]
    return len(odd) == 0 or int(patients_of(np.zeros(len(odd), int), odd)[0]) < least


def encoded(column: Scale | Flag | Category, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays of values that are there."""
    return column.encode(pd.Series(values))


def stand_in(column: Scale | Flag | Category) -> tuple[float, ...]:
    """What is there where nothing is, in each array: the mean of a number, else the first class."""
    means: Callable[..., Any] = lambda c: tuple(np.atleast_1d(c.mean))
    return means(column) if isinstance(column, Number | Quantile) else (0,) * len(column.parts())
