"""Fidelity, column by column and code by code: do synthetic records have the frequencies of real ones?

Every function here returns figures of (real, other) by name, cheap enough to be taken again without each group.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS

MIN_PATIENTS = 5  # below it, whether a code appears again is chance
BANDS = {"rare": (0.0, 0.01), "medium": (0.01, 0.1), "common": (0.1, 1.01)}
Figures = Callable[[int | None], dict[str, float]]


def prevalence(real: Blocks, other: Blocks) -> Figures:
    """Frequencies of codes, and codes per patient.

    prevalence_pearson, _spearman, _slope   of code prevalences (Choi et al. 2017, dimension-wise probability)
    prevalence_gap              mean absolute difference (Yan et al. 2022, dimension-wise distribution)
    log_odds_gap[_rare, ...]    mean absolute difference of log odds, half a patient added to each side; by the band of
                                the real prevalence: below 1%, to 10%, above
    codes_present               share of the codes with 5 real patients that appear at all
    rare_codes_kept             of those below 1%, the share between half and twice as frequent
    codes_per_patient           mean
    codes_per_patient_distance  Wasserstein-1 of its distribution
    """
    of_real, of_other = _CodeSums(real), _CodeSums(other)
    # Which codes are asked, and which are rare, is settled by all real patients.
    whole = real.counts
    asked, share = whole >= min(MIN_PATIENTS, whole.max()), whole / len(real)
    rare = asked & (share < BANDS["rare"][1])

    def figures(leave: int | None) -> dict[str, float]:
        n, counts, lengths = of_real.without(leave)
        m, found, other_lengths = of_other.without(leave)
        p, q = counts / n, found / m
        gap = np.abs(log_odds(counts, n) - log_odds(found, m))
        kept = (q >= p / 2) & (q <= 2 * p)
        bands = {
            f"log_odds_gap_{name}": mean(gap[asked & (share >= low) & (share < high)])
            for name, (low, high) in BANDS.items()
        }
        return {
            **_agreement(p, q),
            "prevalence_gap": mean(np.abs(p - q)),
            "log_odds_gap": mean(gap[asked]),
            **bands,
            "codes_present": mean(q[asked] > 0),
            "rare_codes_kept": mean(kept[rare]),
            "codes_per_patient": float(other_lengths @ np.arange(len(other_lengths)) / m),
            "codes_per_patient_distance": _wasserstein(lengths / n, other_lengths / m),
        }

    return figures


class _CodeSums:
    """Patients, patients of each code, and patients by their number of codes, in each group."""

    def __init__(self, records: Blocks):
        own, width = groups_of(len(records), GROUPS), len(records.codes) + 1
        lengths = records.bits.sum(1, dtype=int)
        parts = [own == g for g in range(GROUPS)]
        self.n = np.array([part.sum() for part in parts])
        self.counts = np.stack([records.bits[part].sum(0, dtype=int) for part in parts])
        self.lengths = np.stack([np.bincount(lengths[part], minlength=width) for part in parts])

    def without(self, leave: int | None) -> tuple[float, np.ndarray, np.ndarray]:
        parts = (self.n, self.counts, self.lengths)
        left = [part if leave is None else np.delete(part, leave, axis=0) for part in parts]
        n, counts, lengths = (part.sum(0).astype(float) for part in left)
        return max(float(n), 1.0), counts, lengths


def _agreement(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    from scipy.stats import spearmanr

    names = ("prevalence_pearson", "prevalence_spearman", "prevalence_slope")
    if len(p) < 2 or p.std() == 0:
        return dict.fromkeys(names, float("nan"))
    if q.std() == 0:
        return dict.fromkeys(names, 0.0)
    found = np.corrcoef(p, q)[0, 1], spearmanr(p, q).statistic, np.polyfit(p, q, 1)[0]
    return dict(zip(names, map(float, found), strict=True))


def log_odds(counts: np.ndarray, n: float) -> np.ndarray:
    return np.log((counts + 0.5) / (n - counts + 0.5))


def _wasserstein(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(np.cumsum(p - q)).sum())


def mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if np.size(values) else float("nan")


def shapes(real: Blocks, other: Blocks) -> Figures:
    """shape_error: the mean over columns of the distance of their distributions, in [0, 1]."""
    tables = (real.static, other.static)

    def figures(leave: int | None) -> dict[str, float]:
        return {"shape_error": mean(np.array(list(shape_errors(*left(leave, *tables)).values())))}

    return figures


def unseen(real: Blocks, other: Blocks) -> Figures:
    """unseen_values: the share of the others' labels that no real row has, such as "female" beside "f"."""
    own = groups_of(len(other), GROUPS)
    parts = (strangers(real, other), other.labels > 0)
    sums = np.stack([np.bincount(own, part.sum(1), GROUPS) for part in parts])

    def figures(leave: int | None) -> dict[str, float]:
        strange, all_ = (sums if leave is None else np.delete(sums, leave, 1)).sum(1)
        return {"unseen_values": float(strange / all_) if all_ else 0.0}

    return figures


def strangers(real: Blocks, other: Blocks) -> Bool[np.ndarray, "n q"]:
    """Which labels of the others no real row has; a missing one is none."""
    pairs = zip(real.labels.T, other.labels.T, strict=True)
    columns = [~np.isin(b, a) & (b > 0) for a, b in pairs]
    return np.stack(columns, 1) if columns else np.zeros(other.labels.shape, bool)


def left(leave: int | None, *sets: Blocks) -> tuple[Blocks, ...]:
    """The sets without their rows of a group."""
    if leave is None:
        return sets
    return tuple(x.rows(np.nonzero(groups_of(len(x), GROUPS) != leave)[0]) for x in sets)


def shape_errors(real: Blocks, other: Blocks) -> dict[str, float]:
    """For each column the distance of its distributions, in [0, 1].

    Numbers: Kolmogorov-Smirnov. Labels: total variation. A missing value counts as a value of its own.
    """
    errors = {}
    for j, name in enumerate(real.number_names):
        errors[name] = kolmogorov_smirnov(real.numbers[:, j], other.numbers[:, j])
    for j, name in enumerate(real.label_names):
        errors[name] = total_variation(real.labels[:, j], other.labels[:, j])
    return errors


def kolmogorov_smirnov(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "m"]) -> float:
    """The largest gap of the two distribution functions; missing values lie below all others."""
    a, b = (np.sort(np.where(np.isnan(x), -np.inf, x)) for x in (a, b))
    points = np.concatenate([a, b])
    below_a = np.searchsorted(a, points, side="right") / len(a)
    below_b = np.searchsorted(b, points, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of the differences in frequency, for whole numbers from 0."""
    k = int(max(a.max(), b.max())) + 1
    p, q = np.bincount(a, minlength=k) / len(a), np.bincount(b, minlength=k) / len(b)
    return float(np.abs(p - q).sum() / 2)
