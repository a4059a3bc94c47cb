"""What some columns' values say of others: where a patient died in hospital, he is dead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from jaxehr.data.formulas import NUMBERS, Columns, check_there
from jaxehr.data.kinds import Column, DataError

SHOWN = 4  # values of a list


@dataclass(frozen=True)
class Implication:
    """Where each column of `when` has its value, each one of `then` has its own.

    A value is a number, a text, True or False, or None, which is missing; or a list, of which it is one; of numbers
    also {"low": LOW, "high": HIGH}, of which one may be left out. Of a date it can be said that it is missing.
    """

    when: Mapping[str, Any]
    then: Mapping[str, Any]
    kind: ClassVar[str] = "implication"

    def __post_init__(self) -> None:
        if not isinstance(self.when, Mapping) or not isinstance(self.then, Mapping):
            raise TypeError("'when' and 'then' of an implication give columns their values")

    @property
    def names(self) -> tuple[str, ...]:
        return *self.when, *self.then

    def check(self, columns: Columns) -> None:
        """Raises DataError for columns that are not there, or what is no value of theirs."""
        check_there(self, columns)
        if not self.when or not self.then or set(self.when) & set(self.then):
            raise DataError(f"the constraint {self} needs columns in 'when', and others in 'then'")
        for name, wanted in (*self.when.items(), *self.then.items()):
            if isinstance(wanted, Mapping):
                _check_range(self, columns[name], wanted)
                continue
            for value in _listed(wanted):
                if value is not None and not isinstance(value, _held(columns[name])):
                    raise DataError(
                        f"the constraint {self} says of '{name}' {value!r}; {_takes(columns[name])}, or null, which is "
                        "missing, or a list of these"
                    )

    def broken(self, frame: pd.DataFrame, columns: Columns) -> np.ndarray:
        return self.applies(frame) & ~_all(self.then, frame)

    def applies(self, frame: pd.DataFrame) -> np.ndarray:
        """The rows that it speaks of."""
        return _all(self.when, frame)

    def __str__(self) -> str:
        return f"{_said(self.when)} => {_said(self.then)}"


def _all(wanted: Mapping[str, Any], frame: pd.DataFrame) -> np.ndarray:
    found = np.ones(len(frame), bool)
    for name, value in wanted.items():
        values, cells = _listed(value), frame[name]
        if isinstance(value, Mapping):
            low, high = value.get("low", -np.inf), value.get("high", np.inf)
            found &= cells.between(low, high).fillna(False).to_numpy(bool)
            continue
        there = [each for each in values if each is not None]
        # What is compared is the value itself: in a column of text "1" is meant by "1" alone.
        found &= cells.isin(there).to_numpy(bool) | (cells.isna().to_numpy() & (None in values))
    return found


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _check_range(law: Implication, column: Column, wanted: Mapping[str, Any]) -> None:
    ends = list(wanted.values())
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers or not ends or not set(wanted) <= {"low", "high"}:
        raise DataError(
            f"the constraint {law} says of '{column.name}' {dict(wanted)!r}; a range is "
            '{"low": NUMBER, "high": NUMBER}, of which one may be left out'
        )
    if column.kind not in NUMBERS:
        raise DataError(
            f"the constraint {law} has a range of '{column.name}', which is {column.kind}, no number"
        )


def _held(column: Column) -> tuple[type, ...]:
    """The types that a value of the column may have in a constraint."""
    if column.kind == "datetime":
        return ()
    return (str, bool, int, float) if column.kind == "categorical" else (bool, int, float)


def _takes(column: Column) -> str:
    return {
        "datetime": "of a date it is null",
        "categorical": "a value is a text, a number, true or false",
        "boolean": "a value is true or false, or 1 or 0",
    }.get(column.kind, "a value is a number")


def _said(wanted: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_span(value) if isinstance(value, Mapping) else _value(_listed(value))}"
        for name, value in wanted.items()
    )


def _span(value: Mapping[str, Any]) -> str:
    return " ".join(
        f"{word} {_word(value[end])}"
        for end, word in (("low", "from"), ("high", "to"))
        if end in value
    )


def _value(values: list[Any]) -> str:
    if values == [None]:
        return "is missing"
    words = ["missing" if value is None else _word(value) for value in values]
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return f"= {'|'.join(words[:SHOWN])}{more}"


def _word(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
