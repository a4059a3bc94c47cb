"""Confidence intervals of 95%.

Shares of independent trials have exact or score intervals. Everything else is jackknifed over groups of patients, in
every set of records at once. A bootstrap would be wrong here: drawing patients with replacement plants copies, and a
copy is what half of these metrics look for.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.measures.proportions import Z, newcombe

GROUPS = 20
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    value: float
    low: float
    high: float


def jackknife(
    of: Callable[[int | None], dict[str, float]], groups: int = GROUPS
) -> dict[str, Estimate]:
    """Each figure with its interval: value +- t s, s^2 = (G - 1) / G sum (theta_g - mean)^2, t with G - 1 degrees.

    It is on the safe side (Efron and Stein 1981). Where figures count matches between sets, each match is left out with
    either side of it, and the interval is up to 1.4 times as wide as need be: 1.4 as simulated for nearest neighbours.

    of      (g) -> figures without the patients of group g; None leaves nobody out
    """
    from scipy.stats import t

    whole = of(None)
    parts = [of(g) for g in range(groups)]
    wide = float(t.ppf((1 + CONFIDENCE) / 2, groups - 1))
    found = {}
    for name, value in whole.items():
        theta = np.array([part[name] for part in parts], float)
        s = float(np.sqrt((groups - 1) * np.var(theta)))
        found[name] = Estimate(float(value), float(value) - wide * s, float(value) + wide * s)
    return found


def excess(hits: int, n: int, control: int, m: int) -> Estimate:
    """(p - c) / (1 - c): the rate of an attack beyond its control's, of what was left to gain."""
    p, c = hits / n, control / m
    low, high = newcombe(hits, n, control, m)
    left = max(1 - c, 1 / m)
    return Estimate((p - c) / left, low / left, high / left)


def clopper_pearson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a share."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = beta.ppf(tail, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, n - hits) if hits < n else 1.0
    return float(low), float(high)


def auc(positive: Float[np.ndarray, "n"], negative: Float[np.ndarray, "m"]) -> Estimate:
    """P(positive > negative) with ties split, and the interval of DeLong et al. (1988)."""
    from scipy.stats import rankdata

    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (
        ranks[:n] - rankdata(positive)
    ) / m  # of each positive: the share of negatives below it
    below = 1 - (ranks[n:] - rankdata(negative)) / n
    value = float(above.mean())
    s = np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m) if min(n, m) > 1 else np.nan
    return Estimate(value, float(value - Z * s), float(value + Z * s))
