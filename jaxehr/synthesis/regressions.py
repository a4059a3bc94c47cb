"""What numbers say of each other in the records, pair by pair: where a network starts, instead of learning it step by
step.

Each number is regressed on features of each other, by least squares over the rows that have both. Two numbers that are
nearly functions of each other are so from the first step on. What is kept of a pair is a few coefficients, of no fewer
than ROWS[0] patients.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxehr.networks.numbers import FEATURES, LITTLE, Numbers, Pairs, Scales, features

ROWS = 100, 5_000  # of a pair, or nothing is said of it; of all that are looked at
RIDGE, SHRINK = 1.0, 30.0  # added to the normal equations; rows that say there is nothing
FINEST = 0.01  # the least standard deviation about a regression


def regressions(numbers: Numbers, x: Int[np.ndarray, "row column"], seed: int = 0) -> Pairs:
    """Of the cells of records side by side, all of them seen."""
    p, scales = len(numbers.coarse), Scales.of(numbers)
    pairs = Pairs.none(p)
    some = np.random.default_rng(seed).permutation(len(x))[: ROWS[1]]
    z, on, _ = (np.asarray(part, float) for part in scales.places(jnp.asarray(x[some])))
    f = np.concatenate([np.asarray(features(jnp.asarray(z)), float), np.ones((*z.shape, 1))], -1)
    for k in range(p):
        both = on * on[:, [k]]
        n = both.sum(0)
        normal = np.einsum("na,nj,nb->jab", f[:, k], both, f[:, k], optimize=True)
        right = np.einsum("na,nj->ja", f[:, k], both * z)
        slope = np.linalg.solve(normal + RIDGE * np.eye(FEATURES + 1), right[..., None])[..., 0]
        said = np.flatnonzero((n >= ROWS[0]) & (np.arange(p) != k))
        for j in said:
            at = both[:, j] > 0
            gap = np.abs(z[at, j] - f[at, k] @ slope[j])
            spread = max(1.4826 * np.median(gap), 0.5 * np.sqrt(np.mean(gap**2)), FINEST)
            gain = (1 / spread**2 - 1 / max(z[at, j].var(), FINEST)) * (1 - SHRINK / n[j])
            pairs.mean[k, :, j] = slope[j]
            pairs.log_gain[k, j] = np.log(max(gain, LITTLE))
            steep = np.cov(z[at, k], z[at, j])[0, 1] / max(z[at, k].var(), FINEST)
            pairs.log_slope[k, j] = np.log(max(abs(steep), FINEST))
    return pairs
