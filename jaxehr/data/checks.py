"""Whether the values of a column are what its kind says."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from jaxehr.data.dates import as_text, date_formats, unread
from jaxehr.data.kinds import Column, DataError
from jaxehr.data.words import missing_option


def check_values(values: pd.Series, column: Column) -> None:
    """Raises DataError where they are not; a column may have no value at all, and is then drawn empty."""
    present = values.dropna()
    if present.empty:
        return
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
    if pd.api.types.is_float_dtype(present) and (count := int(np.signbit(present).sum())):
        raise DataError(
            f"column '{column.name}' is 0 or 1, but holds -0.0 in {count:,} rows, which would come back as 0.0; write 0"
        )


def _check_datetime(present: pd.Series, column: Column) -> None:
    if pd.api.types.is_datetime64_any_dtype(present):
        return
    present = present.drop_duplicates()
    if column.format is None:
        fitting = (date_formats(present) or ["%d.%m.%Y"])[0]
        raise DataError(
            f"column '{column.name}' is to be datetime, but the schema does not say how {present.iloc[0]!r} is to be "
            f'read; say it, such as "format": "{fitting}" (see `jaxehr help schema`)'
        )
    odd = unread(present, column.format)
    if len(odd):
        raise DataError(not_a_date(column.name, column.format, odd))


def not_a_date(name: str, form: str, odd: pd.Series) -> str:
    """The values that are none, in one line."""
    value = as_text(odd).iloc[0]
    more = f" (nor {len(odd) - 1:,} other values)" if len(odd) > 1 else ""
    return (
        f"column '{name}' holds dates as {form}, but {value!r} is none{more}; correct it, say that it means "
        f"missing ({missing_option([value])}), or choose another kind or format in a schema (see `jaxehr help schema`)"
    )


def _check_code(present: pd.Series, column: Column) -> None:
    if pd.api.types.infer_dtype(present, skipna=True).startswith("mixed"):
        raise DataError(
            f"column '{column.name}' mixes text with other values; make it one or the other: astype(str)"
        )


_CHECKS: dict[str, Callable[[pd.Series, Column], None]] = {
    "numerical": _check_number,
    "integer": _check_number,
    "boolean": _check_boolean,
    "datetime": _check_datetime,
    "code": _check_code,
}
