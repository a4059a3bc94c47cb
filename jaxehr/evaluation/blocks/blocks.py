"""Patients as every measure sees them: blocks of numbers, of labels and of bits, any of which may be empty."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Int8

from jaxehr.evaluation.blocks.series import Series, together


@dataclass(frozen=True)
class Blocks:
    """A row per patient. What has no columns is not there: measures are taken over the blocks that they are meant for.

    numbers     of the static table; NaN where missing
    labels      of the static table; 0 where missing, and values[j] gives the spelling of labels 1, 2, ... of column j
    bits        patient x code: which codes are among a patient's events
    series      what is measured of each patient over time; None where that is not known. Its summaries are among the
                numbers and labels
    channels    what its numbers are
    firsts      the first channel of each variable, which is measured when the variable is
    """

    numbers: Float[np.ndarray, "n p"]
    labels: Int[np.ndarray, "n q"]
    bits: Int8[np.ndarray, "n code"]
    number_names: tuple[str, ...]
    label_names: tuple[str, ...]
    codes: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    series: Series | None = None
    channels: tuple[str, ...] = ()
    firsts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the static table: numbers, then labels."""
        return (*self.number_names, *self.label_names)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each label may have, missing among them."""
        return tuple(len(values) + 1 for values in self.values)

    @property
    def static(self) -> "Blocks":
        """Without codes."""
        return replace(self, bits=self.bits[:, :0], codes=())

    @property
    def courses(self) -> Series:
        """The series, where there is one."""
        assert self.series is not None
        return self.series

    @property
    def measured(self) -> Series:
        """With one channel for each variable."""
        return self.courses.only(self.firsts)

    @cached_property
    def counts(self) -> Int[np.ndarray, "code"]:
        """How many patients have each code."""
        return self.bits.sum(0, dtype=int)

    def frequent(self, most: int) -> Int[np.ndarray, "code"]:
        """The places of so many codes, the most frequent first."""
        return np.argsort(-self.counts, kind="stable")[:most]

    def rows(self, index: np.ndarray) -> "Blocks":
        parts = {name: getattr(self, name)[index] for name in ("numbers", "labels", "bits")}
        series = None if self.series is None else self.series.rows(index)
        return replace(self, **parts, series=series)

    def with_shuffled(self, name: str, rng: np.random.Generator) -> "Blocks":
        """One column, or code, in another order."""
        order = rng.permutation(len(self))
        named = {"numbers": self.number_names, "labels": self.label_names, "bits": self.codes}
        block = next(block for block, names in named.items() if name in names)
        j, changed = named[block].index(name), getattr(self, block).copy()
        changed[:, j] = changed[order, j]
        return replace(self, **{block: changed})

    def differing(self, other: "Blocks") -> Int[np.ndarray, "row"]:
        """The rows that are not the same in other records, which have as many."""
        numbers = (self.numbers != other.numbers) & ~(
            np.isnan(self.numbers) & np.isnan(other.numbers)
        )
        parts = (numbers, self.labels != other.labels, self.bits != other.bits)
        return np.flatnonzero(np.any([part.any(1) for part in parts], axis=0))


def joined(*parts: Blocks) -> Blocks:
    """The rows of all."""
    return replace(
        parts[0],
        numbers=np.concatenate([part.numbers for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        bits=np.concatenate([part.bits for part in parts]),
        series=None if parts[0].series is None else together(*(part.courses for part in parts)),
    )


def some(blocks: Blocks, n: int, seed: int) -> Blocks:
    """n rows in random order: files are often sorted, and a sorted head is not a sample."""
    return blocks.rows(np.random.default_rng(seed).permutation(len(blocks))[:n])


def overlap(real: Blocks, held: Blocks) -> tuple[int, float]:
    """How many held-out rows equal a real one, and how many would if they were as alike as real rows are among
    themselves."""
    a, b = _as_bytes(real), _as_bytes(held)
    shared = int(np.isin(b, a).sum())
    _, inverse, counts = np.unique(a, return_inverse=True, return_counts=True)
    return shared, float((counts[inverse] > 1).mean() * len(b))


def _as_bytes(blocks: Blocks) -> np.ndarray:
    """A row as one value."""
    parts = (blocks.numbers.astype(np.float64), blocks.labels.astype(np.int64))
    plain = [np.ascontiguousarray(part).view(np.uint8) for part in parts]
    rows = np.ascontiguousarray(np.hstack([*plain, np.packbits(blocks.bits, axis=1)]))
    return rows.view(np.dtype((np.void, rows.shape[1]))).reshape(-1)
