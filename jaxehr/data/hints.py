"""What to look at in a schema that was read off the values, before anything is learnt."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data.dates import as_text, day_and_month_swapped, days, fits
from jaxehr.data.identity import named_like_id, names_patients, who_is_told, words_of
from jaxehr.data.kinds import Column, is_unit
from jaxehr.data.records import Records, records_of
from jaxehr.data.schema import Schema
from jaxehr.data.units import mixed_units
from jaxehr.data.words import missing_option

# What files say for a value that is not known: 99, 888, ...; -1, -7, -99, ...; and days since 1970.
CODES = {int(digit * n) for digit in "789" for n in range(2, 6)}
CODES |= {-int(digit * n) for digit in "789" for n in range(1, 6)} | {-1}
EPOCHS = {(pd.Timestamp(day) - pd.Timestamp(0)).days for day in ("1900-01-01", "1899-12-30")}
EPOCHS |= {(pd.Timestamp(day) - pd.Timestamp(0)).days for day in ("1753-01-01", "1970-01-01")}
DATED = {"date", "datum", "dob", "birth", "dt", "day", "admitted", "discharged", "born", "died"}
FAR = (2500 - 1970) * 365.25  # days
CYCLES = {"hour": 24, "minute": 60, "month": 12, "quarter": 4, "weekday": 7, "day_of_week": 7}
CYCLES |= {"wday": 7, "dow": 7}


class Hint(NamedTuple):
    """Something that the values of a column suggest, or of a constraint's columns, and what to do about it."""

    column: str
    text: str

    def __str__(self) -> str:
        return f"{self.column}: {self.text}"


def hints(data: pd.DataFrame | Records, schema: Schema) -> tuple[Hint, ...]:
    """In the order of the static table's columns; then of a series, of whose codes the values lie apart."""
    records = records_of(data)
    frame, events = records.static, records.events
    series: list[Hint] = []
    if schema.grid is not None and events is not None and "numeric_value" in events:
        series += [Hint(str(code), text) for code, text in mixed_units(events, schema.grid)]
    if frame is None:
        return tuple(series)
    found = [*_of_rows(frame, schema)]
    for column in schema.columns:
        present = frame[column.name].dropna()
        if len(present):
            found += [Hint(column.name, text) for text in _texts(present, column)]
    return (*found, *series)


def broken_constraints(data: pd.DataFrame | Records, schema: Schema) -> tuple[Hint, ...]:
    """Of each constraint that real rows of the static table break."""
    frame = records_of(data).static
    if frame is None:
        return ()
    columns = {c.name: c for c in schema.columns}
    counts = [(law, int(law.broken(frame, columns).sum())) for law in schema.constraints]
    return tuple(
        Hint(
            str(law),
            f"{count:,} of {len(frame):,} rows break it; they are learnt from, but no draw will",
        )
        for law, count in counts
        if count
    )


def _of_rows(frame: pd.DataFrame, schema: Schema) -> Iterator[Hint]:
    """Of the identifier that repeats most: where there is one, a row is not a patient."""
    ids = [frame[c.name].dropna() for c in schema.of_kind("id") if names_patients(c.name)]
    repeated = [values for values in ids if not values.is_unique]
    if repeated:
        values = min(repeated, key=lambda values: values.nunique())
        yield Hint(
            str(values.name),
            f"{values.nunique():,} different ones in {len(values):,} rows: a row is not a patient, though all that is "
            "said of patients, privacy above all, will be said of rows; give one row per patient, such as the first "
            f"stay, or where a row is a visit say so: --map subject_id={values.name},time=COLUMN:days --every 90d",
        )


def _texts(present: pd.Series, column: Column) -> Iterator[str]:
    if column.kind == "id":
        yield from _of_an_id(present, column)
    elif column.kind == "datetime":
        yield from _of_dates(present, column)
    elif column.kind in ("numerical", "integer"):
        numbers = pd.to_numeric(present).to_numpy(dtype=float)
        for value, count, where in sentinels(numbers):
            yield _stands(f"{value:.15g}", count, where)
        if column.kind == "integer" and not is_unit(column.format):
            yield from _of_whole_numbers(numbers)
            yield from _of_what_comes_round(numbers, column)
        yield from _of_excel(numbers, column)
    elif column.kind == "categorical" and not _is_number(present):
        who = who_is_told(column.name, present.astype("str"))
        if who:
            yield f"{who} would be learnt, and drawn; make it id in the schema to have it replaced"


