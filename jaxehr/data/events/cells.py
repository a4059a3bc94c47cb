"""Cells of a batch of rows as texts, ids and numbers: null where one is empty, or stands for a missing value."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.spelling import CERTAIN, marked_numbers
from jaxehr.data.words import COMMA, NUMBER, is_in, matches

POINT_ZERO = r"^-?(0|[1-9][0-9]*)\.0$"


@dataclass(frozen=True)
class Cells:
    """How cells are read.

    missing     texts that stand for a missing value, beside an empty cell; a number, however it is spelt
    decimal     in front of decimals, "," or "."
    """

    missing: tuple[str, ...] = ()
    decimal: str | None = None

    def texts(self, column) -> pa.Array:
        """Without blanks around them."""
        column = _one(column)
        if not _is_text(column.type):
            return _spelt(self._unmarked(column))
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
        gone = is_in(texts, ("", *self.missing))
        return (
            pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), texts) if gone.any() else texts
        )

    def padded(self, column) -> np.ndarray:
        """Rows whose text has blanks around it."""
        column = _one(column)
        if not _is_text(column.type):
            return np.zeros(len(column), bool)
        same = pc.equal(pc.utf8_trim_whitespace(column), column)
        return ~pc.fill_null(same, True).to_numpy(zero_copy_only=False)

    def ids(self, column) -> pa.Array:
        """Who someone is, as text; whole numbers without a decimal point, which programs append beside missing ones.

        Raises DataError for numbers that are not whole, or have more digits than they keep.
        """
        column = _one(column)
        if pa.types.is_floating(column.type):
            values = self._unmarked(column).drop_null().to_numpy()
            values = values[~np.isnan(values)]
            odd = values[(values % 1 != 0) | (np.abs(values) >= 2**53)]
            if len(odd):
                raise DataError(
                    f"subject ids are texts or whole numbers below 2^53; got {odd[0]!r}, a number with decimals: "
                    "write them as integers or text"
                )
        texts = self.texts(column)
        pointed = matches(pc.fill_null(texts, ""), POINT_ZERO)
        if not pointed.any():
            return texts
        return pc.if_else(pa.array(pointed), pc.utf8_slice_codeunits(texts, 0, -2), texts)

    def numbers(self, column) -> tuple[pa.Array, pa.Array]:
        """(float64, texts that are no numbers): each null where the other has a value, and both where nothing is."""
        column = _one(column)
        types = pa.types
        if types.is_floating(column.type) or types.is_integer(column.type):
            numbers = self._unmarked(column).cast(pa.float64(), safe=False)
            nan = pc.fill_null(pc.is_nan(numbers), False)
            return pc.if_else(nan, None, numbers), pa.nulls(len(column), pa.string())
        texts = self.texts(column)
        gone = is_in(pc.fill_null(texts, ""), CERTAIN)
        texts = pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), texts)
        spelt = texts
        if self.decimal == ",":
            comma = matches(pc.fill_null(texts, ""), COMMA)
            point = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
            spelt = pc.if_else(pa.array(comma), point, texts)
        like = pa.array(matches(pc.fill_null(spelt, ""), NUMBER))
        bare = pc.utf8_ltrim(pc.if_else(like, spelt, None), "+")
        numbers = bare.cast(pa.float64())
        finite = pc.fill_null(pc.is_finite(numbers), False)
        numbers = pc.if_else(finite, numbers, None)
        if self.missing and (marks := marked_numbers(self.missing)):
            gone = pc.fill_null(pc.is_in(numbers, pa.array(marks)), False)
            numbers = pc.if_else(gone, None, numbers)
        return numbers, pc.if_else(finite, None, texts)

    def _unmarked(self, column: pa.Array) -> pa.Array:
        """Of a column that is not text."""
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        marks = marked_numbers(self.missing) if numeric else []
        if not marks:
            return column
        gone = pc.fill_null(pc.is_in(column.cast(pa.float64(), safe=False), pa.array(marks)), False)
        return pc.if_else(gone, pa.scalar(None, column.type), column)


def _one(column) -> pa.Array:
    """A column as one array, a dictionary as what it stands for."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _spelt(column: pa.Array) -> pa.Array:
    """Values that are not text as text; whole numbers without a decimal point, as before gaps made them decimals."""
    if pa.types.is_nested(column.type):
        raise DataError(f"a cell is one value; got {column.type}: take the column apart")
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    values = column.to_numpy(zero_copy_only=False).astype(float)
    whole = np.isfinite(values) & (values % 1 == 0) & (np.abs(values) < 2**53)
    integers = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), integers, column.cast(pa.string()))
    return pc.if_else(pa.array(np.isnan(values)), pa.scalar(None, pa.string()), texts)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
