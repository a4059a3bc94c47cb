"""Generators that know nothing of what a metric looks at: how bad it can get."""

from dataclasses import replace

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks


def shuffled(blocks: Blocks, seed: int) -> Blocks:
    """Every column in an order of its own: frequencies stay, relations go."""
    rng = np.random.default_rng(seed)
    return replace(
        blocks,
        numbers=_each_column(rng, blocks.numbers),
        labels=_each_column(rng, blocks.labels),
        bits=_each_column(rng, blocks.bits),
    )


def _each_column(rng: np.random.Generator, matrix: np.ndarray) -> np.ndarray:
    columns = [column[rng.permutation(len(column))] for column in matrix.T]
    return np.stack(columns, 1) if columns else matrix


def uniform(real: Blocks, n: int, seed: int) -> Blocks:
    """Only the ranges are known: numbers uniform over theirs, labels over their values, every code as frequent."""
    rng = np.random.default_rng(seed)
    low = np.nanmin(real.numbers, axis=0, initial=np.inf)
    high = np.nanmax(real.numbers, axis=0, initial=-np.inf)
    low, high = (np.where(low <= high, end, np.nan) for end in (low, high))  # NaN: no value at all
    numbers = low + (high - low) * rng.random((n, real.numbers.shape[1]))
    labels = [rng.integers(0, len(values) + 1, n) for values in real.values]
    stacked = np.stack(labels, 1) if labels else np.zeros((n, 0), int)
    often = real.counts.sum() / max(real.bits.size, 1)
    bits = rng.random((n, len(real.codes)), np.float32) < often
    return replace(real, numbers=numbers, labels=stacked, bits=bits.astype(np.int8))
