"""Records as arrays, and back: encode, and decode as its exact inverse on real rows.

The parts of every codec, whatever the records:

    number      float64 [n, p] in [0, 1]    numerical, integer and datetime columns
    bit         int8    [n, b]              missing indicators, booleans, categories of two; or patient x code
    category    int32   [n, q]              categories of more than two; column j has classes[j] values
"""

import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data.codes import code_matrix, drop_rare, long_frame
from jaxehr.data.columns import Learnt, NumberKind, column_from_json, fit_column, new_ids
from jaxehr.data.numbers import Number, Quantile
from jaxehr.data.offsets import Offset
from jaxehr.data.schema import DataError, Schema
from jaxehr.data.shared import MIN_PATIENTS

log = logging.getLogger(__name__)

Parts = dict[str, np.ndarray]


class KnownParts(NamedTuple):
    """What is given of some records.

    parts   values; what they are where nothing is known does not matter
    masks   True where an entry is known
    filled  [n, category]: True for a category that is not known, but known not to be missing
    """

    parts: Parts
    masks: Parts
    filled: np.ndarray


@dataclass(frozen=True)
class TableCodec:
    """Of a table with one row per patient. Ids are not learnt: decode makes new ones.

    offsets     columns that are encoded as what lies between them and another, which they never fall below
    """

    schema: Schema
    columns: tuple[Learnt, ...]  # all but ids, in the schema's order
    rows: int
    offsets: tuple[Offset, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        numbers: NumberKind = Number,
        min_patients: int = MIN_PATIENTS,
    ) -> "TableCodec":
        """Learns ranges, decimals and categories. Raises DataError where the frame does not fit the schema."""
        schema.check(frame)
        if not 1 <= min_patients <= len(frame):
            raise DataError(
                f"there are {len(frame):,} rows and min_patients is {min_patients}: what fewer patients have is not "
                "learnt; give more rows, or min_patients=1 (--min-patients 1), which learns all"
            )
        learnt = [c for c in schema.columns if c.kind != "id"]
        if not learnt:
            raise DataError("all columns are ids; there is nothing to learn")
        offsets = tuple(Offset.found(frame, schema, min_patients))
        frame = _with_gaps(frame, offsets)
        gaps = {offset.name: offset.column for offset in offsets}
        columns = (
            fit_column(frame[c.name], gaps.get(c.name, c), numbers, min_patients) for c in learnt
        )
        codec = cls(schema, tuple(columns), len(frame), offsets)
        if not any(codec.sizes.values()):
            raise DataError(
                f"no column has more than one value (rows: {len(frame):,}); there is nothing to learn"
            )
        return codec

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(k for column in self.columns for k in column.classes())

    @property
    def missing(self) -> tuple[int, ...]:
        """For each category the class of a missing value, -1 where there is none."""
        return tuple(
            column.missing if i == 0 else -1
            for column in self.columns
            for i in range(len(column.classes()))
        )

    @property
    def scales(self) -> np.ndarray:
        """[2, number]: mean and standard deviation of each entry of the number part over the rows that have one."""
        scaled = [c for c in self.columns if isinstance(c, Number | Quantile)]
        return np.array([(c.mean, c.std) for c in scaled]).reshape(-1, 2).T

    @property
    def indicators(self) -> tuple[int, ...]:
        """For each entry of the number part the bit that says it is missing, -1 where there is none."""
        found, bits = [], 0
        for column in self.columns:
            parts = [part for part, _ in column.parts()]
            if "number" in parts:
                found.append(bits if "bit" in parts else -1)
            bits += parts.count("bit")
        return tuple(found)

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
        frame = _with_gaps(frame, self.offsets)
        return self._stacked({c.name: c.encode(frame[c.name]) for c in self.columns}, len(frame))

    def known(self, frame: pd.DataFrame) -> KnownParts:
        """What a frame gives, of which columns may be left out and cells be missing: those are to be filled in.

        Raises DataError for a column that is not learnt, or a category that was never seen.
        """
        n, names = len(frame), {column.name for column in self.columns}
        for name in frame.columns:
            if name not in names:
                raise DataError(
                    f"there is no column '{name}' that can be given; the columns are {', '.join(sorted(names))}"
                )
        frame = _with_gaps(frame, self.offsets)
        blank = {c.name: pd.Series([None] * n, dtype=object) for c in self.columns}
        found = {c.name: c.known(frame.get(c.name, blank[c.name])) for c in self.columns}
        given = set(frame.columns)
        masks = {
            c.name: tuple(mask & (c.name in given) for mask in found[c.name][1])
            for c in self.columns
        }
        parts = self._stacked({name: arrays for name, (arrays, _) in found.items()}, n)
        known = self._stacked(masks, n, bool)
        asked = [c.name in given for c in self.columns for _ in c.classes()]
        return KnownParts(parts, known, ~known["category"] & np.array(asked, bool))

    def _stacked(self, arrays: dict[str, tuple[np.ndarray, ...]], n: int, dtype=None) -> Parts:
        """The arrays of every column, side by side in their parts."""
        found: dict[str, list[np.ndarray]] = {"number": [], "bit": [], "category": []}
        for column in self.columns:
            for (part, _), array in zip(column.parts(), arrays[column.name], strict=True):
                found[part].append(array)
        return {
            part: np.stack(found[part], 1).astype(dtype or own)
            if found[part]
            else np.zeros((n, 0), dtype or own)
            for part, own in DTYPES.items()
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
            values[column.name] = column.decode(n, *arrays)
        for offset in self.offsets:
            values[offset.name] = offset.above(values[offset.low.name], values[offset.name])
        for identity in self.schema.of_kind("id"):
            values[identity.name] = new_ids(n, first, identity.dtype)
        frame = pd.DataFrame({name: values[name] for name in self.schema.names})
        frame.attrs["format"] = self.schema.spelling
        return frame

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_json(),
            "columns": [column.to_json() for column in self.columns],
            "rows": self.rows,
            "offsets": [offset.to_json() for offset in self.offsets],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableCodec":
        columns = tuple(column_from_json(column) for column in value["columns"])
        offsets = tuple(Offset.from_json(offset) for offset in value["offsets"])
        return cls(Schema.from_json(value["schema"]), columns, value["rows"], offsets)


@dataclass(frozen=True)
class CodesCodec:
    """Of codes: a bit for each patient and code.

    rare    there were other codes, of too few patients to be learnt
    """

    schema: Schema
    codes: tuple[str, ...]
    rows: int
    rare: bool = False

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, schema: Schema, min_patients: int = MIN_PATIENTS
    ) -> "CodesCodec":
        """Learns the codes of `min_patients` or more; a line of the log says how many were left out.

        Raises DataError where the frame does not fit the schema, or no code is that frequent.
        """
        schema.check(frame)
        frame, left_out, patients = drop_rare(frame, min_patients)
        if left_out:
            log.warning(
                "dropped %d codes with fewer than %d patients, and %d patients who had no other",
                left_out,
                min_patients,
                patients,
            )
        bits, _, codes = code_matrix(frame)
        if bits.sum() == bits.shape[0] * bits.shape[1]:
            raise DataError(
                f"all patients have the same codes (patients: {bits.shape[0]:,}); there is nothing to learn"
            )
        return cls(schema, tuple(np.asarray(codes).tolist()), bits.shape[0], left_out > 0)

    classes = missing = indicators = ()
    scales = np.zeros((2, 0))

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {"number": (), "bit": tuple(map(str, self.codes)), "category": ()}

    @property
    def sizes(self) -> dict[str, int]:
        return {"number": 0, "bit": len(self.codes), "category": 0}

    def encode(self, frame: pd.DataFrame) -> Parts:
        """The bits of each patient, in the order of their first line. Raises DataError for a code never seen.

        Where rare codes were left out, so is what is not among the others, and who has none of these.
        """
        self.schema.check(frame)
        unseen = ~frame["code"].isin(self.codes)
        if unseen.any() and self.rare:
            frame = frame[~unseen]
        elif unseen.any():
            raise DataError(
                f"code {frame['code'][unseen].iloc[0]!r} is not among the {len(self.codes):,} codes learnt"
            )
        bits = code_matrix(frame, self.codes)[0].toarray()
        empty = (len(bits), 0)
        return {"number": np.zeros(empty), "bit": bits, "category": np.zeros(empty, np.int32)}

    def known(self, frame: pd.DataFrame) -> KnownParts:
        """A column for each code given, True or False; other codes are free. Raises DataError for one never seen."""
        bits = np.zeros((len(frame), len(self.codes)), np.int8)
        masks = np.zeros(bits.shape, bool)
        for name in frame.columns:
            if name not in self.codes:
                raise DataError(f"code {name!r} is not among the {len(self.codes):,} codes learnt")
            j = self.codes.index(name)
            bits[:, j], masks[:, j] = frame[name].fillna(False).astype(bool), frame[name].notna()
        empty = (len(frame), 0)
        none = {"number": np.zeros(empty, bool), "category": np.zeros(empty, bool)}
        return KnownParts(
            {"number": np.zeros(empty), "bit": bits, "category": np.zeros(empty, np.int32)},
            {**none, "bit": masks},
            np.zeros(empty, bool),
        )

    def decode(self, parts: Parts, *, first: int = 0) -> pd.DataFrame:
        """A long frame; subjects are numbered from first + 1."""
        subject, code = self.schema.columns
        ids = new_ids(len(parts["bit"]), first, subject.dtype)
        frame = long_frame(parts["bit"], np.asarray(ids), self.codes)
        return frame.astype({"subject_id": subject.dtype, "code": code.dtype})

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_json(),
            "codes": list(self.codes),
            "rows": self.rows,
            "rare": self.rare,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CodesCodec":
        schema, codes = Schema.from_json(value["schema"]), tuple(value["codes"])
        return cls(schema, codes, value["rows"], value.get("rare", False))


