"""Constraints of a schema that the encoding itself keeps."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.quantity import Quantity, finest, unit_of
from jaxehr.data.schema import Column, Inequality, Schema

NUMBERS = ("numerical", "integer", "datetime")


@dataclass(frozen=True)
class Offset:
    """A column that is never below another: what is learnt is the distance, in the finer unit of both.

    Made for an inequality of the schema whose columns have no missing values; others are kept by drawing anew.
    """

    low: Quantity
    high: Quantity

    @property
    def name(self) -> str:
        return self.high.name

    @property
    def column(self) -> Column:
        """What the distance is, as a column."""
        whole = self.low.decimals == 0 and self.high.decimals == 0
        return Column(self.name, "integer" if whole else "numerical", "float64")

    @staticmethod
    def found(frame: pd.DataFrame, schema: Schema, least: int = 1) -> Iterator["Offset"]:
        """Of each inequality that can be kept this way; a column is the higher one of one offset at most, and is then
        the lower one of none.

        least   patients that have what is kept of the values, as in `Quantity`
        """
        columns = {column.name: column for column in schema.columns}
        taken: set[str] = set()
        for constraint in schema.constraints:
            if not isinstance(constraint, Inequality):
                continue
            pair = [columns[constraint.low], columns[constraint.high]]
            whole = all(c.kind in NUMBERS and frame[c.name].notna().all() for c in pair)
            dates = {c.kind == "datetime" for c in pair}
            if not whole or len(dates) > 1 or taken & {c.name for c in pair}:
                continue
            unit = (
                finest([unit_of(frame[c.name], c, least) for c in pair])
                if dates == {True}
                else None
            )
            low, high = (Quantity.fit(frame[c.name], c, least, unit=unit) for c in pair)
            if (high.numbers(frame[high.name]) >= low.numbers(frame[low.name])).all():
                taken |= {low.name, high.name}
                # Ends that are averages need not be in order themselves.
                yield Offset(low, replace(high, high=max(low.high, high.high)))

    def gap(self, frame: pd.DataFrame) -> pd.Series:
        gap = self.high.numbers(frame[self.name]) - self.low.numbers(frame[self.low.name])
        decimals = (self.low.decimals, self.high.decimals)
        if None not in decimals:
            gap = np.round(gap, max(d for d in decimals if d is not None))
        return pd.Series(gap, index=frame.index)

    def above(self, low: pd.Series, gap: pd.Series) -> pd.Series:
        """The column itself: the other one and the distance."""
        return self.high.series(self.low.numbers(low) + gap.to_numpy(float))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Offset":
        return cls(Quantity.from_json(value["low"]), Quantity.from_json(value["high"]))
