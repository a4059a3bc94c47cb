"""The kinds of columns, read off their values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data.checks import check_values, not_a_date
from jaxehr.data.dates import (
    date_formats,
    day_and_month_swapped,
    day_first,
    fits,
    looks_like_dates,
    nearest_format,
    unread,
)
from jaxehr.data.identity import (
    named_like_id,
    names_patients,
    numbers_people,
    numbers_rows,
    who_is_told,
)
from jaxehr.data.kinds import Column, DataError, Kind, is_unit
from jaxehr.data.words import unlike_numbers, what_to_do, words_of_series


class Inferred(NamedTuple):
    """What a column looks like, and what stands in the way of learning it, in one line."""

    column: Column
    problem: str = ""


def agreeing(frame: pd.DataFrame, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Dates of which no value tells the day from the month are read as those in the other columns that do tell."""
    swapped = {
        c.name: day_and_month_swapped(c.format)
        for c in columns
        if c.kind == "datetime" and c.format
    }
    other = {name: form for name, form in swapped.items() if form is not None}
    open_ = {n for n, form in other.items() if fits(frame[n].dropna().drop_duplicates(), form)}
    told = {day_first(c.format) for c in columns if c.format and c.name in other.keys() - open_}
    if len(told) != 1:
        return tuple(columns)
    return tuple(
        replace(c, format=other[c.name])
        if c.name in open_ and day_first(other[c.name]) in told
        else c
        for c in columns
    )


class _Read(NamedTuple):
    kind: Kind
    format: str | None = None
    problem: str = ""


def infer_column(values: pd.Series, spelling: str | None = None) -> Inferred:
    """spelling    the format that the file gave its numbers"""
    name, dtype = str(values.name), str(values.dtype)
    present = values.dropna()
    if present.empty:
        return Inferred(Column(name, "categorical", dtype))
    kind, form, problem = _read(name, present)
    if kind == "id" and is_unit(spelling):
        kind = "integer"
    column = Column(name, kind, dtype, form)
    if kind in ("numerical", "integer", "boolean") and not problem:
        try:
            check_values(present, column)
        except DataError as error:
            problem = str(error)
    return Inferred(column, problem)


def _read(name: str, present: pd.Series) -> _Read:
    if pd.api.types.is_bool_dtype(present):
        return _Read("boolean")
    if pd.api.types.is_datetime64_any_dtype(present):
        return _Read("datetime")
    if isinstance(present.dtype, pd.CategoricalDtype):
        return _Read("categorical")
    if pd.api.types.is_numeric_dtype(present):
        return _of_numbers(name, present)
    what = pd.api.types.infer_dtype(present, skipna=False)
    if what == "boolean":  # True and False beside missing values
        return _Read("boolean")
    if what in ("date", "datetime", "datetime64", "period"):
        times = f"column '{name}' holds dates as objects of Python; make it datetime64, as pd.to_datetime does"
        return _Read("categorical", problem=times)
    if what != "string":
        mixed = f"column '{name}' mixes text with other values; make it one or the other"
        return _Read("categorical", problem=mixed)
    return _of_text(name, present)


def _of_numbers(name: str, present: pd.Series) -> _Read:
    numbers = present.to_numpy(dtype=float)
    # A few tell most columns apart; only what they leave open is asked of all.
    if not (_whole(numbers[:1000]) and _whole(numbers)):
        return _Read("numerical")
    if ((numbers == 0) | (numbers == 1)).all() and numbers.min() < numbers.max():
        return _Read("boolean")
    if _is_id(name, present, numbers):
        return _Read("id")
    return _of_whole_numbers(name, present, numbers)


def _is_id(name: str, present: pd.Series, numbers: np.ndarray) -> bool:
    if numbers_rows(numbers):
        return True
    if named_like_id(name) and (present.is_unique or _names_rows(name, present)):
        return True
    return numbers_people(numbers) and present.is_unique and not looks_like_dates(present)


def _names_rows(name: str, present: pd.Series) -> bool:
    """An identifier of patients of whom some have several rows: too many different ones to stand for anything else."""
    return names_patients(name) and present.nunique() > 20


def _of_whole_numbers(name: str, present: pd.Series, numbers: np.ndarray) -> _Read:
    """20210305 is a date where all are, or most of many; the rest stand for something else and are to be said."""
    likely = np.unique(numbers[:1000])
    likely = likely[(likely >= 10**7) & (likely < 10**14)]
    if len(likely) < 2 or not looks_like_dates(present):
        return _Read("integer")
    forms = date_formats(present.drop_duplicates())
    if forms:
        return _Read("datetime", forms[0])
    return _near_dates(name, present) if len(likely) >= 20 else _Read("integer")


def _of_text(name: str, present: pd.Series) -> _Read:
    different = present.drop_duplicates()
    forms = date_formats(different)
    if forms:
        return _Read("datetime", forms[0])
    if looks_like_dates(present):
        return _near_dates(name, present)
    distinct = len(different)
    unique = distinct == len(present)
    if unique and (distinct > 20 or named_like_id(name)):
        return _Read("id")
    if who_is_told(name, present) or _names_rows(name, present):
        return _Read("id")
    if distinct > 100 and distinct > len(present) / 10:
        words = words_of_series(present)
        odd = unlike_numbers(words) or unlike_numbers(replace(words, decimal=","))
        if odd is not None:
            but = (
                f"column '{name}' would be numbers, but for {odd.total:,} of its {len(present):,} values: {odd}; "
                f"{what_to_do(odd)}; to keep them as they are, make the column categorical in a schema"
            )
            return _Read("categorical", problem=but)
        many = (
            f"column '{name}' has {distinct:,} different texts in {len(present):,} rows, too many to be categories: in "
            "a schema declare it id (it is then replaced, not learnt), or categorical (what few patients have becomes "
            "'other'), or leave it out"
        )
        return _Read("id", problem=many)
    return _Read("categorical")


def _near_dates(name: str, present: pd.Series) -> _Read:
    form = nearest_format(present)
    return _Read("datetime", form, not_a_date(name, form, unread(present.drop_duplicates(), form)))


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())
