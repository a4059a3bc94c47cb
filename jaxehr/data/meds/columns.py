"""Columns of a frame as the texts and numbers that events of MEDS hold, and back, in the dtypes that they had."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError

Holds = Literal["text", "boolean", "integer", "number", "time", "duration", "nothing"]
GAPLESS = re.compile(r"u?int\d+|bool")
EXACT = 2**24  # whole numbers up to here are themselves in float32


@dataclass(frozen=True)
class Kept:
    """What a column was.

    dtype, categories, ordered  of pandas
    in_code     of a static column: whether its values are a part of the code
    """

    name: str
    dtype: str
    holds: Holds
    in_code: bool = False
    categories: tuple | None = None
    ordered: bool = False

    @staticmethod
    def of(values: pd.Series) -> "Kept":
        """Raises DataError for a column of mixed or nested values."""
        name, dtype = values.name, values.dtype
        if not isinstance(name, str):
            raise DataError(f"column {name!r} has no text for a name; rename it")
        if isinstance(dtype, pd.CategoricalDtype):
            levels = pd.Series(dtype.categories, name=name)
            holds = _holds(levels)
            if holds not in ("text", "integer", "nothing"):
                raise DataError(f"column '{name}' has categories of {levels.dtype}; make them text")
            levels, ordered = tuple(levels.tolist()), bool(dtype.ordered)
            return Kept(name, "category", holds, categories=levels, ordered=ordered)
        return Kept(name, _name(dtype), _holds(values))

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value not in (None, False)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Kept":
        levels = value.get("categories")
        return Kept(**{**value, "categories": None if levels is None else tuple(levels)})

    def joined(self, other: "Kept") -> "Kept":
        """Of two batches; integers become float64 where gaps made them so. Raises DataError for other differences."""
        if "nothing" in (self.holds, other.holds) and self.dtype == other.dtype:
            return other if self.holds == "nothing" else self
        if replace(other, in_code=self.in_code) == self:
            return self
        try:
            common = str(np.result_type(self.dtype, other.dtype))
        except TypeError:
            common = ""
        if "number" not in (self.holds, other.holds) or not common.startswith("float"):
            raise DataError(
                f"column '{self.name}' is {other.dtype} of {other.holds} in one batch, "
                f"and {self.dtype} of {self.holds} in those before it"
            )
        return Kept(self.name, common, "number")

    def texts(self, values: pd.Series) -> pa.Array:
        """Of each value its spelling, from which it is read again; null where it is missing."""
        if self.categories is not None:
            levels = Kept(self.name, "", self.holds).texts(pd.Series(values.cat.categories))
            codes = values.cat.codes.to_numpy()
            return levels.take(pa.array(codes, pa.int32(), mask=codes < 0))
        if self.holds == "boolean":
            found = pa.array(values.astype(object), pa.bool_(), from_pandas=True)
            return pc.if_else(found, pa.scalar("True", pa.large_string()), "False")
        if self.holds in ("text", "nothing"):
            return pa.array(values, pa.large_string(), from_pandas=True)
        if self.holds == "number":
            kept = values.astype("float64").to_numpy()
            return pa.array(kept, from_pandas=True).cast(pa.large_string())
        found = pa.array(values, from_pandas=True)
        if self.holds == "time":
            return found.cast(pa.timestamp(found.type.unit)).cast(pa.large_string())
        return (found.cast(pa.int64()) if self.holds == "duration" else found).cast(
            pa.large_string()
        )

    def numbers(self, values: pd.Series) -> tuple[pa.Array, np.ndarray]:
        """(float32, null where it is missing or too large; which of them are not told by it to the last digit)."""
        given = values.astype("float64").to_numpy()
        with np.errstate(over="ignore"):
            near = given.astype(np.float32)
        far = np.isinf(near) & np.isfinite(given)
        if self.holds == "integer":
            inexact = np.abs(given) > EXACT
        elif getattr(values.dtype, "itemsize", 8) <= 4:
            inexact = np.zeros(len(given), bool)
        else:
            inexact = shortest(near) != given
        return pa.array(near, mask=np.isnan(given) | far), inexact & ~np.isnan(given)

    def values(self, texts: pa.Array, numbers: pa.Array | None, rows: Any, n: int) -> pd.Series:
        """The column, of n rows, from what was told of some: the text where there is one, the number where not.

        rows    which they are; None for all

        Raises DataError for what does not read as what it was.
        """
        try:
            present = self._read(texts, numbers)
        except (pa.ArrowInvalid, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"column '{self.name}' was {self.dtype}, and does not read as that: {reason}"
            ) from None
        if rows is not None:
            present = present.set_axis(rows).reindex(range(n))
        column = present.rename(self.name)
        if self.categories is not None:
            levels = pd.Index(self.categories)
            made = pd.Categorical(column, categories=levels, ordered=self.ordered)
            return pd.Series(made, name=self.name)
        if GAPLESS.fullmatch(self.dtype) and column.isna().any():
            return column.astype(object if self.holds == "boolean" else "float64")
        return column if self.dtype == str(column.dtype) else column.astype(self.dtype)

    def _read(self, texts: pa.Array, numbers: pa.Array | None) -> pd.Series:
        if self.holds in ("text", "nothing"):
            return texts.to_pandas()
        if self.holds == "boolean":
            odd = pc.invert(pc.is_in(texts, pa.array(["True", "False"], texts.type)))
            if pc.any(odd).as_py():
                raise ValueError(f"'{texts.filter(odd)[0]}' is neither True nor False")
            return pc.equal(texts, pa.scalar("True", texts.type)).to_pandas()
        if self.holds == "time":
            read = texts.cast(pa.timestamp(_unit(self.dtype))).to_pandas()
            return read.dt.tz_localize("UTC") if "," in self.dtype else read
        if self.holds == "number":
            read = texts.cast(pa.float64())
            if numbers is not None:
                read = pc.coalesce(read, pa.array(shortest(_floats(numbers)), from_pandas=True))
            return read.to_pandas()
        kind = pa.uint64() if self.dtype.lower().startswith("uint") else pa.int64()
        whole = texts.cast(kind)
        if numbers is not None:
            whole = pc.coalesce(whole, numbers.cast(pa.float64()).cast(kind))
        if self.holds == "integer":
            dtype = pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype()
            return whole.to_pandas(types_mapper={kind: dtype}.get)
        return whole.cast(pa.duration(_unit(self.dtype))).to_pandas()


def shortest(numbers: np.ndarray) -> np.ndarray:
    """Of each float32 the number with the fewest digits that it stands for: 7.4 rather than 7.400000095367432."""
    found = pa.array(numbers).dictionary_encode()
    words = found.dictionary.cast(pa.string()).cast(pa.float64()).to_numpy()
    return words[found.indices.to_numpy()] if len(words) else np.empty(0)


def _floats(numbers: pa.Array) -> np.ndarray:
    """NaN for null."""
    return numbers.cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32)


def _holds(values: pd.Series) -> Holds:
    dtype, types = values.dtype, pd.api.types
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "integer"
    if types.is_float_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        return "time"
    if types.is_timedelta64_dtype(dtype):
        return "duration"
    what = types.infer_dtype(values, skipna=True)
    if what == "empty":
        return "nothing"
    if what not in ("string", "boolean"):
        raise DataError(
            f"column '{values.name}' is {dtype} and holds {what} values; make it text, numbers or datetime64"
        )
    return "boolean" if what == "boolean" else "text"


def _name(dtype: Any) -> str:
    """By which pandas makes it again."""
    if isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA:
        return f"string[{dtype.storage}]"
    return str(dtype)


def _unit(dtype: str) -> str:
    found = re.search(r"\[(s|ms|us|ns)\b", dtype)
    return found[1] if found else "us"
