"""Generators that know nothing of what a metric looks at: how bad it can get."""

from dataclasses import replace

import numpy as np

from jaxehr.evaluation.blocks.frames import Bits, Records


def shuffled(records: Records, seed: int) -> Records:
    """Every column in an order of its own: frequencies stay, relations go."""
    rng = np.random.default_rng(seed)
    if isinstance(records, Bits):
        return replace(records, bits=_each_column(rng, records.bits))
    return replace(
        records,
        numbers=_each_column(rng, records.numbers),
        labels=_each_column(rng, records.labels),
    )


def _each_column(rng: np.random.Generator, matrix: np.ndarray) -> np.ndarray:
    columns = [column[rng.permutation(len(column))] for column in matrix.T]
    return np.stack(columns, 1) if columns else matrix


def uniform(real: Records, n: int, seed: int) -> Records:
    """Only the ranges are known: numbers uniform over theirs, labels over their values, every code as frequent."""
    rng = np.random.default_rng(seed)
    if isinstance(real, Bits):
        bits = rng.random((n, len(real.codes)), np.float32) < real.bits.mean()
        return replace(real, bits=bits.astype(np.int8))
    low = np.nanmin(real.numbers, axis=0, initial=np.inf)
    high = np.nanmax(real.numbers, axis=0, initial=-np.inf)
    low, high = (np.where(low <= high, end, np.nan) for end in (low, high))  # NaN: no value at all
    numbers = low + (high - low) * rng.random((n, real.numbers.shape[1]))
    labels = [rng.integers(0, len(values) + 1, n) for values in real.values]
    stacked = np.stack(labels, 1) if labels else np.zeros((n, 0), int)
    return replace(real, numbers=numbers, labels=stacked)
