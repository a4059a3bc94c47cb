"""Constraints of a schema that the encoding itself keeps."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.columns import Constant, Learnt, NumberKind, column_from_json, fit_column
from jaxehr.codecs.quantity import UNITS, Quantity, finest
from jaxehr.data.schema import Column, Inequality, Schema

log = logging.getLogger(__name__)

NUMBERS = ("numerical", "integer", "datetime")


@dataclass(frozen=True)
class Offset:
    """A column that is never below another: the distance between them is learnt beside both, as a column of its own.

    A draw is the lower column and the distance. Where the higher one is given and the lower one is not, it is the
    higher one and the distance: what is drawn of either column by itself is then left aside.

    low, high   the columns' names
    gap         the distance; of dates in `unit`, the finer one of both

    Made for an inequality of the schema whose columns have no missing values; others are kept by drawing anew.
    """

    low: str
    high: str
    gap: Learnt
    unit: str | None = None

    @property
    def name(self) -> str:
        return self.gap.name

    @staticmethod
    def found(
        frame: pd.DataFrame,
        schema: Schema,
        columns: Mapping[str, Learnt],
        numbers: NumberKind,
        least: int,
    ) -> Iterator["Offset"]:
        """Of each inequality that can be kept this way; a column is in one offset at most.

        columns what is learnt of each; a column that is not among them follows from others
        least   patients that have what is kept of the values, as in `Quantity`
        """
        kinds = {column.name: column.kind for column in schema.columns}
        taken: set[str] = set()
        for constraint in schema.constraints:
            if not isinstance(constraint, Inequality):
                continue
            pair = (constraint.low, constraint.high)
            if not columns.keys() >= set(pair) or taken & set(pair):
                continue
            if any(kinds[name] not in NUMBERS for name in pair):
                continue
            if lacking := int(frame[list(pair)].isna().any(axis=1).sum()):
                log.warning(
                    "%s is kept by drawing anew, since %s rows lack one of the two: the distance between them is then "
                    "learnt less well",
                    *(constraint, f"{lacking:,}"),
                )
                continue
            low, high = (quantity_of(columns[name]) for name in pair)
            if (low.unit is None) != (high.unit is None):
                continue  # a date and a number
            if low.period is not None or high.period is not None:
                continue  # a distance may lead past the start
            unit = None if low.unit is None or high.unit is None else finest([low.unit, high.unit])
            gap = _gap(frame, low, high, unit)
            if (gap >= 0).all():
                taken |= set(pair)
                whole = low.decimals == 0 and high.decimals == 0
                kind = Column(str(gap.name), "integer" if whole else "numerical", "float64")
                yield Offset(*pair, fit_column(gap, kind, numbers, least), unit)

    def distance(self, frame: pd.DataFrame, columns: Mapping[str, Learnt]) -> pd.Series:
        """Of each row; NaN where either value is missing."""
        low, high = (quantity_of(columns[name]) for name in (self.low, self.high))
        return _gap(frame, low, high, self.unit)

    def pair(
        self,
        values: Mapping[str, pd.Series],
        columns: Mapping[str, Learnt],
        from_high: np.ndarray | None,
    ) -> dict[str, pd.Series]:
        """Both columns of what was decoded. `from_high` is True where the higher one is given, and the lower is not."""
        low, high = (quantity_of(columns[name]) for name in (self.low, self.high))
        # Ends that are averages need not be in order themselves.
        most = low.high * _steps(low, self.unit) / _steps(high, self.unit)
        high = replace(high, high=max(high.high, most))
        gap = values[self.name].to_numpy(float)
        above = _counted(low, values[self.low], self.unit) + gap
        if from_high is None or not from_high.any():
            return {self.high: _series(high, above, self.unit)}
        top = _counted(high, values[self.high], self.unit)
        lows = np.where(from_high, top - gap, above - gap)
        return {
            self.low: _series(low, lows, self.unit),
            self.high: _series(high, np.where(from_high, top, above), self.unit),
        }

    def possible(
        self,
        values: Mapping[str, pd.Series],
        columns: Mapping[str, Learnt],
        from_high: np.ndarray,
    ) -> np.ndarray:
        """Which rows of `pair` have the distance that was drawn, to half a step of either column."""
        pair = pd.DataFrame({**values, **self.pair(values, columns, from_high)})
        off = np.abs(self.distance(pair, columns) - values[self.name].to_numpy(float))
        ends = [quantity_of(columns[name]) for name in (self.low, self.high)]
        half = max(_steps(end, self.unit) * 0.51 * 10.0 ** -(end.decimals or 0) for end in ends)
        return ~from_high | (off <= half).to_numpy()

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "gap": self.gap.to_json(), "unit": self.unit}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Offset":
        return cls(value["low"], value["high"], column_from_json(value["gap"]), value["unit"])


def quantity_of(column: Any) -> Quantity:
    """Of a column of numbers or dates, which may have one value only."""
    inner: Any = column.column if isinstance(column, Constant) else column
    return inner.quantity


def _gap(frame: pd.DataFrame, low: Quantity, high: Quantity, unit: str | None) -> pd.Series:
    gap = _counted(high, frame[high.name], unit) - _counted(low, frame[low.name], unit)
    if low.decimals is not None and high.decimals is not None:
        gap = np.round(gap, max(low.decimals, high.decimals))
    return pd.Series(gap, index=frame.index, name=f"{high.name} - {low.name}")


def _counted(quantity: Quantity, values: pd.Series, unit: str | None) -> np.ndarray:
    """The numbers of a column, in a unit that both have in common."""
    return quantity.numbers(values) * _steps(quantity, unit)


def _series(quantity: Quantity, counted: np.ndarray, unit: str | None) -> pd.Series:
    return quantity.series(counted / _steps(quantity, unit))


def _steps(quantity: Quantity, unit: str | None) -> int:
    return 1 if unit is None else nanoseconds(quantity.unit) // nanoseconds(unit)


def nanoseconds(unit: str | None) -> int:
    """Of a unit of time; 1 where there is none."""
    return UNITS[unit] * 1000 if unit in UNITS else 1
