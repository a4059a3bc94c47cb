"""Codes: a long file with a line per patient and code, and the patient x code matrix of bits it stands for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jaxehr.data.schema import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def code_matrix(
    frame: pd.DataFrame, codes: Sequence[str] | None = None
) -> tuple["csr_array", np.ndarray, tuple[str, ...]]:
    """(bits [patient, code] as sparse int8, subject ids, codes).

    codes   the columns wanted, in order; other codes of the frame are left out, but their patients stay. By default
            all codes, sorted

    A pair that appears twice counts once. Patients come in the order of their first line.
    Raises DataError where a line lacks its patient or its code.
    """
    from scipy.sparse import csr_array

    pairs = frame[["subject_id", "code"]]
    if pairs.isna().any(axis=None):
        line = int(np.flatnonzero(pairs.isna().any(axis=1))[0]) + 1
        raise DataError(f"record {line} lacks its subject_id or its code; correct or drop it")
    row, subjects = pd.factorize(pairs["subject_id"])
    if codes is None:
        column, found = pd.factorize(pairs["code"], sort=True)
        codes = tuple(found)
    else:
        column = pd.Index(codes).get_indexer(pd.Index(pairs["code"]))
    known = column >= 0
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
