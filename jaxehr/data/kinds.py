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
    """A column's name, its kind, the pandas dtype it comes in and goes out with, and its format.

    format  of dates as text, such as %d.%m.%Y; of numbers what their file spells them by, where pandas would spell
            otherwise: .2f, or a type of Parquet such as decimal128(10, 2)
    """

    name: str
    kind: Kind
    dtype: str
    format: str | None = None
