"""Utility of series: is a model of an outcome that learnt from synthetic courses as good on real ones as one of real?

Pairs are named as in `measures.utility`: tstr is trained on synthetic and tested on real courses, trtr on real ones,
tsrtr on both. Two learners: boosting on summaries of a course, and a recurrent network on the course itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.blocks.series import Series, summaries, together
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, jackknife
from jaxehr.evaluation.measures.learners import area_under_curve, one_thread
from jaxehr.evaluation.measures.series import gru
from jaxehr.evaluation.measures.series.post_hoc import BATCH, entropy, odds
from jaxehr.evaluation.measures.series.scaling import by_train

HIDDEN = 32
EPOCHS, LEAST = 15, 300  # batches: of more a network of this size learns its patients by heart


class Patients(NamedTuple):
    """Courses, and who has the outcome."""

    series: Series
    outcome: Bool[np.ndarray, "n"]


# (learn from, test, real patients to scale by, seeds, first seed) -> a score of each patient tested on, by each seed
Learner = Callable[[Patients, Series, Series, int, int], Float[np.ndarray, "seed n"]]


def pairings(
    train: Patients,
    synthetic: Patients,
    test: Patients,
    learner: Learner,
    *,
    seeds: int = 3,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, "seed n"]]:
    """Scores of the patients of `test`, by tstr, trtr and tsrtr.

    As many synthetic courses as real ones are learnt from, and of tsrtr both. The floor of tstr is the same with other
    real patients in the place of synthetic ones.
    """
    n = min(len(train.outcome), len(synthetic.outcome))
    real, other = some(train, n, seed), some(synthetic, n, seed)
    learn = lambda part: learner(part, test.series, train.series, seeds, seed)
    return {"tstr": learn(other), "trtr": learn(real), "tsrtr": learn(both(real, other))}


def added(
    train: Patients,
    synthetic: Patients,
    test: Patients,
    learner: Learner,
    share: float,
    *,
    seeds: int = 3,
    seed: int = 0,
) -> Float[np.ndarray, "seed n"]:
    """TIMEDIFF's TSRTR: to all real patients so many synthetic ones are added that they are that share of all.

    Raises ValueError where there are too few synthetic ones.
    """
    wanted = int(share * len(train.outcome) / (1 - share))
    if wanted > len(synthetic.outcome):
        have = len(synthetic.outcome)
        raise ValueError(
            f"a share of {share:g} wants {wanted:,} synthetic patients beside {len(train.outcome):,} real ones; "
            f"got {have:,}: draw more, or ask for a share of {have / (have + len(train.outcome)):.2f} at most"
        )
    learnt = both(train, some(synthetic, wanted, seed))
    return learner(learnt, test.series, train.series, seeds, seed)


def some(patients: Patients, n: int, seed: int) -> Patients:
    rows = np.random.default_rng(seed).permutation(len(patients.outcome))[:n]
    return Patients(patients.series.rows(rows), patients.outcome[rows])


def both(a: Patients, b: Patients) -> Patients:
    return Patients(together(a.series, b.series), np.concatenate([a.outcome, b.outcome]))


def areas(
    outcome: Bool[np.ndarray, "n"], scores: Float[np.ndarray, "seed n"]
) -> Float[np.ndarray, "seed"]:
    """AUROC of each seed: its spread is what training by chance adds."""
    return np.array([area_under_curve(outcome, score) for score in scores])


def estimates(
    outcome: Bool[np.ndarray, "n"], scores: dict[str, Float[np.ndarray, "seed n"]]
) -> dict[str, Estimate]:
    """AUROC of each pairing, mean over seeds, with an interval over the patients tested on; tstr_gap is trtr - tstr."""
    own = np.random.default_rng(0).permutation(groups_of(len(outcome), GROUPS))

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        found = {
            name: float(areas(outcome[kept], part[:, kept]).mean()) for name, part in scores.items()
        }
        return {**found, "tstr_gap": found["trtr"] - found["tstr"]}

    return jackknife(of)


def features(series: Series) -> Float[np.ndarray, "n feature"]:
    """Of each variable the first, last, mean, least and greatest value, their deviation, and the share of steps that it
    is measured at; then the length. NaN where nothing was measured, which boosting reads."""
    found, lengths = summaries(series), series.lengths[:, None]
    often = found.pop("measured") / lengths
    return np.concatenate([*found.values(), often, lengths], axis=1).astype(np.float32)


def boosting(
    learnt: Patients, test: Series, scale: Series, seeds: int, seed: int
) -> Float[np.ndarray, "seed n"]:
    """Gradient boosting on summaries; each split is of three features in ten, by seed."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, asked = features(learnt.series), features(test)
    x[:, np.isnan(x).all(0)] = 0  # which boosting refuses: a column without a value
    found = []
    with one_thread():
        for i in range(seeds):
            model = HistGradientBoostingClassifier(
                max_leaf_nodes=15, max_features=0.3, early_stopping=False, random_state=seed + i
            )
            found.append(model.fit(x, learnt.outcome).decision_function(asked))
    return np.stack(found)


def recurrent(
    learnt: Patients,
    test: Series,
    scale: Series,
    seeds: int,
    seed: int,
    *,
    hidden: int = HIDDEN,
) -> Float[np.ndarray, "seed n"]:
    """A network that reads values and what is missing, and says at the end of a course; in batches of 128."""
    if len(np.unique(learnt.outcome)) < 2:
        return np.zeros((seeds, len(test)))  # one class teaches nothing
    a, b = by_train(learnt.series, test, scale)
    rng, x = np.random.default_rng(seed), a.inputs()
    rows, iterations = np.arange(len(x)), max(EPOCHS * len(x) // BATCH, LEAST)
    order = np.stack([gru.batches(rng, rows, iterations, BATCH) for _ in range(seeds)])
    first = gru.init(rng, gru.Shape(x.shape[2], hidden, 1), seeds)
    data = (x, a.lengths.astype(np.int32), learnt.outcome.astype(np.float32))
    params = gru.trained(entropy, first, data, order)
    asked = np.tile(np.arange(len(test)), (seeds, 1))
    return odds(params, b.inputs(), b.lengths.astype(np.int32), asked)
