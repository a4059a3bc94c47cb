"""Fidelity, all columns at once: can a classifier tell the sets apart, and do clusters hold as many of each?"""

import numpy as np

from jaxehr.evaluation.frames import Records
from jaxehr.evaluation.intervals import GROUPS, Estimate, auc, jackknife
from jaxehr.evaluation.learners import Features, Learner, boosting, linear, one_thread
from jaxehr.evaluation.nearest import groups_of

FOLDS = 3
CLUSTERS = 20
FEWEST_VALUES = 50  # of a number in both sets, or only whether it is missing is looked at


def detection(real: Records, other: Records, learner: Learner, seed: int) -> Estimate:
    """AUC of telling the sets apart, by 3-fold cross-validation: 0.5 is not at all."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = Features(real)
    y = np.repeat([0, 1], [len(real), len(other)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    if learner == "boosting":
        x = np.concatenate([features.boosting(real), features.boosting(other)])
        # Boosting refuses a column without a value, which a fold of a rare one may be: such hold the mark alone.
        rare = (~np.isnan(x)).sum(0) < FEWEST_VALUES
        x[:, rare] = ~np.isnan(x[:, rare])
        model = boosting(features, "classification", seed, max_iter=60)
    else:
        x = _stacked([features.linear(real), features.linear(other)])
        model = linear("classification", strength=0.1)
    with one_thread():
        p = cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]
    return auc(p[y == 1], p[y == 0])


def _stacked(parts: list):
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def log_cluster(real: np.ndarray, other: np.ndarray, seed: int) -> Estimate:
    """Log of the mean over 20 clusters of (share of real rows in it - share of real rows overall)^2: lower is better
    (Goncalves et al. 2020). The clusters are k-means of both sets together."""
    from sklearn.cluster import MiniBatchKMeans

    both = np.concatenate([real, other])
    k = min(CLUSTERS, len(both) // 10)
    with one_thread():
        model = MiniBatchKMeans(k, random_state=seed, n_init=3, batch_size=2048)
        cluster = model.fit_predict(both)
    inside = []
    for part in (cluster[: len(real)], cluster[len(real) :]):
        own = groups_of(len(part), GROUPS)
        inside.append(np.stack([np.bincount(part[own == g], minlength=k) for g in range(GROUPS)]))

    def of(leave: int | None) -> dict[str, float]:
        a, b = (np.delete(x, leave, 0) if leave is not None else x for x in inside)
        a, b = a.sum(0), b.sum(0)
        share = a / np.maximum(a + b, 1)
        apart = ((share - a.sum() / (a.sum() + b.sum())) ** 2).mean()
        return {"log_cluster": float(np.log(max(apart, 1e-12)))}

    return jackknife(of)["log_cluster"]
