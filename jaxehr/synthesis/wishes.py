"""What is wished of one column: that it is a value, is missing, lies in a range, is one of some values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs import Code, Codec
from jaxehr.codecs.columns import Constant
from jaxehr.codecs.offsets import quantity_of
from jaxehr.codecs.quantity import Quantity
from jaxehr.data import DataError
from jaxehr.data.checks import said_period
from jaxehr.data.dates import read_dates

NEAR = 0.02  # of the range seen: draws as near to a number as this show that it is drawn at all


@dataclass(frozen=True)
class Exact:
    """value    one row, as the column holds it"""

    value: pd.Series

    def met(self, cells: pd.Series, column: Any) -> np.ndarray:
        """Which cells are that value; of numbers, are near it."""
        if not is_number(column):
            return (cells == self.value.iloc[0]).fillna(False).to_numpy(bool)
        quantity = quantity_of(column)
        off = np.abs(quantity.numbers(cells) - quantity.numbers(self.value)[0])
        return off <= NEAR * (quantity.high - quantity.low)

    def ends(self, column: Any) -> tuple[float, float] | None:
        number = float(quantity_of(column).numbers(self.value)[0])
        return number, number


@dataclass(frozen=True)
class Missing:
    def met(self, cells: pd.Series, column: Any) -> np.ndarray:
        return cells.isna().to_numpy(bool)

    def ends(self, column: Any) -> tuple[float, float] | None:
        return None


@dataclass(frozen=True)
class Between:
    """Numbers, or dates in the column's unit; ends included. Of hours and the like the low end may be above the high
    one: from 22 to 2."""

    low: float
    high: float

    def met(self, cells: pd.Series, column: Any) -> np.ndarray:
        quantity = quantity_of(column)
        return quantity.between(quantity.numbers(cells), self.low, self.high)

    def ends(self, column: Any) -> tuple[float, float] | None:
        quantity = quantity_of(column)
        round_ = self.low > self.high
        return (quantity.low, quantity.high) if round_ else (self.low, self.high)


@dataclass(frozen=True)
class Among:
    """Any of these, numbers or categories; None is a missing one."""

    values: tuple[Any, ...]

    def met(self, cells: pd.Series, column: Any) -> np.ndarray:
        values = [value for value in self.values if value is not None]
        missing = cells.isna().to_numpy() & (None in self.values)
        if is_number(column):
            cells = pd.Series(quantity_of(column).numbers(cells))
        return cells.isin(values).to_numpy(bool) | missing

    def ends(self, column: Any) -> tuple[float, float] | None:
        return None if None in self.values else (min(self.values), max(self.values))


Wish = Exact | Missing | Between | Among


def wish(column: Any, wanted: Any) -> Wish:
    """Reads a condition: a value, None or NaN (missing), a list of values, or of numbers and dates a pair (low, high).

    Raises DataError for what does not read, was never seen, or cannot be drawn.
    """
    if isinstance(column, Code):
        return Exact(pd.Series([flag(column.name, wanted)]))
    several = not isinstance(wanted, str) and hasattr(wanted, "__iter__")
    if is_number(column) and isinstance(wanted, tuple):
        if len(wanted) != 2:
            raise DataError(
                f"a range of '{column.name}' is a pair (low, high), a choice of values a list; got {wanted!r}"
            )
        return _between(column, *wanted)
    values = [_read(column, value) for value in (wanted if several else [wanted])]
    if not values:
        raise DataError(f"the list of values of '{column.name}' is empty")
    if len(values) > 1:
        return Among(tuple(values))
    if values[0] is None:
        return Missing()
    if is_number(column):
        return Exact(quantity_of(column).series(np.array([values[0]])))
    return Exact(pd.Series([values[0]], dtype=object))


def is_number(column: Any) -> bool:
    """Whether it is of numbers or dates."""
    return hasattr(column.column if isinstance(column, Constant) else column, "quantity")


def _read(column: Any, value: Any) -> Any:
    """As the column holds it, numbers and dates as float64; None is missing."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        inner = column.column if isinstance(column, Constant) else column
        if getattr(inner, "optional", None in getattr(inner, "values", ())):
            return None
        raise DataError(
            f"'{column.name}' was never missing in training{_or_seldom(column)}, and so is never drawn so"
        )
    return _drawable(column, value) if is_number(column) else _seen(column, value)