Codec = TableCodec | CodesCodec
DTYPES = {"number": np.float64, "bit": np.int8, "category": np.int32}


def fit_codec(
    frame: pd.DataFrame,
    schema: Schema | None = None,
    numbers: NumberKind = Number,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records; the schema is inferred if not given.

    numbers         what numerical, integer and datetime columns become: Number, Quantile or Bins
    min_patients    who have what is kept of the values (jaxehr.data.shared); 1 keeps all of them
    """
    schema = Schema.infer(frame) if schema is None else schema
    if schema.records == "codes":
        return CodesCodec.fit(frame, schema, min_patients)
    return TableCodec.fit(frame, schema, numbers, min_patients)


def codec_of(
    data: pd.DataFrame | Codec,
    schema: Schema | None,
    numbers: NumberKind,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records, as `fit_codec` has it, or the one that is given."""
    if isinstance(data, pd.DataFrame):
        return fit_codec(data, schema, numbers, min_patients)
    return data


def _with_gaps(frame: pd.DataFrame, offsets: tuple[Offset, ...]) -> pd.DataFrame:
    gaps = {o.name: o.gap(frame) for o in offsets if {o.name, o.low.name} <= set(frame.columns)}
    return frame.assign(**gaps) if gaps else frame


def codec_from_json(value: dict[str, Any]) -> Codec:
    return (CodesCodec if "codes" in value else TableCodec).from_json(value)
