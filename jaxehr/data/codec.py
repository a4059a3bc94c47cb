"""Records as arrays, and back: encode, and decode as its exact inverse on real rows.

The parts of every codec, whatever the records:

    number      float64 [n, p] in [0, 1]    numerical, integer and datetime columns
    bit         int8    [n, b]              missing indicators, booleans, categories of two; or patient x code
    category    int32   [n, q]              categories of more than two; column j has classes[j] values
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.codes import code_matrix, long_frame
from jaxehr.data.columns import Category, Flag, Number, fit_column, new_ids
from jaxehr.data.schema import DataError, Schema

Parts = dict[str, np.ndarray]


@dataclass(frozen=True)
class TableCodec:
    """Of a table with one row per patient. Ids are not learnt: decode makes new ones."""

    schema: Schema
    columns: tuple[Number | Flag | Category, ...]  # all but ids, in the schema's order
    rows: int

    @classmethod
    def fit(cls, frame: pd.DataFrame, schema: Schema) -> "TableCodec":
        """Learns ranges, decimals and categories. Raises DataError where the frame does not fit the schema."""
        schema.check(frame)
        learnt = [c for c in schema.columns if c.kind != "id"]
        if not learnt:
            raise DataError("all columns are ids; there is nothing to learn")
        return cls(schema, tuple(fit_column(frame[c.name], c) for c in learnt), len(frame))

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(len(c.values) for c in self.columns if isinstance(c, Category))

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the columns of each part are called."""
        names: dict[str, list[str]] = {"number": [], "bit": [], "category": []}
        for column in self.columns:
            for part, name in column.parts():
                names[part].append(name)
        return {part: tuple(found) for part, found in names.items()}

    @property
    def sizes(self) -> dict[str, int]:
        return {part: len(names) for part, names in self.names.items()}

    def encode(self, frame: pd.DataFrame) -> Parts:
        """The parts of n rows. Raises DataError for a missing column or a category that was never seen."""
        self.schema.check(frame)
        found: dict[str, list[np.ndarray]] = {"number": [], "bit": [], "category": []}
        for column in self.columns:
            arrays = column.encode(frame[column.name])
            for (part, _), array in zip(column.parts(), arrays, strict=True):
                found[part].append(array)
        return {
            part: np.stack(arrays, 1).astype(dtype) if arrays else np.zeros((len(frame), 0), dtype)
            for (part, arrays), dtype in zip(found.items(), DTYPES.values(), strict=True)
        }

    def decode(self, parts: Parts, *, first: int = 0) -> pd.DataFrame:
        """Rows in the columns, order and dtypes of the records; ids are numbered from first + 1."""
        n = len(parts["bit"])
        taken = dict.fromkeys(DTYPES, 0)
        values: dict[str, Any] = {}
        for column in self.columns:
            arrays = []
            for part, _ in column.parts():
                arrays.append(parts[part][:, taken[part]])
                taken[part] += 1
            values[column.name] = column.decode(*arrays)
        for identity in self.schema.of_kind("id"):
            values[identity.name] = new_ids(n, first, identity.dtype)
        return pd.DataFrame({name: values[name] for name in self.schema.names})

    def to_json(self) -> dict[str, Any]:
        columns = [column.to_json() for column in self.columns]
        return {"schema": self.schema.to_json(), "columns": columns, "rows": self.rows}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableCodec":
        kinds = {kind.__name__: kind for kind in (Number, Flag, Category)}
        columns = tuple(kinds[c["type"]].from_json(c) for c in value["columns"])
        return cls(Schema.from_json(value["schema"]), columns, value["rows"])


@dataclass(frozen=True)
class CodesCodec:
    """Of codes: a bit for each patient and code."""

    schema: Schema
    codes: tuple[str, ...]
    rows: int

    @classmethod
    def fit(cls, frame: pd.DataFrame, schema: Schema) -> "CodesCodec":
        """Learns the codes. Raises DataError where the frame does not fit the schema."""
        schema.check(frame)
        bits, _, codes = code_matrix(frame)
        return cls(schema, tuple(np.asarray(codes).tolist()), bits.shape[0])

    @property
    def classes(self) -> tuple[int, ...]:
        return ()

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {"number": (), "bit": tuple(map(str, self.codes)), "category": ()}

    @property
    def sizes(self) -> dict[str, int]:
        return {"number": 0, "bit": len(self.codes), "category": 0}

    def encode(self, frame: pd.DataFrame) -> Parts:
        """The bits of each patient, in the order of their first line. Raises DataError for a code never seen."""
        self.schema.check(frame)
        unseen = ~frame["code"].isin(self.codes)
        if unseen.any():
            raise DataError(
                f"code {frame['code'][unseen].iloc[0]!r} is not among the {len(self.codes):,} codes learnt"
            )
        bits = code_matrix(frame, self.codes)[0].toarray()
        empty = (len(bits), 0)
        return {"number": np.zeros(empty), "bit": bits, "category": np.zeros(empty, np.int32)}

    def decode(self, parts: Parts, *, first: int = 0) -> pd.DataFrame:
        """A long frame; subjects are numbered from first + 1."""
        subject, code = self.schema.columns
        ids = new_ids(len(parts["bit"]), first, subject.dtype)
        frame = long_frame(parts["bit"], np.asarray(ids), self.codes)
        return frame.astype({"subject_id": subject.dtype, "code": code.dtype})

    def to_json(self) -> dict[str, Any]:
        return {"schema": self.schema.to_json(), "codes": list(self.codes), "rows": self.rows}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CodesCodec":
        return cls(Schema.from_json(value["schema"]), tuple(value["codes"]), value["rows"])


Codec = TableCodec | CodesCodec
DTYPES = {"number": np.float64, "bit": np.int8, "category": np.int32}


def fit_codec(frame: pd.DataFrame, schema: Schema | None = None) -> Codec:
    """The codec of these records; the schema is inferred if not given."""
    schema = Schema.infer(frame) if schema is None else schema
    return (CodesCodec if schema.records == "codes" else TableCodec).fit(frame, schema)


def codec_from_json(value: dict[str, Any]) -> Codec:
    return (CodesCodec if "codes" in value else TableCodec).from_json(value)


def matrix(parts: Parts, codec: Codec) -> np.ndarray:
    """One matrix [n, column]: numbers, bits, then each category one-hot. float32; int8 where all are bits."""
    if codec.sizes["bit"] == sum(codec.sizes.values()):
        return parts["bit"]
    hot = [
        np.eye(k, dtype=np.float32)[parts["category"][:, j]] for j, k in enumerate(codec.classes)
    ]
    return np.concatenate([parts["number"], parts["bit"], *hot], axis=1).astype(np.float32)


def parts_of(matrix: np.ndarray, codec: Codec) -> Parts:
    """The inverse of `matrix`, for any real numbers: bits from 0.5 on, the largest of each one-hot group."""
    numbers, bits = codec.sizes["number"], codec.sizes["bit"]
    ends = np.cumsum([numbers + bits, *codec.classes])
    groups = [matrix[:, a:b].argmax(1) for a, b in pairwise(ends)]
    return {
        "number": matrix[:, :numbers].astype(np.float64),
        "bit": (matrix[:, numbers : numbers + bits] >= 0.5).astype(np.int8),
        "category": np.stack(groups, 1).astype(np.int32)
        if groups
        else np.zeros((len(matrix), 0), np.int32),
    }