def _drawable(column: Any, value: Any) -> float:
    """The number. Raises DataError if no draw can be that."""
    quantity, number = quantity_of(column), _number(column, value)
    if not quantity.low <= number <= quantity.high:
        raise DataError(f"{_seen_range(column)}; {value} cannot be drawn")
    shown = quantity.series(np.array([number]))
    inner = column.column if isinstance(column, Constant) else column
    arrays, _ = inner.known(shown)
    nearest = quantity.numbers(inner.decode(1, *arrays))[0]
    if abs(quantity.numbers(shown)[0] - number) > 1e-9 * max(1.0, abs(number)):
        what = (
            "whole numbers" if not quantity.decimals else f"numbers of {quantity.decimals} decimals"
        )
        raise DataError(f"'{column.name}' is {what}; {value} cannot be drawn, {shown.iloc[0]} can")
    if abs(nearest - number) > 1e-9 * max(1.0, abs(number), quantity.high - quantity.low):
        near = quantity.series(np.array([nearest])).iloc[0]
        raise DataError(
            f"'{column.name}' is never drawn as {value}: training showed it too seldom, if at all; "
            f"the nearest that can be is {near}"
        )
    return number


def _number(column: Any, value: Any) -> float:
    quantity = quantity_of(column)
    is_date = quantity.kind == "datetime"
    if isinstance(value, bool | np.bool_) or (
        is_date and not quantity.format and isinstance(value, int | float)
    ):
        raise DataError(_does_not_read(column, value))
    try:
        wanted: Any = _time(quantity, value) if is_date else float(value)
        found = float(quantity.numbers(pd.Series([wanted]))[0])
    except (TypeError, ValueError, OverflowError):
        raise DataError(_does_not_read(column, value)) from None
    if not np.isfinite(found):
        raise DataError(_does_not_read(column, value))
    return found


def _time(quantity: Quantity, value: Any) -> Any:
    """A date in the column's own spelling, or in ISO 8601."""
    if isinstance(value, int | float):  # such as 20210305
        value = str(int(value))
    if not isinstance(value, str):
        return pd.Timestamp(value)
    own = read_dates(pd.Series([value], dtype=object), quantity.format).iloc[0]
    return read_dates(pd.Series([value], dtype=object), None).iloc[0] if pd.isna(own) else own


def _does_not_read(column: Any, value: Any) -> str:
    quantity = quantity_of(column)
    if quantity.kind == "datetime":
        return f"'{column.name}' is a date ({quantity.format or 'such as 2021-03-28'}); {value!r} does not read as one"
    comma = "; decimals have a point" if "," in str(value) else ""
    return f"'{column.name}' is {quantity.kind}: a condition is a number or LOW:HIGH; got '{value}'{comma}"


def _between(column: Any, low: Any, high: Any) -> Between:
    quantity = quantity_of(column)
    ends = [
        default if end is None else _number(column, end)
        for end, default in ((low, quantity.low), (high, quantity.high))
    ]
    shown = f"{'' if low is None else low}:{'' if high is None else high}"
    comes_round = quantity.period is not None
    if ends[0] > ends[1] and None not in (low, high) and not comes_round:
        raise DataError(
            f"the range {shown} of '{column.name}' is empty: its low end is above its high end"
        )
    outside = [end < quantity.low or end > quantity.high for end in ends]
    if (comes_round and any(outside)) or ends[1] < quantity.low or ends[0] > quantity.high:
        raise DataError(f"{_seen_range(column)}; {shown} cannot be drawn")
    return Between(*ends)


def _seen_range(column: Any) -> str:
    quantity = quantity_of(column)
    if quantity.period is not None and quantity.low < quantity.high:
        return f"'{column.name}' {said_period(quantity.period, quantity.start)}"
    low, high = quantity.series(np.array([quantity.low, quantity.high])).tolist()
    return f"'{column.name}' was learnt between {low} and {high}"


