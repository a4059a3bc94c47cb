"""What holds in every row: one column never above another, or a column between two ends."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from jaxehr.data.kinds import Column, DataError


@dataclass(frozen=True)
class Inequality:
    """The value of column `low` is never above that of column `high`, where both are there."""

    low: str
    high: str
    kind: ClassVar[str] = "inequality"

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        return (frame[self.low] > frame[self.high]).fillna(False).to_numpy(bool)

    def __str__(self) -> str:
        return f"{self.low} <= {self.high}"


@dataclass(frozen=True)
class Range:
    """The values of a column lie between two numbers, ends included; None is no end."""

    column: str
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "range"

    def broken(self, frame: pd.DataFrame) -> np.ndarray:
        values = frame[self.column]
        below = values < self.low if self.low is not None else values.isna() & False
        above = values > self.high if self.high is not None else values.isna() & False
        return (below | above).fillna(False).to_numpy(bool)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{self.low:g} <= "
        high = "" if self.high is None else f" <= {self.high:g}"
        return f"{low}{self.column}{high}"


Constraint = Inequality | Range


def constraints_from_json(
    values: list[dict[str, Any]], columns: tuple[Column, ...]
) -> tuple[Constraint, ...]:
    """Raises DataError for a kind that is not known, a column that is not there, or one that has no order."""
    kinds: dict[str, type[Constraint]] = {"inequality": Inequality, "range": Range}
    ordered = {c.name for c in columns if c.kind in ("numerical", "integer", "datetime")}
    found = []
    for value in values:
        rest = {name: v for name, v in value.items() if name != "kind"}
        try:
            constraint = kinds[value["kind"]](**rest)
        except (KeyError, TypeError):
            raise DataError(
                f"not a constraint: {json.dumps(value)}; there are "
                '{"kind": "inequality", "low": COLUMN, "high": COLUMN} and '
                '{"kind": "range", "column": COLUMN, "low": NUMBER, "high": NUMBER}'
            ) from None
        for name in _columns_of(constraint):
            if name not in ordered:
                raise DataError(
                    f"the constraint {constraint} needs columns of numbers or dates; '{name}' is none of the schema's"
                )
        found.append(constraint)
    return tuple(found)


def _columns_of(constraint: Constraint) -> tuple[str, ...]:
    if isinstance(constraint, Range):
        return (constraint.column,)
    return constraint.low, constraint.high
