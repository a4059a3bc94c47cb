"""What a column can be."""

from dataclasses import dataclass
from typing import Literal

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
