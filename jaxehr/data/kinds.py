"""What a column can be."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

Kind = Literal["numerical", "integer", "categorical", "boolean", "datetime", "id", "code"]
KINDS = ("numerical", "integer", "categorical", "boolean", "datetime", "id")
EVENT_KINDS = ("id", "code")


class DataError(ValueError):
    """Records that cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class Column:
    """A column's name, its kind, the pandas dtype it comes in and goes out with, its format, and its period.

    format  of dates as text, such as %d.%m.%Y; of numbers what their file spells them by, where pandas would spell
            otherwise: .2f, or a type of Parquet such as decimal128(10, 2)
    period  of numbers that come round, as hours of the day do: they lie from `start` to below start + period
    """

    name: str
    kind: Kind
    dtype: str
    format: str | None = None
    period: float | None = None
    start: float = 0

    def of_kind(self, kind: Kind) -> "Column":
        """As another kind. What was text, and is to be numbers, comes as such, and true or false as True and False.

        A format of dates is none of another kind's.
        """
        dated = (self.kind, kind).count("datetime") == 1
        made = replace(self, kind=kind, format=None if dated else self.format)
        if not self.dtype.startswith(("str", "object")) or kind not in (
            "numerical",
            "integer",
            "boolean",
        ):
            return made
        if kind == "boolean":
            return replace(made, dtype="object")
        return replace(
            made, dtype="float64", format=made.format or (".0f" if kind == "integer" else None)
        )


def is_unit(form: str | None) -> bool:
    """Whether a format is a type of Parquet that counts units: a duration, or a time of day."""
    return (form or "").startswith(("duration[", "time32[", "time64["))


def listed(names: Iterable[object], wanted: str = "") -> str:
    """The names, but of many only twelve: those that are most like what was wanted come first."""
    words = list(map(str, names))
    if len(words) <= MOST_NAMED:
        return ", ".join(words)
    near = get_close_matches(wanted, words, n=3)
    shown = [*near, *(word for word in words if word not in near)][:MOST_NAMED]
    return f"{', '.join(shown)} and {len(words) - len(shown):,} more"


MOST_NAMED = 12
