"""Codes as bits, a row of them for each patient, and back."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.columns import new_ids
from jaxehr.codecs.parts import KnownParts, Parts
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.codes import code_matrix, drop_rare, long_frame
from jaxehr.data.schema import DataError, Schema

log = logging.getLogger(__name__)


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
            {},
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
