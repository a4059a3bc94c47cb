"""How values enter a judge of series, by name: each choice is a function of (real, other, train).

What is missing stands as -1 among the values in the published scores, whatever their unit, and takes part in their
means and ranges. `by_train` is ours: it leaves shifts to be seen, and says what is missing in inputs of its own.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxehr.evaluation.blocks.series import Series

MISSING = -1.0
EPS = 1e-8  # TIMEDIFF's, added to what is divided by


class Scaled(NamedTuple):
    """Courses as a network reads them.

    values      0 beyond a patient's length
    seen        which were measured: inputs of their own, and what predictions are judged by; None where missing ones
                are values like others
    """

    values: Float[np.ndarray, "n step variable"]
    lengths: Int[np.ndarray, "n"]
    seen: Bool[np.ndarray, "n step variable"] | None

    def inputs(self) -> Float[np.ndarray, "n step d"]:
        if self.seen is None:
            return self.values
        return np.concatenate([self.values, self.seen], axis=2, dtype=np.float32)


Scaling = Callable[[Series, Series, Series], tuple[Scaled, Scaled]]


def as_they_are(real: Series, other: Series, train: Series) -> tuple[Scaled, Scaled]:
    """TimeGAN's: its records are scaled to [0, 1] before anything is trained on them."""
    return _moved(real, 0.0, 1.0), _moved(other, 0.0, 1.0)


def standardised(real: Series, other: Series, train: Series) -> tuple[Scaled, Scaled]:
    """TIMEDIFF's `standardize`: each set by its own mean and deviation, so that a shift of all values is not seen."""
    return _moved(real, *_moments(real)), _moved(other, *_moments(other))


def normalised(real: Series, other: Series, train: Series) -> tuple[Scaled, Scaled]:
    """TIMEDIFF's `normalize`: the real set by its own range, the other by that of the training patients."""
    return _moved(real, *_range(real)), _moved(other, *_range(train))


def by_train(real: Series, other: Series, train: Series) -> tuple[Scaled, Scaled]:
    """Both sets by mean and deviation of what was measured of the training patients; a missing value is 0 beside an
    input that says so, where any is missing in either set."""
    mean, spread = observed_moments(train)
    gaps = any((part.observed != part.within[..., None]).any() for part in (real, other))

    def scaled(series: Series) -> Scaled:
        values = np.nan_to_num((series.values - mean) / spread).astype(np.float32)
        return Scaled(values, series.lengths, series.observed if gaps else None)

    return scaled(real), scaled(other)


def observed_moments(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of what was measured of each variable; 0 and 1 where nothing was, or nothing varies."""
    seen = series.observed
    many = np.maximum(seen.sum((0, 1)), 1)
    mean = np.where(seen, series.values, 0.0).sum((0, 1)) / many
    spread = np.sqrt((np.where(seen, series.values - mean, 0.0) ** 2).sum((0, 1)) / many)
    return mean, np.where(spread > 0, spread, 1.0)


def _moments(series: Series) -> tuple[np.ndarray, np.ndarray]:
    cells = filled(series)[series.within]
    return cells.mean(0), cells.std(0) + EPS


def _range(series: Series) -> tuple[np.ndarray, np.ndarray]:
    cells = filled(series)[series.within]
    return cells.min(0), cells.max(0) - cells.min(0) + EPS


def filled(series: Series) -> Float[np.ndarray, "n step variable"]:
    """With -1 for what is missing."""
    return np.where(series.observed, series.values, MISSING)


def _moved(series: Series, middle: np.ndarray | float, width: np.ndarray | float) -> Scaled:
    values = np.where(series.within[..., None], (filled(series) - middle) / width, 0.0)
    return Scaled(values.astype(np.float32), series.lengths, None)
