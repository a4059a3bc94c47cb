"""Blocks as the engine of distances sees them.

Codes alone are as far apart as codes differ (Hamming). With a static table it is Gower's distance: the mean over its
columns and the codes of |a - b| over the range, or of a mismatch, so that a code weighs what a column does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import FEW, Rows, bit_rows, mixed_rows, packed


def comparable_rows(sets: Mapping[str, Blocks], scale: Blocks) -> dict[str, Rows]:
    """The sets with numbers over the range of `scale`."""
    low = np.nanmin(scale.numbers, axis=0, initial=np.inf)
    span = np.nanmax(scale.numbers, axis=0, initial=-np.inf) - low

    def rows(blocks: Blocks) -> Rows:
        scaled = np.clip((blocks.numbers - low) / np.where(span > 0, span, 1.0), 0, 1)
        numbers = np.where(np.isnan(blocks.numbers), 2.0, scaled)
        return _rows(numbers, blocks.labels, scale.sizes, blocks.bits)

    return {name: rows(blocks) for name, blocks in sets.items()}


def cells(sets: Sequence[Blocks]) -> list[Rows]:
    """The sets as rows of which two cells are equal or 1 apart, whatever they hold."""
    columns = [np.concatenate(parts) for parts in zip(*map(_columns, sets), strict=True)]
    place = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in columns]
    ends = np.cumsum([len(blocks) for blocks in sets])[:-1]
    whole = np.stack(place, 1) if place else np.zeros((sum(map(len, sets)), 0), int)
    parts = zip(np.split(whole, ends), sets, strict=True)
    return [_rows(part, part[:, :0], (), blocks.bits) for part, blocks in parts]


def _columns(blocks: Blocks) -> list[np.ndarray]:
    return [*blocks.numbers.T, *blocks.labels.T]


def _rows(
    numbers: Float[np.ndarray, "n p"],
    labels: Int[np.ndarray, "n q"],
    sizes: tuple[int, ...],
    bits: np.ndarray,
) -> Rows:
    if not numbers.shape[1] + labels.shape[1]:
        return bit_rows(bits)
    return mixed_rows(numbers, labels, sizes, bits)


def without(blocks: Blocks, hidden: Int[np.ndarray, "column"]) -> Callable[[Rows], Rows]:
    """A function that makes rows of `comparable_rows` without some columns: all alike in them. Columns are counted
    over numbers, labels and codes."""
    p, q = blocks.numbers.shape[1], blocks.labels.shape[1]
    coded, sizes = p + q + np.arange(len(blocks.codes)), np.array(blocks.sizes, int)
    few, many = p + np.flatnonzero(sizes <= FEW), p + np.flatnonzero(sizes > FEW)
    place = [np.repeat(few, sizes[few - p]), coded, *([coded] if p + q else [])]
    seen = lambda columns: ~np.isin(columns, hidden)
    words = packed(seen(np.concatenate(place))[None])
    numbers, labels = seen(np.arange(p)).astype(np.float32), seen(many).astype(np.int32)

    def hide(rows: Rows) -> Rows:
        return replace(
            rows,
            words=rows.words & words,
            numbers=rows.numbers * numbers,
            labels=rows.labels * labels,
        )

    return hide


def as_bytes(rows: Rows) -> np.ndarray:
    """A row as one value of bytes."""
    parts = [np.ascontiguousarray(part).view(np.uint8) for part in rows.parts]
    both = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return both.view(np.dtype((np.void, both.shape[1]))).reshape(-1)


def points(rows: Rows) -> Float[np.ndarray, "n d"]:
    """Bits and one-hot columns unpacked, and numbers, missing ones in the middle."""
    bits = _with_wide(np.unpackbits(rows.words.view(np.uint8), axis=1), rows).astype(np.float32)
    numbers = np.where(rows.numbers > 1, 0.5, rows.numbers)
    return np.concatenate([bits, numbers], axis=1)


def _with_wide(bits: np.ndarray, rows: Rows) -> np.ndarray:
    """The bits with the labels of many values one-hot in their places, in whole words."""
    if not rows.wide:
        return bits
    whole = np.zeros((len(rows), -(-rows.ones // 32) * 32), bits.dtype)
    many = np.concatenate([start + np.arange(size) for start, size in rows.wide])
    few = np.setdiff1d(np.arange(rows.ones), many)
    whole[:, few] = bits[:, : len(few)]
    for (start, _), column in zip(rows.wide, rows.labels.T, strict=True):
        whole[np.arange(len(rows)), start + column] = 1
    return whole
