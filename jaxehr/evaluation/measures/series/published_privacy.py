"""Nearness to training patients as TIMEDIFF's code has it (Tian et al. 2024), for comparison with published figures.

Both scale each set by itself, so that a copy of a training course lies apart from it as soon as the sets differ in mean
or range, and one synthetic value far out moves all others. Judge by `series.privacy`, which scales once.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.series.scaling import EPS, filled

TILE = 1000  # rows whose distances are held at once
THRESHOLD = 0.1


class Accuracy(NamedTuple):
    """Nearest-neighbour adversarial accuracies: 0.5 where sets cannot be told, below where they are too near.

    loss    |test - train|
    """

    loss: float
    test: float
    train: float


def adversarial_accuracy(
    train: Series, synthetic: Series, test: Series, *, seed: int = 0
) -> Accuracy:
    """AA(T) = mean of (1[d(T, S) > d(T, T)] + 1[d(S, T) > d(S, S)]) / 2, of as many rows of each set as `test` has, by
    squared Euclid of flattened courses, each set standardised by itself, -1 for what is missing.

    Training and synthetic rows are drawn anew so often that all would be once: AA is the mean of the draws. Their
    courses have the label as a last variable. Raises ValueError where there are fewer synthetic or training rows than
    test rows.
    """
    real, other, held = _cells(train, synthetic, test, _standard)
    n, rng = len(held), np.random.default_rng(seed)
    draws = 1 if len(real) == n else -(-len(real) // n)
    some = lambda rows: rows[rng.permutation(len(rows))[:n]]
    on_train = np.mean([_accuracy(some(real), some(other)) for _ in range(draws)])
    on_test = np.mean([_accuracy(held, some(other)) for _ in range(draws)])
    return Accuracy(float(abs(on_test - on_train)), float(on_test), float(on_train))


def membership_risk(
    train: Series,
    synthetic: Series,
    test: Series,
    *,
    threshold: float = THRESHOLD,
    seed: int = 0,
) -> float:
    """F1 of telling training patients from as many others by whether the nearest synthetic course is within 0.1.

    Values are scaled by each set's own range, and then the distances again, the training patients' and the others' each
    by their own. Telling everyone a member scores 2/3. Where every training patient is copied only rounding is left to
    scale, and the figure is as good as 0. Raises ValueError as above.
    """
    real, other, held = _cells(train, synthetic, test, _ranged)
    rng = np.random.default_rng(seed)
    members, drawn = (rows[rng.permutation(len(rows))[: len(held)]] for rows in (real, other))
    near = [_over_range(_nearest(rows, drawn)) <= threshold for rows in (members, held)]
    hits, false = near[0].sum(), near[1].sum()
    return float(hits / (hits + (false + len(held) - hits) / 2))


def _cells(
    train: Series,
    synthetic: Series,
    test: Series,
    scaled: Callable[[np.ndarray], np.ndarray],
) -> list[Float[np.ndarray, "n cell"]]:
    """The courses of each set flattened, scaled by itself. Raises ValueError for fewer than there are in `test`."""
    for name, part in (("training", train), ("synthetic", synthetic)):
        if len(part) < len(test):
            raise ValueError(
                f"as many {name} patients as test patients are wanted, {len(test):,}; got {len(part):,}: "
                "draw more, or test on fewer"
            )
    return [scaled(filled(part)).reshape(len(part), -1) for part in (train, synthetic, test)]


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean((0, 1))) / (x.std((0, 1)) + EPS)


def _ranged(x: np.ndarray) -> np.ndarray:
    low = x.min((0, 1))
    return (x - low) / (x.max((0, 1)) - low + EPS)


def _over_range(distance: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # 0 / 0 is nobody's member, as theirs has it
        return (distance - distance.min()) / (distance.max() - distance.min())


def _accuracy(real: np.ndarray, other: np.ndarray) -> float:
    return float(
        np.mean(_nearest(real, other) > _nearest(real, real, itself=True)) / 2
        + np.mean(_nearest(other, real) > _nearest(other, other, itself=True)) / 2
    )


def _nearest(
    rows: np.ndarray, others: np.ndarray, *, itself: bool = False
) -> Float[np.ndarray, "n"]:
    """Squared distance to the nearest of the others; of a set to itself, to the nearest but one."""
    found, squares = [], (others**2).sum(1)
    for tile in np.array_split(rows, -(-len(rows) // TILE)):
        distance = (tile**2).sum(1)[:, None] + squares - 2 * tile @ others.T
        found.append(np.partition(distance, int(itself), axis=1)[:, int(itself)])
    return np.concatenate(found)
