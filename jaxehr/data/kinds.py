"""What a column can be, and whether its values are that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["numerical", "integer", "categorical", "boolean", "datetime", "id", "code"]
KINDS: dict[str, tuple[str, ...]] = {
    "table": ("numerical", "integer", "categorical", "boolean", "datetime", "id"),
    "codes": ("id", "code"),
}


class DataError(ValueError):
    """Records that cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class Column:
    """A column's name, its kind, the pandas dtype it comes in and goes out with, and for dates as text their format."""

    name: str
    kind: Kind
    dtype: str
    format: str | None = None


def check_values(values: pd.Series, column: Column) -> None:
    present = values.dropna()
    if present.empty:
        raise DataError(f"column '{column.name}' has no value at all; drop it, or make it an id")
    _CHECKS.get(column.kind, lambda present, column: None)(present, column)


def _check_number(present: pd.Series, column: Column) -> None:
    try:
        numbers = present.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"column '{column.name}' is to be {column.kind}, but holds {present.iloc[0]!r}; "
            "make it categorical in the schema, or correct the values"
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError(
            f"column '{column.name}' has infinite values; correct them or leave them empty"
        )
    if column.kind == "integer" and (numbers != np.round(numbers)).any():
        odd = numbers[numbers != np.round(numbers)][0]
        raise DataError(
            f"column '{column.name}' is to be integer, but holds {odd}; make it numerical"
        )


def _check_boolean(present: pd.Series, column: Column) -> None:
    if not set(present.unique()) <= {0, 1}:
        odd = next(value for value in present.unique() if value not in (0, 1))
        raise DataError(
            f"column '{column.name}' is to be boolean (True, False, 0 or 1), but holds {odd!r}; "
            "make it categorical"
        )


def _check_datetime(present: pd.Series, column: Column) -> None:
    if pd.api.types.is_datetime64_any_dtype(present):
        return
    read = pd.to_datetime(present, format=column.format or "ISO8601", errors="coerce")
    if read.isna().any():
        odd = present[read.isna()].iloc[0]
        raise DataError(
            f"column '{column.name}' is to be datetime, but {odd!r} does not read as {column.format or 'ISO 8601'}"
        )


_CHECKS: dict[str, Callable[[pd.Series, Column], None]] = {
    "numerical": _check_number,
    "integer": _check_number,
    "boolean": _check_boolean,
    "datetime": _check_datetime,
}
