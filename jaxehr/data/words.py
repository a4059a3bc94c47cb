"""A column of text as its different texts, with counts: what there is to say about it is said of these."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"


@dataclass(frozen=True)
class Words:
    """The different texts of a column.

    spelt       to the letter
    counts      rows of each
    rows        which of all texts each row has
    decimal     the mark in front of decimals
    grouped     numbers have a mark between thousands: it is not in `texts`
    """

    name: str
    spelt: pa.Array
    counts: np.ndarray
    rows: np.ndarray
    decimal: str = "."
    grouped: bool = False

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray) -> "Words":
        whole = column.combine_chunks() if column.num_chunks else pa.array([], pa.string())
        whole = whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
        coded = whole.dictionary_encode()
        rows = coded.indices.to_numpy(zero_copy_only=False)
        counts = np.bincount(rows, minlength=len(coded.dictionary))
        return cls(name, coded.dictionary, counts, rows)

    @cached_property
    def texts(self) -> pa.Array:
        """Without blanks around them, and numbers with a point."""
        trimmed = pc.utf8_trim_whitespace(self.spelt)
        if self.decimal == ",":
            point = pc.replace_substring(pc.replace_substring(trimmed, ".", ""), ",", ".")
            return pc.if_else(pa.array(matches(trimmed, COMMA)), point, trimmed)
        if self.grouped:
            return pc.if_else(
                pa.array(matches(trimmed, GROUPS)), pc.replace_substring(trimmed, ",", ""), trimmed
            )
        return trimmed

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def padded(self) -> int:
        """Rows whose text has blanks around it."""
        bare = pc.equal(pc.utf8_trim_whitespace(self.spelt), self.spelt)
        return int(self.counts[~bare.to_numpy(zero_copy_only=False)].sum())

    @property
    def over_lines(self) -> int:
        """Rows whose text has a line's end in it."""
        return int(self.counts[matches(self.spelt, r"[\r\n]")].sum())

    def where(self, chosen) -> "Words":
        """Only the texts chosen; `rows` stays as it is, for the whole column."""
        chosen = np.asarray(chosen, bool)
        if chosen.all():
            return self
        return replace(self, spelt=self.spelt.filter(pa.array(chosen)), counts=self.counts[chosen])

    def are_numbers(self) -> np.ndarray:
        return matches(self.texts, NUMBER)

    def numbers(self) -> np.ndarray:
        """float64, of texts that are numbers."""
        return self.texts.cast(pa.float64()).to_numpy()

    def __str__(self) -> str:
        """The most frequent few, with their counts."""
        order = np.argsort(-self.counts, kind="stable")
        shown = [f"'{self.spelt[int(i)]}' ({self.counts[i]:,})" for i in order[:4]]
        return ", ".join(shown) + (f" and {len(order) - 4:,} more" if len(order) > 4 else "")


COMMA = r"^[-+]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?$"  # a number with a decimal comma
GROUPS = r"^[-+]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?$"  # one with commas between thousands


def matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False).astype(bool)


def is_in(texts: pa.Array, those: Collection[str]) -> np.ndarray:
    found = pc.is_in(texts, pa.array(list(those), pa.string()))
    return found.to_numpy(zero_copy_only=False).astype(bool)


def unlike_numbers(words: Words) -> Words | None:
    """The few texts that keep a column from being numbers; None where there are none, or it is made of others."""
    numbers = words.are_numbers()
    codes = matches(words.texts, LEADING_ZERO).any()
    return words.where(~numbers) if are_few(~numbers) and not codes else None


def are_few(odd: np.ndarray) -> bool:
    """Of different texts: whether those that are odd are exceptions."""
    count = int(odd.sum())
    return 0 < count <= 10 and len(odd) - count >= max(10, 3 * count)


def what_to_do(odd: Words) -> str:
    """About texts that keep a column from being numbers: a value beyond a limit is not missing, and a code neither."""
    beyond, coded = matches(odd.texts, BEYOND), matches(odd.texts, CODED)
    rest = odd.where(~beyond & ~coded).texts.to_pylist()
    said = []
    if beyond.any():
        said.append(
            f"{_first(odd, beyond)} is beyond a limit: write a number for it, such as the limit"
        )
    if coded.any():
        said.append(f"{_first(odd, coded)} may be a code")
    if rest:
        said.append(f"{missing_option(rest[:4])} where that means missing, or correct it")
    return "; ".join(said)


def missing_option(texts: Sequence[str]) -> str:
    """As it is typed; a text that holds a comma stands in quotes."""
    marks = ",".join(f'"{text}"' if "," in text else text for text in texts)
    quote = "'" if '"' in marks else '"'
    return f"--missing={quote}{marks}{quote}"


def _first(words: Words, chosen: np.ndarray) -> str:
    return f"'{words.where(chosen).texts[0]}'"


BEYOND = r"^([<>≤≥~]=?|=[<>]) *[-+]?[0-9.,]+ *$|^[-+]?[0-9.,]+ *[+]$"  # a limit of detection, an age of 90+
CODED = r"^[A-Za-z]{1,3}-?[0-9]"  # V58.61, E11.9


def words_of_series(values: pd.Series) -> Words:
    """Of a frame's texts; a missing one is the empty text, as in a file."""
    texts = pa.array(values.astype(object).where(values.notna(), ""), pa.string())
    return Words.of(str(values.name), pa.chunked_array([texts]))


LEADING_ZERO = r"^[-+]?0[0-9]"
