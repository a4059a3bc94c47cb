"""The set of codes of each subject as bits, a row of them, and back."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.parts import KnownParts, Parts
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.codes import code_matrix, drop_rare, long_frame
from jaxehr.data.ids import new_ids
from jaxehr.data.records import Records
from jaxehr.data.schema import DataError, Schema

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Code:
    """A code as what may be given of a subject: it is there, or not."""

    name: str
    place: int


@dataclass(frozen=True)
class CodesCodec:
    """A bit for each subject and code.

    rows    subjects that have one of the codes
    rare    there were other codes, of too few patients to be learnt
    """

    codes: tuple[Any, ...]
    rows: int = 0
    rare: bool = False

    @classmethod
    def fit(cls, records: Records, min_patients: int = MIN_PATIENTS) -> "CodesCodec":
        """Learns the codes of `min_patients` or more; a line of the log says how many were left out.

        Raises DataError where no code is that frequent, or where there is nothing else, all have the same.
        """
        frame, left_out, patients = drop_rare(_events(records), min_patients)
        if left_out:
            log.warning(
                "dropped %d codes with fewer than %d patients, and %d patients who had no other%s",
                left_out,
                min_patients,
                patients,
                "" if records.static is None else " have none now",
            )
        bits, _, codes = code_matrix(frame)
        same = bits.sum() == bits.shape[0] * bits.shape[1]
        if same and records.static is None:
            raise DataError(
                f"all patients have the same codes (patients: {bits.shape[0]:,}); there is nothing to learn"
            )
        return cls(tuple(np.asarray(codes).tolist()), bits.shape[0], left_out > 0)

    classes = missing = indicators = ()
    scales = np.zeros((2, 0))

    @cached_property
    def by_name(self) -> dict[str, Code]:
        return {str(code): Code(str(code), j) for j, code in enumerate(self.codes)}

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {"number": (), "bit": tuple(map(str, self.codes)), "category": ()}

    @property
    def sizes(self) -> dict[str, int]:
        return {"number": 0, "bit": len(self.codes), "category": 0}

    def encode(self, records: Records) -> Parts:
        """The bits of each subject of the static table; without one in the order of their first event.

        Raises DataError for a code never seen; where rare codes were left out, so is what is not among the others,
        and without a static table who has none of these.
        """
        frame = _events(records)
        unseen = ~frame["code"].isin(self.codes)
        if unseen.any() and self.rare:
            frame = frame[~unseen]
        elif unseen.any():
            raise DataError(
                f"code {frame['code'][unseen].iloc[0]!r} is not among the {len(self.codes):,} codes learnt"
            )
        subjects = None if records.static is None else records.static["subject_id"]
        bits = code_matrix(frame, self.codes, subjects)[0].toarray()
        empty = (len(bits), 0)
        return {"number": np.zeros(empty), "bit": bits, "category": np.zeros(empty, np.int32)}

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """A column for each code given, True or False; other codes are free."""
        bits = np.zeros((len(frame), len(self.codes)), np.int8)
        masks = np.zeros(bits.shape, bool)
        for name in frame.columns:
            j = self.by_name[str(name)].place
            bits[:, j], masks[:, j] = frame[name].fillna(False).astype(bool), frame[name].notna()
        return _of_bits(bits, masks)

    def known_of(self, records: Records) -> KnownParts:
        """All of them: a code is there or not."""
        bits = self.encode(records)["bit"]
        return _of_bits(bits, np.ones(bits.shape, bool))

    def decode(self, parts: Parts, schema: Schema, *, first: int = 0) -> pd.DataFrame:
        """A long frame; subjects are numbered from first + 1."""
        dtypes = {column.name: column.dtype for column in schema.events}
        ids = new_ids(len(parts["bit"]), first, dtypes["subject_id"])
        frame = long_frame(parts["bit"], np.asarray(ids), self.codes)
        categorical = (
            dtypes["code"] == "category"
        )  # the same in every batch, whichever codes it has
        kind = pd.CategoricalDtype(list(self.codes)) if categorical else dtypes["code"]
        return frame.astype({"subject_id": ids.dtype, "code": kind})

    def to_json(self) -> dict[str, Any]:
        return {"codes": list(self.codes), "rows": self.rows, "rare": self.rare}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CodesCodec":
        return cls(tuple(value["codes"]), value["rows"], value["rare"])


def _events(records: Records) -> pd.DataFrame:
    assert records.events is not None
    return records.events


def _of_bits(bits: np.ndarray, masks: np.ndarray) -> KnownParts:
    empty = (len(bits), 0)
    none = {"number": np.zeros(empty, bool), "category": np.zeros(empty, bool)}
    parts = {"number": np.zeros(empty), "bit": bits, "category": np.zeros(empty, np.int32)}
    return KnownParts(parts, {**none, "bit": masks}, np.zeros(empty, bool), {})
