"""Drawn again: columns alone, or whole patients."""

import numpy as np
import pandas as pd
from jaxtyping import Int8

from jaxehr.baselines.records import begun_apart, cells, coded, patients, prevalence
from jaxehr.data import Schema, code_matrix


def marginals(
    train: pd.DataFrame, n: int, seed: int, *, schema: Schema | None = None
) -> pd.DataFrame:
    """Each column drawn from its own values, missing ones included; each code by its prevalence.

    For codes the draws go on until n patients have one, as no file shows a patient without.
    Raises ValueError if n < 1.
    """
    train, schema, rng = begun_apart(train, n, seed, schema)
    if not schema.events:
        return cells(
            train, schema, n, lambda name: rng.integers(len(train), size=n, dtype=np.int64)
        )
    bits, _, codes = code_matrix(train)
    share = prevalence(bits)

    def some(count: int) -> Int8[np.ndarray, "count code"]:
        return (rng.random((count, len(codes)), np.float32) < share).astype(np.int8)

    return patients(some, schema, codes, n)


def bootstrap(
    train: pd.DataFrame, n: int, seed: int, *, schema: Schema | None = None
) -> pd.DataFrame:
    """Patients drawn with replacement: the copier. Raises ValueError if n < 1."""
    train, schema, rng = begun_apart(train, n, seed, schema)
    if not schema.events:
        rows = rng.integers(len(train), size=n)
        return cells(train, schema, n, lambda name: rows)
    bits, _, codes = code_matrix(train)
    return coded(bits[rng.integers(bits.shape[0], size=n)], schema, codes)
