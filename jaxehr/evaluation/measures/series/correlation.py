"""How values go with earlier ones: autocorrelation, and correlation across variables and time.

Correlations are Pearson's, of all pairs of values so many steps apart within a patient of which both were measured.
What is missing takes part in none of them, so that they are the law's where values are missing by chance.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.series.scaling import observed_moments

FEWEST = 30  # pairs without which two variables have no correlation


def lags_of(steps: int) -> list[int]:
    """1, 2, 4, ... steps, as far as the grid reaches."""
    return [2**i for i in range((steps - 1).bit_length())]


def lagged(series: Series, lags: Sequence[int]) -> Float[np.ndarray, "lag variable variable"]:
    """Correlation of each variable (row) with each that many steps later (column); NaN where there are fewer than 30
    pairs, or one does not vary among them."""
    mean, spread = observed_moments(series)
    seen = series.observed
    x = np.where(seen, (series.values - mean) / spread, 0.0)
    return np.stack([_correlation(x, seen.astype(float), lag) for lag in lags])


def _correlation(x: np.ndarray, seen: np.ndarray, lag: int) -> Float[np.ndarray, "v v"]:
    ends = x.shape[1] - lag
    a, m = (part[:, :ends].reshape(-1, x.shape[2]) for part in (x, seen))
    b, w = (part[:, lag:].reshape(-1, x.shape[2]) for part in (x, seen))
    n = m.T @ w
    many = np.maximum(n, 1)
    first, second = a.T @ w / many, m.T @ b / many  # means of either over the pairs
    both = a.T @ b / many - first * second
    spread_a = (a**2).T @ w / many - first**2
    spread_b = m.T @ b**2 / many - second**2
    known = (n >= FEWEST) & (spread_a > 1e-9) & (spread_b > 1e-9)
    return np.where(known, both / np.sqrt(np.where(known, spread_a * spread_b, 1.0)), np.nan)


def correlation_errors(
    real: Series, other: Series, lags: Sequence[int] | None = None
) -> dict[str, float]:
    """Mean absolute differences over variables and lags: 1, 2, 4, ... steps where none are given.

    autocorrelation_error      of each variable with itself
    cross_correlation_error    of each with every other, in either order, and at the same step too

    What has no correlation in the real courses is left out; what has none in the others alone counts as 0 there, so
    that a variable which never changes is no way out. NaN where nothing is left.
    """
    lags = lags_of(real.values.shape[1]) if lags is None else lags
    a, b = (lagged(series, [0, *lags]) for series in (real, other))
    apart = np.abs(a - np.nan_to_num(b))
    itself = np.eye(a.shape[1], dtype=bool)
    return {
        "autocorrelation_error": mean_known(apart[1:, itself]),
        "cross_correlation_error": mean_known(apart[:, ~itself]),
    }


def mean_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