def _seen(column: Any, value: Any) -> Any:
    """The value that was seen and is meant: 1, "1" and "true" are meant by True where a column has two such values."""
    inner: Any = column.column if isinstance(column, Constant) else column
    values = [seen for seen in inner.values if seen is not None]
    for seen in values:
        if type(seen) is type(value) and seen == value:
            return seen
    if set(values) <= {0, 1}:
        meant = BOOLEANS.get(str(value).strip().lower())
        found = [seen for seen in values if meant is not None and bool(seen) == meant]
    else:
        alike = not isinstance(value, bool) and not isinstance(value, str)
        found = [seen for seen in values if (alike and seen == value) or str(seen) == str(value)]
    if found:
        return found[0]
    known = ", ".join(repr(seen) for seen in values[:12]) + (" ..." if len(values) > 12 else "")
    told = f"it was one of {known}" if values else "it was empty"
    if ":" in str(value):
        told += "; what is no number has no range, but a choice: A|B"
    raise DataError(f"'{column.name}' was never {value!r} in training{_or_seldom(column)}; {told}")


def _or_seldom(column: Any) -> str:
    """Where values of few patients were left out: which they were is not known any more."""
    few = getattr(column, "few", False) or getattr(column, "filled", False)
    return ", or too seldom to be learnt" if few or getattr(column, "rest", -1) >= 0 else ""


BOOLEANS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def flag(name: str, value: Any) -> bool:
    """Of a code: whether it is there."""
    found = BOOLEANS.get(str(value).strip().lower())
    if found is None:
        raise DataError(f"the code {name} is given as 1 (there) or 0 (not there); got '{value}'")
    return found


def parse(pairs: Sequence[str], codec: Codec) -> dict[str, Any]:
    """["sex=F", "age=65:80", "ward=icu|er", "hdl="] -> {"sex": "F", "age": (65.0, 80.0), "ward": ["icu", "er"],
    "hdl": None}.

    Raises DataError for one that is not COLUMN=VALUE, or of no column or code.
    """
    columns = codec.by_name
    given: dict[str, Any] = {}
    for pair in pairs:
        name, text = _split(pair, columns)
        if name in given:
            raise DataError(f"--given {name} is said twice; several values are {name}=A|B")
        codec.check_names({name: text})
        column = columns[name]
        given[name] = text if isinstance(column, Code) else _wanted(column, text)
    return given


def _split(pair: str, names: Mapping[str, Any]) -> tuple[str, str]:
    """At the "=" before which there is the longest of the names: names may hold one too."""
    code = isinstance(names.get(pair), Code)
    for at in range(len(pair) - 1, -1, -1):
        if pair[at] == "=" and pair[:at] in names:
            if code and pair[at + 1 :].lower() not in BOOLEANS:
                break
            return pair[:at], pair[at + 1 :]
    if pair in names and "=" in pair:
        raise DataError(f"'{pair}' says no value; write '{pair}={1 if code else 'VALUE'}'")
    codes = any(isinstance(each, Code) for each in names.values())
    name, equals, text = pair.rpartition("=") if codes else pair.partition("=")
    if not equals:
        takes = "CODE=1 or CODE=0" if codes else "COLUMN=VALUE"
        raise DataError(f"--given takes {takes}; got '{pair}'")
    return name, text


def _wanted(column: Any, text: str) -> Any:
    if not is_number(column):
        inner: Any = column.column if isinstance(column, Constant) else column
        words = [text] if text in map(str, inner.values) else text.split("|")
        found = [_seen(column, word) if word else None for word in words]
        return found if len(found) > 1 else found[0]
    if "|" in text:
        return [_end(column, word) for word in text.split("|")]
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    if not colons or _reads(column, text):
        return _end(column, text)
    for at in colons:
        low, high = text[:at], text[at + 1 :]
        if all(not end or _reads(column, end) for end in (low, high)):
            return _end(column, low), _end(column, high)
    raise DataError(_does_not_read(column, text))


def _end(column: Any, text: str) -> Any:
    """None where nothing is said; a number as one, a date as it is written."""
    if not text:
        return None
    if quantity_of(column).kind == "datetime":
        _number(column, text)
        return text if quantity_of(column).format else pd.Timestamp(text)
    return _number(column, text)


def _reads(column: Any, text: str) -> bool:
    try:
        _number(column, text)
    except DataError:
        return False
    return True
