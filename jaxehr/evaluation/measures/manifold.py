"""Fidelity, patient by patient: do synthetic patients lie where real ones do, and are they as varied?

After Alaa et al. (2022), without their trained embedding: typical is near the real mean, and neighbours are counted in
the records' own distance, so that nothing depends on a fit.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxehr.evaluation.blocks.distances import Distances
from jaxehr.evaluation.blocks.nearest import Rows, kth_nearest
from jaxehr.evaluation.blocks.rows import as_bytes

LEVELS = np.arange(1, 20) / 20
NEIGHBOURS = 5  # a real patient is recalled if a synthetic one is as near as the fifth real one
Figures = Callable[[int | None], dict[str, float]]


def alpha_precision(real: Float[np.ndarray, "n"], other: Float[np.ndarray, "m"]) -> float:
    """1 - 2 mean |P(alpha) - alpha|, P(alpha) the share of the others within the ball around the real mean that holds a
    share alpha of the real rows; given are the distances from that mean."""
    inside = (other[:, None] <= np.quantile(real, LEVELS)).mean(0)
    return float(1 - 2 * np.abs(inside - LEVELS).mean())


def beta_recall(
    covered: Bool[np.ndarray, "n"],
    closest: Int[np.ndarray, "n"],
    other: Float[np.ndarray, "m"],
) -> float:
    """1 - 2 mean |R(beta) - beta|, R(beta) the share of real rows that are covered by a row of the others which lies
    among the share beta of them that is nearest to their mean.

    covered   is the closest of the others as near as the fifth real neighbour?
    closest   of the others to each real row
    other     distance of each of the others from their mean
    """
    within = other[closest][:, None] <= np.quantile(other, LEVELS)
    return float(1 - 2 * np.abs((covered[:, None] & within).mean(0) - LEVELS).mean())


def from_mean(points: Float[np.ndarray, "n d"], mean: Float[np.ndarray, "d"]) -> np.ndarray:
    """Euclid's distance; ties, of which records of few codes have many, are broken in random order."""
    far = np.sqrt(((points - mean) ** 2).sum(1))
    return far + 1e-6 * np.random.default_rng(0).random(len(far))


def radius(real: Rows) -> Float[np.ndarray, "n"]:
    """How far the fifth nearest other row is from each."""
    return kth_nearest(real, NEIGHBOURS)


def support(
    d: Distances, radius: Float[np.ndarray, "n"], real: np.ndarray, other: np.ndarray
) -> Figures:
    """alpha_precision, beta_recall, coverage and authenticity of the synthetic rows.

    coverage       share of real rows that are covered: beta_recall's R(1), which falls where a mode is lost
    authenticity   share of the others farther from their nearest real row than that row is from its own nearest real
                   neighbour, ties split: what copies lack. Fresh records have more than a half
    radius         of the real rows of d; real, other: both sets as points
    """
    a, b = from_mean(real, real.mean(0)), from_mean(other, real.mean(0))
    own = from_mean(other, other.mean(0))

    def figures(leave: int | None) -> dict[str, float]:
        kept = d.kept(leave)
        covered = d.least("real", "synthetic", leave) <= radius
        closest = d.row("real", "synthetic", leave)
        to_real, beside = d.least("synthetic", "real", leave), d.least("real", "real", leave)
        around = beside[d.row("synthetic", "real", leave)]
        authentic = (to_real > around) + 0.5 * (to_real == around)
        return {
            "alpha_precision": alpha_precision(a[kept], b[kept]),
            "beta_recall": beta_recall(covered[kept], closest[kept], own),
            "coverage": float(covered[kept].mean()),
            "authenticity": float(authentic[kept].mean()),
        }

    return figures


def variety(d: Distances, real: Rows, other: Rows) -> Figures:
    """unique_rows_ratio, spread_ratio: distinct rows, and the mean distance to the nearest row of the same set, over
    the same of as many real rows. A mode that collapsed takes both towards 0."""
    numbered = [_numbered(rows) for rows in (real, other)]

    def figures(leave: int | None) -> dict[str, float]:
        kept = d.kept(leave)
        distinct, others = (len(np.unique(which[kept])) for which in numbered)
        near = [d.least(name, name, leave)[kept].mean() for name in ("real", "synthetic")]
        return {
            "unique_rows_ratio": others / distinct,
            "spread_ratio": float(near[1] / near[0]) if near[0] > 0 else float("nan"),
        }

    return figures


def _numbered(rows: Rows) -> Int[np.ndarray, "n"]:
    """Rows that are equal have the same number."""
    return np.unique(as_bytes(rows), return_inverse=True)[1].reshape(-1)
