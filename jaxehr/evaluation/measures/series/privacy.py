"""Nearness of synthetic courses to training patients, with held-out ones as the control.

One scaling, learnt on real training courses, serves every set; distances are what they are, ties are split, and each
figure is that of `measures.privacy` and `measures.membership`, of courses in the place of rows.
"""

from collections.abc import Mapping

import numpy as np

from jaxehr.evaluation.blocks.distances import Distances, measure
from jaxehr.evaluation.blocks.nearest import Rows, mixed_rows
from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.intervals import Estimate, jackknife
from jaxehr.evaluation.measures.membership import area, by_neighbour, true_positives
from jaxehr.evaluation.measures.privacy import EXCESSES, neighbours, with_exact_interval

ROWS = 2_000  # of each set: the time goes with its square
# Quantiles that stand for the range, so that one odd value does not hide all others.
WIDE = (0.01, 0.99)
ABSENT = 2.0  # what the engine of distances reads as missing


def distances(train: Series, synthetic: Series, holdout: Series, *, seed: int = 0) -> Distances:
    """Between as many courses of each set, in random order.

    Two courses are as far apart as their cells are in the mean (Gower): a difference over the range of the training
    patients, 1 at the most, and 1 where one is missing, or one has ended, and the other not.
    """
    n = min(len(train), len(synthetic), len(holdout), ROWS)
    rng = np.random.default_rng(seed)
    sets = {"real": train, "synthetic": synthetic, "holdout": holdout}
    some = {name: part.rows(rng.permutation(len(part))[:n]) for name, part in sets.items()}
    return measure(comparable_courses(some, train))


def comparable_courses(sets: Mapping[str, Series], scale: Series) -> dict[str, Rows]:
    """Courses as rows of the engine, scaled by what was measured of `scale`."""
    cells = scale.values.reshape(-1, scale.values.shape[2])
    ends = [np.quantile(x[~np.isnan(x)], WIDE) if (~np.isnan(x)).any() else (0, 1) for x in cells.T]
    low, high = np.array(ends).T
    width = np.where(high > low, high - low, 1.0)

    def rows(series: Series) -> Rows:
        scaled = np.clip((series.values - low) / width, 0, 1)
        numbers = np.where(series.observed, scaled, ABSENT).reshape(len(series), -1)
        return mixed_rows(numbers, np.zeros((len(series), 0), int), ())

    return {name: rows(series) for name, series in sets.items()}


def nearness(d: Distances) -> dict[str, Estimate]:
    """Figures of `privacy.neighbours`, nnaa_loss among them, and of membership by the calibrated nearest neighbour.

    Of d.of_fresh() it is their floor, of d.of_copies() the worst case. tpr_at_1pct is there from 1,000 others on.
    """
    found = jackknife(neighbours(d), d.groups)
    found |= {name: with_exact_interval(name, found[name], d) for name in EXCESSES}
    attack = by_neighbour(d)
    found["membership_auc"] = area(attack, d.groups)
    tpr = true_positives(attack, 0.01, d.groups)
    return found if tpr is None else {**found, "membership_tpr_at_1pct": tpr}
