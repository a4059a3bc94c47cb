"""What holds in every row: one column never above another, a column between two ends, and what follows from others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from jaxehr.data.dates import read_dates
from jaxehr.data.formulas import ORDERED, Columns, Equal, Product, Sum, check_there
from jaxehr.data.implications import Implication
from jaxehr.data.kinds import Column, DataError


@dataclass(frozen=True)
class Inequality:
    """The value of column `low` is never above that of column `high`, where both are there."""

    low: str
    high: str
    kind: ClassVar[str] = "inequality"

    @property
    def names(self) -> tuple[str, ...]:
        return self.low, self.high

    def check(self, columns: Columns) -> None:
        """Raises DataError for columns that cannot be compared."""
        check_there(self, columns, ORDERED)
        if len({columns[name].kind == "datetime" for name in self.names}) > 1:
            raise DataError(f"the constraint {self} compares dates with numbers")

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        low, high = (_ordered(frame[name], columns[name]) for name in self.names)
        return (low > high).fillna(False).to_numpy(bool)

    def __str__(self) -> str:
        return f"{self.low} <= {self.high}"


@dataclass(frozen=True)
class Range:
    """The values of a column lie between two ends, which are included; None is no end.

    low, high   numbers; for a column of dates, dates in the column's own spelling or in ISO 8601, and one without a
                time is its midnight
    """

    column: str
    low: float | str | None = None
    high: float | str | None = None
    kind: ClassVar[str] = "range"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    def check(self, columns: Columns) -> None:
        """Raises DataError for ends that are not what the column holds."""
        check_there(self, columns, ORDERED)
        low, high = self._ends(columns)
        if low is not None and high is not None and low > high:
            raise DataError(f"the constraint {self} can never hold: its low end is above its high")

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        values = _ordered(frame[self.column], columns[self.column])
        low, high = self._ends(columns)
        below = values < low if low is not None else values.isna() & False
        above = values > high if high is not None else values.isna() & False
        return (below | above).fillna(False).to_numpy(bool)

    def _ends(self, columns: Columns) -> tuple[Any, Any]:
        column = columns[self.column]
        return _end(self.low, column), _end(self.high, column)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{_shown(self.low)} <= "
        high = "" if self.high is None else f" <= {_shown(self.high)}"
        return f"{low}{self.column}{high}"


Constraint = Inequality | Range | Equal | Sum | Product | Implication


def constraints_from_json(values: Sequence[Mapping[str, Any]]) -> tuple[Constraint, ...]:
    """Raises DataError for a kind that is not known."""
    kinds = {kind.kind: kind for kind in (Inequality, Range, Equal, Sum, Product, Implication)}
    found = []
    for value in values:
        try:
            rest = {name: v for name, v in value.items() if name != "kind"}
            found.append(kinds[value["kind"]](**rest))
        except (AttributeError, KeyError, TypeError):
            raise DataError(
                f"not a constraint: {json.dumps(value)}; there are "
                '{"kind": "inequality", "low": COLUMN, "high": COLUMN}, '
                '{"kind": "range", "column": COLUMN, "low": END, "high": END}, an end a number or a date, '
                '{"kind": "equal", "column": COLUMN, "source": COLUMN}, '
                '{"kind": "sum", "total": COLUMN, "parts": [COLUMN, ...]}, '
                '{"kind": "product", "column": COLUMN, "factors": [COLUMN, ...], "over": [COLUMN, ...]} and '
                '{"kind": "implication", "when": {COLUMN: VALUE}, "then": {COLUMN: VALUE}} (`jaxehr help schema`)'
            ) from None
    return tuple(found)


def _ordered(values: pd.Series, column: Column) -> pd.Series:
    """Dates as times, whatever their spelling."""
    return read_dates(values, column.format) if column.kind == "datetime" else values


def _end(end: float | str | None, column: Column) -> Any:
    if end is None:
        return None
    if column.kind != "datetime":
        if isinstance(end, str | bool) or not isinstance(end, int | float):
            raise DataError(
                f"a range of '{column.name}' has the end {end!r}; the column holds numbers"
            )
        return end
    written = pd.Series([end], dtype=object)
    for form in (column.format, None):
        read = read_dates(written, form).iloc[0] if isinstance(end, str) or form else pd.NaT
        if not pd.isna(read):
            return read
    spelling = f"dates as {column.format}" if column.format else "dates"
    raise DataError(
        f"a range of '{column.name}' has the end {end!r}; the column holds {spelling}: give a date in that spelling, "
        "or as 2020-12-31"
    )


def _shown(end: float | str) -> str:
    return end if isinstance(end, str) else f"{end:.12g}"
