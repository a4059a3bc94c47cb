"""The kinds of columns, read off their values."""

import numpy as np
import pandas as pd

from jaxehr.data.kinds import Column, DataError, Kind, check_values


def infer_column(values: pd.Series) -> Column:
    name, dtype = str(values.name), str(values.dtype)
    present = values.dropna()
    if present.empty:
        raise DataError(f"column '{name}' has no value at all; drop it")
    kind, form = _kind(name, present)
    column = Column(name, kind, dtype, form)
    if kind != "id":
        check_values(values, column)
    return column


def _kind(name: str, present: pd.Series) -> tuple[Kind, str | None]:
    distinct = present.nunique()
    if pd.api.types.is_bool_dtype(present):
        return "boolean", None
    if pd.api.types.is_datetime64_any_dtype(present):
        return "datetime", None
    if isinstance(present.dtype, pd.CategoricalDtype):
        return "categorical", None
    if pd.api.types.is_numeric_dtype(present):
        return _kind_of_number(name, present, distinct), None
    return _kind_of_text(name, present, distinct)


def _kind_of_number(name: str, present: pd.Series, distinct: int) -> Kind:
    numbers = present.to_numpy(dtype=float)
    whole = bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())
    if whole and distinct == len(present) and _named_like_id(name):
        return "id"
    if whole and set(np.unique(numbers)) == {0.0, 1.0}:
        return "boolean"
    return "integer" if whole else "numerical"


def _kind_of_text(name: str, present: pd.Series, distinct: int) -> tuple[Kind, str | None]:
    if not present.map(lambda value: isinstance(value, str)).all():
        if set(present.map(type)) == {bool}:  # True and False beside missing values
            return "boolean", None
        raise DataError(f"column '{name}' mixes text with other values; make it one or the other")
    form = _date_format(present)
    if form is not None:
        return "datetime", form
    if distinct == len(present) and (distinct > 20 or _named_like_id(name)):
        return "id", None
    if distinct > 100 and distinct > len(present) / 10:
        raise DataError(
            f"column '{name}' has {distinct:,} different texts in {len(present):,} rows, too many to be categories; "
            "drop it, or declare it id in a schema (it is then replaced, not learnt)"
        )
    return "categorical", None


def _named_like_id(name: str) -> bool:
    name = name.lower()
    ends = name.endswith(("id", "_nbr", "_number", "_no", "_key", "mrn"))
    return ends or name in ("patient", "subject", "index", "nbr")


DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
)


def _date_format(present: pd.Series) -> str | None:
    """The format that reads every value and writes it back as it was, if there is one."""
    for form in DATE_FORMATS:
        read = pd.to_datetime(present, format=form, errors="coerce")
        if read.notna().all() and (read.dt.strftime(form) == present).all():
            return form
    return None
