"""Courses of patients on a grid, as the measures of series see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class Series:
    """One course per patient: numbers of several variables, step after step.

    values      NaN where nothing was measured; beyond a patient's length all are
    lengths     how many steps each patient has, one at the least
    inside      when within its step a value was measured, from 0 to 1; None where that is not known
    Raises ValueError where the three do not fit.
    """

    values: Float[np.ndarray, "n step variable"]
    lengths: Int[np.ndarray, "n"]
    inside: Float[np.ndarray, "n step variable"] | None = None

    def __post_init__(self):
        n, steps, _ = self.values.shape
        if self.lengths.shape != (n,):
            raise ValueError(f"{n} patients want {n} lengths; got {self.lengths.shape}")
        check_lengths(self.lengths, steps)
        if self.inside is not None and self.inside.shape != self.values.shape:
            raise ValueError(f"inside is wanted as {self.values.shape}; got {self.inside.shape}")
        if self.observed[~self.within].any():
            raise ValueError("values beyond a patient's length are wanted missing (NaN)")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def observed(self) -> Bool[np.ndarray, "n step variable"]:
        return ~np.isnan(self.values)

    @property
    def within(self) -> Bool[np.ndarray, "n step"]:
        """Steps that a patient has."""
        return within(self.lengths, self.values.shape[1])

    @property
    def times(self) -> Float[np.ndarray, "n step variable"]:
        """When each value was measured, in steps; its step alone where no more is known."""
        steps = np.arange(self.values.shape[1], dtype=float)[:, None]
        return np.broadcast_to(steps, self.values.shape) + (
            0.0 if self.inside is None else self.inside
        )

    def only(self, channels: Sequence[int]) -> "Series":
        """Of some variables."""
        own = np.array(channels, int)
        inside = None if self.inside is None else self.inside[..., own]
        return Series(self.values[..., own], self.lengths, inside)

    def rows(self, index: np.ndarray) -> "Series":
        inside = None if self.inside is None else self.inside[index]
        return Series(self.values[index], self.lengths[index], inside)


def within(lengths: Int[np.ndarray, "n"], steps: int) -> Bool[np.ndarray, "n step"]:
    """Which of so many steps each patient has."""
    return np.arange(steps) < lengths[:, None]


def check_lengths(lengths: Int[np.ndarray, "n"], steps: int) -> None:
    """Raises ValueError for a patient of no step, or of more than there are."""
    if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= steps:
        ends = f"{lengths.min()} to {lengths.max()}"
        raise ValueError(f"lengths are wanted between 1 and the {steps} steps; got {ends}")


def whole(values: Float[np.ndarray, "n step variable"]) -> Series:
    """Courses that all last to the last step."""
    return Series(values, np.full(len(values), values.shape[1]))


def together(*parts: Series) -> Series:
    """The patients of all."""
    insides = [part.inside for part in parts if part.inside is not None]
    return Series(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate(insides) if len(insides) == len(parts) else None,
    )


def summaries(series: Series) -> dict[str, Float[np.ndarray, "n variable"]]:
    """Of each patient's course: at how many steps a variable is measured, and its first, last, mean, least and greatest
    value, and their deviation; NaN where nothing was measured."""
    seen, x = series.observed, series.values
    count = seen.sum(1)
    many = np.maximum(count, 1)
    mean = np.where(seen, x, 0.0).sum(1) / many
    end = x.shape[1] - 1 - seen[:, ::-1].argmax(1)
    found = {
        "first": np.take_along_axis(x, seen.argmax(1)[:, None], 1)[:, 0],
        "last": np.take_along_axis(x, end[:, None], 1)[:, 0],
        "mean": mean,
        "least": np.where(seen, x, np.inf).min(1),
        "greatest": np.where(seen, x, -np.inf).max(1),
        "deviation": np.sqrt((np.where(seen, x - mean[:, None], 0.0) ** 2).sum(1) / many),
    }
    return {"measured": count} | {k: np.where(count > 0, v, np.nan) for k, v in found.items()}