def _of_an_id(present: pd.Series, column: Column) -> Iterator[str]:
    if _is_number(present):
        if not named_like_id(column.name):
            yield (
                "a different whole number in each row, of many digits or counting the rows: taken for an identifier, "
                "and replaced; if it measures something, make it integer in the schema"
            )
        return
    who = who_is_told(column.name, present.astype("str"))
    if who:
        yield f"{who}: replaced, not learnt; to learn them make it categorical in the schema"


def _of_whole_numbers(numbers: np.ndarray) -> Iterator[str]:
    if len(numbers) >= 50 and len(np.unique(numbers)) == len(numbers):
        yield (
            "a different whole number in each row, learnt as an amount; if it is an identifier, make it id in the "
            "schema, or draws will have the numbers of real patients"
        )


def _of_what_comes_round(numbers: np.ndarray, column: Column) -> Iterator[str]:
    """Of hours, weekdays and the like, all of which are there, from 0 or from 1 on."""
    low, high, different = numbers.min(), numbers.max(), len(np.unique(numbers))
    name = "_".join(words_of(column.name))
    called = {period for word, period in CYCLES.items() if f"_{word}_" in f"_{name}_"}
    if column.period is None and low in (0, 1) and high - low + 1 == different in called:
        yield (
            f'all from {low:g} to {high:g} are there; if {low:g} follows {high:g}, say "period": {different}, "start": '
            f"{low:g} in the schema, and recipes learn that the two are neighbours"
        )


def _of_excel(numbers: np.ndarray, column: Column) -> Iterator[str]:
    if DATED & set(words_of(column.name)) and numbers.min() > 10_000 and numbers.max() < 60_000:
        day = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(numbers[0]))
        yield (
            f"if {int(numbers[0])} is Excel's number of the day {day:%Y-%m-%d}, write the column as dates; it "
            "is learnt and drawn as a number"
        )


def _of_dates(present: pd.Series, column: Column) -> Iterator[str]:
    form = column.format
    if form is not None:
        yield from _of_a_format(present.drop_duplicates(), form)
    numbers = days(present, form)
    beyond = numbers >= FAR
    if beyond.any():
        value = as_text(present[beyond]).iloc[0]
        yield (
            f"{beyond.sum():,} rows have {value}, which seems to say that there is no date; if it means missing, say "
            f"{missing_option([value])}, or it is learnt as a date"
        )
    for value, count, where in sentinels(numbers[~beyond], EPOCHS):
        yield _stands(as_text(present[~beyond][numbers[~beyond] == value]).iloc[0], count, where)


def _of_a_format(different: pd.Series, form: str) -> Iterator[str]:
    swapped = day_and_month_swapped(form)
    if swapped is not None and fits(different, swapped):
        yield (
            f"no value tells the day from the month; read as {form}. If {swapped} is right, say so in the schema: "
            f'"format": "{swapped}"'
        )
    if "%y" in form:
        yield "years of two digits: 69 to 99 are taken for 1969 to 1999, 00 to 68 for 2000 to 2068"


def _stands(value: str, count: int, where: str) -> str:
    return (
        f"{count:,} rows have exactly {value}, {where} all others; if it means missing, say "
        f"{missing_option([value])}, or it is learnt as a value"
    )


def sentinels(
    numbers: np.ndarray, in_use: Collection[float] = CODES
) -> list[tuple[float, int, str]]:
    """(value, rows, "above" or "below") of values that seem to stand for something else than an amount.

    Such a value is repeated and lies at an end: further from the rest than the rest is wide; or, where it is one of
    those that are in use for it, alone on its side of zero, or a tenth of that width away.
    """
    found: list[tuple[float, int, str]] = []
    values, counts = np.unique(numbers, return_counts=True)
    for where in ("above", "below"):
        while len(values) > 2:
            at, rest = (-1, slice(None, -1)) if where == "above" else (0, slice(1, None))
            if counts[at] < 3 or not _stands_alone(values[at], values[rest], in_use):
                break
            found.append((float(values[at]), int(counts[at]), where))
            values, counts = values[rest], counts[rest]
    return found


def _stands_alone(value: float, others: np.ndarray, in_use: Collection[float]) -> bool:
    known = value in in_use
    # Several of them may stand together: 77, 88, 99.
    rest = others[~np.isin(others, list(in_use))] if known else others
    if len(rest) < 2:
        return False
    width, gap = rest[-1] - rest[0], np.abs(rest - value).min()
    return gap > width or (known and (value < 0 <= rest[0] or gap > width / 10))


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
