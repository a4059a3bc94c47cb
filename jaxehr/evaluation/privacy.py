"""Privacy: are the synthetic records closer to the patients trained on than to other patients?

Smoke tests, both: they catch copies and near copies. A model can leak membership and pass them.
"""

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.frames import Bits, Records, Table
from jaxehr.evaluation.nearest import gower_nearest, hamming_nearest


def nearest(rows: Records, others: Records, scale: Records) -> Float[np.ndarray, "n"]:
    """Distance to the nearest other row: differing bits for codes, Gower's distance for tables.

    scale   the records whose range makes numbers comparable
    """
    if isinstance(rows, Bits) and isinstance(others, Bits):
        return hamming_nearest(rows.bits, others.bits)
    assert isinstance(rows, Table) and isinstance(others, Table) and isinstance(scale, Table)
    low = np.nanmin(scale.numbers, axis=0, initial=np.inf)
    span = np.nanmax(scale.numbers, axis=0, initial=-np.inf) - low
    scaled = [_scaled(table.numbers, low, span) for table in (rows, others)]
    return gower_nearest(scaled[0], rows.labels, scaled[1], others.labels)


def _scaled(numbers: np.ndarray, low: np.ndarray, span: np.ndarray) -> np.ndarray:
    """In [0, 1]; a missing value is as far from any other as can be: 2, clipped to a distance of 1 by the kernel."""
    scaled = np.clip((numbers - low) / np.where(span > 0, span, 1.0), 0, 1)
    return np.where(np.isnan(numbers), 2.0, scaled)


def copying(
    synthetic: Records, train: Records, holdout: Records, scale: Records
) -> dict[str, float]:
    """Against as many real patients that were not trained on.

    share_closer_to_train   P(d_train < d_holdout) + P(equal) / 2; 0.5 is no preference
    exact_copies_excess     P(d_train = 0) - P(d_holdout = 0)
    Raises ValueError if the two real sets differ in size: the larger would always be nearer.
    """
    if len(train) != len(holdout):
        raise ValueError(f"sets of one size are wanted; got {len(train)} and {len(holdout)} rows")
    to_train = nearest(synthetic, train, scale)
    to_holdout = nearest(synthetic, holdout, scale)
    ties = (to_train == to_holdout).mean()
    return {
        "share_closer_to_train": float((to_train < to_holdout).mean() + ties / 2),
        "exact_copies_excess": float((to_train == 0).mean() - (to_holdout == 0).mean()),
    }
