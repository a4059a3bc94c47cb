"""Codes: a long file with a line per patient and code, and the patient x code matrix of bits it stands for."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jaxehr.data.records import EVENT_COLUMNS
from jaxehr.data.schema import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

log = logging.getLogger(__name__)

# Names that other files give to these columns.
PATIENT = re.compile(
    "(patient|subject|person|pat|pid|mrn|nhs|beneficiary|member)s?([ _-]?(id|nr|no|nbr|number|key))?$",
    re.IGNORECASE,
)
CODE = re.compile(
    "(^|.*[ _-])(code|icd[ _-]?(9|10)?([ _-]?cm)?|dx|diag|atc|ndc|snomed|cpt|loinc)([ _-]?code)?$",
    re.IGNORECASE,
)


def say_learnt(what: str | Path, names: Iterable[str]) -> None:
    """Logs what recipes learn of events that have these columns, and what of them waits."""
    others = [name for name in names if name not in ("subject_id", "code")]
    waiting = [name for name in others if name in EVENT_COLUMNS]
    ignored = [name for name in others if name not in EVENT_COLUMNS]
    if others:
        log.warning(
            "%s: of events it is learnt which codes a subject has%s%s",
            what,
            f"; times and values wait, and are not learnt: {', '.join(waiting)} (jaxehr schema --every makes a series "
            "of them)"
            if waiting
            else "",
            f"; ignored: {', '.join(ignored)}" if ignored else "",
        )


def codes_of(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """subject_id and code of a long file, codes without blanks around them; logs what this changes."""
    say_learnt(path, frame.columns)
    attrs, frame = frame.attrs, frame[["subject_id", "code"]].copy(deep=False)
    if pd.api.types.is_string_dtype(frame["code"]):
        bare = frame["code"].str.strip()
        blanks = int((bare != frame["code"]).where(frame["code"].notna(), False).sum())
        if blanks:
            log.warning("%s: blanks around %s codes are taken off", path, f"{blanks:,}")
            frame["code"] = bare.mask(bare == "")
    repeats = int(frame.duplicated().sum())
    if repeats:
        log.warning("%s: %s lines repeat a patient's code, which counts once", path, f"{repeats:,}")
    frame.attrs = attrs
    return frame


def long_hint(path: Path, frame: pd.DataFrame) -> None:
    """Logs that a table looks like codes under other names."""
    names = [str(name) for name in frame.columns]
    patient = [n for n in names if PATIENT.match(n) and frame[n].duplicated().any()]
    code = [n for n in names if CODE.match(n)]
    if patient and code:
        log.warning(
            "%s has several lines for a value of '%s', and is read as a table whose rows are patients; if its lines "
            "are a patient's codes, read it by --map %scode=%s",
            *(
                path,
                patient[0],
                "" if "subject_id" in names else f"subject_id={patient[0]},",
                code[0],
            ),
        )


def code_matrix(
    frame: pd.DataFrame, codes: Sequence[str] | None = None, subjects: pd.Series | None = None
) -> tuple["csr_array", np.ndarray, tuple[str, ...]]:
    """(bits [patient, code] as sparse int8, subject ids, codes).

    codes       the columns wanted, in order; other codes of the frame are left out, but their patients stay. By
                default all codes, sorted
    subjects    the rows wanted, in order; by default those who have a line, in the order of their first

    A pair that appears twice counts once.
    Raises DataError where a line lacks its patient or its code.
    """
    from scipy.sparse import csr_array

    pairs = frame[["subject_id", "code"]]
    if pairs.isna().any(axis=None):
        line = int(np.flatnonzero(pairs.isna().any(axis=1))[0]) + 1
        raise DataError(f"record {line} lacks its subject_id or its code; correct or drop it")
    if subjects is None:
        row, subjects = pd.factorize(pairs["subject_id"])
    else:
        row = pd.Index(subjects).get_indexer(pd.Index(pairs["subject_id"]))
    if codes is None:
        column, found = pd.factorize(pairs["code"], sort=True)
        codes = tuple(found)
    else:
        column = pd.Index(codes).get_indexer(pd.Index(pairs["code"]))
    known = (column >= 0) & (row >= 0)
    ones = np.ones(known.sum(), np.int8)
    bits = csr_array((ones, (row[known], column[known])), shape=(len(subjects), len(codes)))
    bits.data[:] = 1
    return bits, np.asarray(subjects), tuple(codes)


def long_frame(bits, subject_ids: np.ndarray, codes: Sequence[str]) -> pd.DataFrame:
    """Columns subject_id and code, patient by patient, codes in the order of the matrix."""
    if hasattr(bits, "tocsr"):
        bits = bits.tocsr()
        bits.sort_indices()
    row, column = bits.nonzero()
    return pd.DataFrame(
        {"subject_id": np.asarray(subject_ids)[row], "code": pd.Index(codes).take(column)}
    )


def drop_rare(frame: pd.DataFrame, min_patients: int) -> tuple[pd.DataFrame, int, int]:
    """Without the codes that fewer patients have: (frame, codes dropped, patients left without any code).

    Raises DataError if no code is left.
    """
    patients = frame.groupby("code")["subject_id"].nunique()
    rare = patients.index[patients < min_patients]
    kept = frame[~frame["code"].isin(rare)].reset_index(drop=True)
    if kept.empty:
        raise DataError(
            f"no code has {min_patients} patients; the most frequent has {patients.max()}"
        )
    return kept, len(rare), frame["subject_id"].nunique() - kept["subject_id"].nunique()
