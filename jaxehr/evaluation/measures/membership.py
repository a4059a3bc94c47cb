"""Membership inference: from scores of patients, higher for those more likely trained on, how well are they told apart?

The scores may come from the synthetic records alone (below), or from a model's losses (jaxehr.audit).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.distances import Distances
from jaxehr.evaluation.blocks.nearest import Rows, groups_of, log_kernel
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, clopper_pearson, jackknife

FALSE_POSITIVES = 10  # a false positive rate is measured where at least so many are expected
DELTA = 1e-5


class Scores(NamedTuple):
    """Of patients trained on, and of others."""

    members: Float[np.ndarray, "n"]
    others: Float[np.ndarray, "m"]


Attack = Callable[[int | None], Scores]  # (g) -> scores without the patients of group g


def given(scores: Scores, seed: int = 0) -> Attack:
    """An attack whose scores are known one by one, such as losses: groups are taken at random."""
    rng = np.random.default_rng(seed)
    own = [rng.permutation(groups_of(len(part), GROUPS)) for part in scores]

    def of(leave: int | None) -> Scores:
        if leave is None:
            return scores
        return Scores(*(part[group != leave] for part, group in zip(scores, own, strict=True)))

    return of


def area(attack: Attack, groups: int = GROUPS) -> Estimate:
    """AUC, ties split; 0.5 is no better than chance."""
    return jackknife(lambda leave: {"auc": _area(attack(leave))}, groups)["auc"]


def _area(scores: Scores) -> float:
    from scipy.stats import rankdata

    n, m = len(scores.members), len(scores.others)
    ranks = rankdata(np.concatenate(scores))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def true_positives(attack: Attack, rate: float, groups: int = GROUPS) -> Estimate | None:
    """Share of members found where a share `rate` of the others are taken for members; None where too few others are
    there to measure that.

    The interval is the wider of the exact one for the threshold found, and of the jackknife's, which moves it.
    """
    scores = attack(None)
    if rate * len(scores.others) < FALSE_POSITIVES:
        return None
    found = jackknife(lambda leave: {"tpr": _found(attack(leave), rate)}, groups)["tpr"]
    n = len(scores.members)
    hits = found.value * n
    low, _ = clopper_pearson(int(np.floor(hits)), n)
    _, high = clopper_pearson(int(np.ceil(hits)), n)
    return Estimate(found.value, min(max(found.low, 0.0), low), max(found.high, high))


def _found(scores: Scores, rate: float) -> float:
    """Of patients at the threshold as many are taken as the rate still allows: scores of codes have many ties."""
    members, others = scores
    threshold = np.sort(others)[::-1][int(np.ceil(rate * len(others))) - 1]
    above, at = (others > threshold).sum(), (others == threshold).sum()
    part = (rate * len(others) - above) / at
    return float((members > threshold).mean() + part * (members == threshold).mean())


def epsilon_bound(scores: Scores, seed: int, *, delta: float = DELTA) -> float | None:
    """A lower bound, at 95%, of the epsilon of whatever made the scores; None with fewer than 200 on either side.

    An (epsilon, delta)-private mechanism has ln((TPR - delta) / FPR) <= epsilon at every threshold. The threshold is
    chosen on one half of the patients; on the other half Clopper-Pearson bounds TPR from below and FPR from above.
    0 is absence of evidence by this attack, not proof of privacy.
    """
    if min(len(scores.members), len(scores.others)) < 200:
        return None
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(x), 2) for x in scores]
    chosen, asked = ([half[i] for half in halves] for i in (0, 1))
    candidates = np.unique(np.quantile(np.concatenate(chosen), np.linspace(0, 1, 201)))
    best = max(candidates, key=lambda c: _bound(chosen, c, delta))
    return max(_bound(asked, best, delta), 0.0)


def _bound(halves: list[np.ndarray], threshold: float, delta: float) -> float:
    members, others = halves
    hits, false = int((members > threshold).sum()), int((others > threshold).sum())
    # 95% for both bounds together
    low, _ = clopper_pearson(hits, len(members))
    _, high = clopper_pearson(false, len(others))
    return float(np.log(max(low - delta, 1e-12) / max(high, 1e-12)))


def by_neighbour(d: Distances) -> Attack:
    """Calibrated nearest neighbour: how much nearer a synthetic row is than a row of a reference population.

    The reference is the half of the holdout that the patient is not in; the members are scored against both halves.
    """
    to_synthetic = {name: d.between[name, "synthetic"].distance for name in PATIENTS}
    to_holdout = {name: d.between[name, "holdout"].distance for name in PATIENTS}
    return _calibrated(d, to_synthetic, to_holdout, lambda part: -part.min(1))


def by_kernel(rows: dict[str, Rows], d: Distances) -> Attack:
    """DOMIAS (van Breugel et al. 2023): log density of the synthetic rows over that of a reference population, both by
    the kernel exp(-d / h), h a quarter of the mean distance of held-out rows to their nearest; reference as above."""
    near = d.least("holdout", "holdout")
    h = max(float(near[np.isfinite(near)].mean()) / 4, 1e-3)
    density = lambda name, others: log_kernel(rows[name], rows[others], h, groups=d.groups)
    to_synthetic = {name: density(name, "synthetic") for name in PATIENTS}
    to_holdout = {name: density(name, "holdout") for name in PATIENTS}
    mean = lambda part: np.logaddexp.reduce(part, axis=1) - np.log(part.shape[1])
    return _calibrated(d, to_synthetic, to_holdout, mean)


def _calibrated(d: Distances, to_synthetic: dict, to_holdout: dict, nearness: Callable) -> Attack:
    """Nearness to the synthetic rows less that to the half of the holdout that the patient is not in."""
    half, own = d.groups // 2, groups_of(d.n, d.groups)

    def of(leave: int | None) -> Scores:
        group = np.arange(d.groups)
        left = group != (-1 if leave is None else leave)
        first, second = left & (group < half), left & (group >= half)
        scored = []
        for name in PATIENTS:
            by = [nearness(to_holdout[name][:, part]) for part in (first, second)]
            score = nearness(to_synthetic[name][:, left]) - np.where(own >= half, *by)
            scored.append(score[d.kept(leave)])
        return Scores(*scored)

    return of


PATIENTS = ("real", "holdout")
