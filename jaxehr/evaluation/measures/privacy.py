"""Privacy, by neighbours: are the synthetic records closer to the patients trained on than to other patients?

Each figure has its control in it: the same for as many real patients that were not trained on. A model can leak who
was in its data and pass all of these; see `membership` and, with the model at hand, the audit.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.distances import Distances
from jaxehr.evaluation.measures.intervals import Estimate, clopper_pearson
from jaxehr.evaluation.measures.proportions import newcombe

NEAR = 0.05  # a near copy is as near as the nearest 5% of held-out patients are to the training patients
Figures = Callable[[int | None], dict[str, float]]

EXCESSES = ("exact_copies_excess", "near_copies_excess", "lone_copies_excess")


def copying(d: Distances) -> Figures:
    """Figures of three sets of one size; ties are split.

    exact_copies_excess    P(d(S, R) = 0) - P(d(S, H) = 0)
    near_copies_excess     the same for d <= t, t the 5% quantile of d(H, R)
    lone_copies_excess     P(d(S, R) = 0, d(S, H) > c) - P(d(S, H) = 0, d(S, R) > c), c the median of d(H, H): copies of
                           patients like no other. Common records equal each other by chance, and would hide them
    share_closer_to_train  P(d(S, R) < d(S, H))
    """

    def figures(leave: int | None) -> dict[str, float]:
        kept = d.kept(leave)
        copied = {name: copies(d, name, leave) for name in EXCESSES}
        excess = {name: float(a[kept].mean() - b[kept].mean()) for name, (a, b) in copied.items()}
        to_real, to_held = (d.least("synthetic", x, leave)[kept] for x in ("real", "holdout"))
        return {**excess, "share_closer_to_train": below(to_real, to_held)}

    return figures


def copies(d: Distances, name: str, leave: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Which synthetic rows are copies of that kind of a training row, and of a held-out one."""
    to_real, to_held = (d.least("synthetic", x, leave) for x in ("real", "holdout"))
    if name == "lone_copies_excess":
        c = np.median(d.least("holdout", "holdout"))
        return (to_real == 0) & (to_held > c), (to_held == 0) & (to_real > c)
    most = 0.0 if name == "exact_copies_excess" else _near(d)
    return to_real <= most, to_held <= most


def with_exact_interval(name: str, estimate: Estimate, d: Distances) -> Estimate:
    """Without any copy there is nothing to jackknife: the interval of the difference of two shares is the least.

    Lone copies are so rare that they are independent: of those of either kind, half are of training patients by chance
    (Clopper-Pearson). The jackknife counts what is left out of two sets twice, and would see half as much.
    """
    of_real, of_held = copies(d, name)
    a, b = int(of_real.sum()), int(of_held.sum())
    if name == "lone_copies_excess":
        if not a + b:
            return Estimate(estimate.value, -3 / d.n, 3 / d.n)  # rule of three
        low, high = ((2 * x - 1) * (a + b) / d.n for x in clopper_pearson(a, a + b))
        return Estimate(estimate.value, low, high)
    low, high = newcombe(a, d.n, b, d.n)
    return Estimate(estimate.value, min(estimate.low, low), max(estimate.high, high))


def losses(d: Distances) -> Figures:
    """What the real rows tell, held out against trained on.

    nnaa_loss             nearest-neighbour adversarial accuracy AA(H, S) - AA(R, S), with
                          AA(T, S) = (P(d(T, S) > d(T, T)) + P(d(S, T) > d(S, S))) / 2 (Yale et al. 2020)
    identifiability_loss  P(d(R, S) < d(R, R)) - P(d(H, S) < d(H, H)) (Yoon et al. 2020), each of its own set
    """

    def figures(leave: int | None) -> dict[str, float]:
        kept = d.kept(leave)
        least = lambda a, b: d.least(a, b, leave)[kept]
        return {
            "nnaa_loss": _accuracy(least, "holdout") - _accuracy(least, "real"),
            "identifiability_loss": below(least("real", "synthetic"), least("real", "real"))
            - below(least("holdout", "synthetic"), least("holdout", "holdout")),
        }

    return figures


def neighbours(d: Distances) -> Figures:
    """Both of the above."""
    first, second = copying(d), losses(d)
    return lambda leave: {**first(leave), **second(leave)}


def _near(d: Distances) -> float:
    """Beyond an exact copy even where more than 5% of held-out patients equal a training patient."""
    to_real = d.least("holdout", "real")
    apart = to_real[to_real > 0]
    return float(max(np.quantile(to_real, NEAR), apart.min(initial=np.inf)))


def _accuracy(least: Callable[[str, str], np.ndarray], real: str) -> float:
    """Nearest-neighbour adversarial accuracy: 0.5 where the sets cannot be told apart."""
    return (
        below(least(real, real), least(real, "synthetic"))
        + below(least("synthetic", "synthetic"), least("synthetic", real))
    ) / 2


def below(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> float:
    """P(a < b), ties split."""
    return float((a < b).mean() + (a == b).mean() / 2)
