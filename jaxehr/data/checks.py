"""Whether frames are records, and the values of a column what its kind says."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from jaxehr.data.dates import as_text, date_formats, unread
from jaxehr.data.kinds import Column, DataError, listed
from jaxehr.data.words import missing_option


def check_values(values: pd.Series, column: Column) -> None:
    """Raises DataError where they are not; a column may have no value at all, and is then drawn empty."""
    present = values.dropna()
    if present.empty:
        return
    _CHECKS.get(column.kind, lambda present, column: None)(present, column)


def check_period(column: Column) -> None:
    """Raises DataError for a period that is none, or of what is no number."""
    name, period, start = column.name, column.period, column.start
    if period is None:
        if start != 0:
            raise DataError(
                f"column '{name}' has a start, {start!r}, and no period; give both, or neither"
            )
        return
    if column.kind not in ("numerical", "integer"):
        raise DataError(
            f"column '{name}' is {column.kind} and has a period, which only numbers have; make its kind integer or "
            "numerical, or leave the period out"
        )
    if not (_is_finite(period) and period > 0 and _is_finite(start)):
        raise DataError(
            f"column '{name}' has the period {period!r} and the start {start!r}; these are numbers, the period above "
            "0: 24 and 0 for hours of the day, 12 and 1 for months"
        )
    if column.kind == "integer" and (period % 1 or start % 1):
        raise DataError(
            f"column '{name}' is integer, and its period {period!r} and start {start!r} are not whole numbers; make "
            "them so, or the column numerical"
        )


def said_period(period: float, start: float) -> str:
    return f"has the period {period:.15g}, from {start:.15g} to below {start + period:.15g}"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
    if column.period is None:
        return
    outside = (numbers < column.start) | (numbers >= column.start + column.period)
    if outside.any():
        raise DataError(
            f"column '{column.name}' {said_period(column.period, column.start)}, but holds {numbers[outside][0]:.15g}; "
            "correct the value, or period and start in the schema"
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


def check_events(columns: tuple[Column, ...], events: tuple[Column, ...]) -> None:
    """Real ids are replaced, in the table as in the events: else one would not find the other's subjects."""
    named = {c.name: c.kind for c in events}
    if events and named != {"subject_id": "id", "code": "code"}:
        raise DataError(
            "of events a schema names subject_id, whose kind is id, and code, whose kind is code; "
            f"got {', '.join(f'{name} ({kind})' for name, kind in named.items())}"
        )
    kind = {c.name: c.kind for c in columns}.get("subject_id")
    if events and columns and kind != "id":
        raise DataError(
            "subject_id of the static table says whose the events are: its kind in the schema is id; "
            f"{'it is not there' if kind is None else f'got {kind}'}"
        )


def quoted(names: Iterable) -> str:
    return listed(f"'{name}'" for name in names)


def check_frame(frame: pd.DataFrame) -> None:
    if not len(frame) or not len(frame.columns):
        raise DataError("the records are empty: there is no row to learn from")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].unique()
        raise DataError(f"column {quoted(list(twice))} appears more than once; rename one")
