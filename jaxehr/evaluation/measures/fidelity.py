"""Fidelity, column by column and pair by pair: do synthetic records have the frequencies and relations of real ones?

Every function here returns figures of (real, other) by name, cheap enough to be taken again without each group.

What is asked is settled by the real records. Where the others have nothing to answer with, a column that is constant or
missing throughout, or a code that nobody has, their relation is 0: it counts against them, and is not left out.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from jaxehr.evaluation.blocks.frames import Bits, Table
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS
from jaxehr.evaluation.measures.pairs import (
    EXPECTED,
    PairCounts,
    correlation,
    frequent,
    one_hot,
    phi,
    variation,
)

MIN_PATIENTS = 5  # below it, whether a code appears again is chance
BANDS = {"rare": (0.0, 0.01), "medium": (0.01, 0.1), "common": (0.1, 1.01)}
Figures = Callable[[int | None], dict[str, float]]


def prevalence(real: Bits, other: Bits) -> Figures:
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
    whole = real.bits.sum(0, dtype=int)
    asked, share = whole >= min(MIN_PATIENTS, whole.max()), whole / len(real)
    rare = asked & (share < BANDS["rare"][1])

    def figures(leave: int | None) -> dict[str, float]:
        n, counts, lengths = of_real.without(leave)
        m, found, other_lengths = of_other.without(leave)
        p, q = counts / n, found / m
        gap = np.abs(log_odds(counts, n) - log_odds(found, m))
        kept = (q >= p / 2) & (q <= 2 * p)
        bands = {
            f"log_odds_gap_{name}": _mean(gap[asked & (share >= low) & (share < high)])
            for name, (low, high) in BANDS.items()
        }
        return {
            **_agreement(p, q),
            "prevalence_gap": _mean(np.abs(p - q)),
            "log_odds_gap": _mean(gap[asked]),
            **bands,
            "codes_present": _mean(q[asked] > 0),
            "rare_codes_kept": _mean(kept[rare]),
            "codes_per_patient": float(other_lengths @ np.arange(len(other_lengths)) / m),
            "codes_per_patient_distance": _wasserstein(lengths / n, other_lengths / m),
        }

    return figures


class _CodeSums:
    """Patients, patients of each code, and patients by their number of codes, in each group."""

    def __init__(self, records: Bits):
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


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if np.size(values) else float("nan")


def code_pairs(real: Bits, other: Bits) -> Figures:
    """Relations of the 500 most frequent codes, by phi, the correlation of 0/1 columns.

    pair_gap                mean |phi - phi'| over pairs that 5 real patients would have by chance
    pair_pearson            correlation of phi and phi' over the same pairs
    correlation_difference  Frobenius norm of the difference of the correlation matrices (PCD, Goncalves et al. 2020)
    """
    codes = frequent(real)
    r, s = (PairCounts.of(records.bits[:, codes]) for records in (real, other))
    above = np.triu_indices(len(codes), 1)
    p = np.diag(r.share())
    asked = (np.outer(p, p) * len(real))[above] >= EXPECTED

    def figures(leave: int | None) -> dict[str, float]:
        a, b = (np.nan_to_num(phi(counts.share(leave))) for counts in (r, s))
        x, y = a[above][asked], b[above][asked]
        return {
            "pair_gap": _mean(np.abs(x - y)),
            "pair_pearson": _pearson(x, y) if len(x) > 2 else float("nan"),
            "correlation_difference": float(np.linalg.norm(a - b)),
        }

    return figures


def _pearson(real: np.ndarray, other: np.ndarray) -> float:
    """0 where only the others do not vary."""
    if real.std() == 0:
        return float("nan")
    return float(np.corrcoef(real, other)[0, 1]) if other.std() > 0 else 0.0


def shapes(real: Table, other: Table) -> Figures:
    """shape_error: the mean over columns of the distance of their distributions, in [0, 1]."""

    def figures(leave: int | None) -> dict[str, float]:
        return {
            "shape_error": _mean(np.array(list(shape_errors(*_left(leave, real, other)).values())))
        }

    return figures


def unseen(real: Table, other: Table) -> Figures:
    """unseen_values: the share of the others' labels that no real row has, such as "female" beside "f"."""
    own = groups_of(len(other), GROUPS)
    parts = (strangers(real, other), other.labels > 0)
    sums = np.stack([np.bincount(own, part.sum(1), GROUPS) for part in parts])

    def figures(leave: int | None) -> dict[str, float]:
        strange, all_ = (sums if leave is None else np.delete(sums, leave, 1)).sum(1)
        return {"unseen_values": float(strange / all_) if all_ else 0.0}

    return figures


def strangers(real: Table, other: Table) -> Bool[np.ndarray, "n q"]:
    """Which labels of the others no real row has; a missing one is none."""
    pairs = zip(real.labels.T, other.labels.T, strict=True)
    columns = [~np.isin(b, a) & (b > 0) for a, b in pairs]
    return np.stack(columns, 1) if columns else np.zeros(other.labels.shape, bool)


def _left(leave: int | None, *sets):
    if leave is None:
        return sets
    return tuple(x.rows(np.nonzero(groups_of(len(x), GROUPS) != leave)[0]) for x in sets)


def shape_errors(real: Table, other: Table) -> dict[str, float]:
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


def trends(real: Table, other: Table) -> Figures:
    """Relations of columns.

    trend_error             mean over pairs of the first of `relations`
    correlation_difference  Frobenius norm of the second
    """
    of = relations(real, other)
    below = np.tril_indices(len(real.number_names) + len(real.label_names), -1)

    def figures(leave: int | None) -> dict[str, float]:
        gaps, apart = of(leave)
        found = gaps[below]
        related = np.isfinite(apart).sum() > np.isfinite(np.diag(apart)).sum()
        norm = float(np.linalg.norm(np.nan_to_num(apart)))
        return {
            "trend_error": _mean(found[np.isfinite(found)]),
            "correlation_difference": norm if related else float("nan"),
        }

    return figures


def relations(
    real: Table, other: Table
) -> Callable[[int | None], tuple[Float[np.ndarray, "column column"], Float[np.ndarray, "p p"]]]:
    """For each pair of columns the distance of their relations, in [0, 1], and r - r' for two numbers.

    The distance is |r - r'| / 2 for two numbers, over rows that have both; else the total variation of their
    contingency tables, numbers in the real records' deciles. NaN where the real records have no r: fewer than 10 rows
    with both, or one does not vary.
    """
    (hot, blocks), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    counts, other_counts = PairCounts.of(hot), PairCounts.of(other_hot)
    asked = np.isfinite(correlation(real.numbers))
    p = blocks.numbers

    def of(leave: int | None) -> tuple[np.ndarray, np.ndarray]:
        gaps = variation(counts.share(leave), other_counts.share(leave), blocks)
        kept = _left(leave, real, other)
        a, b = (np.nan_to_num(correlation(table.numbers)) for table in kept)
        apart = np.where(asked, a - b, np.nan)
        gaps[:p, :p] = np.abs(apart) / 2
        return gaps, apart

    return of


def missing(real: Table, other: Table) -> Figures:
    """Values that are not there.

    missing_share_error     largest difference over columns of the share that is missing
    missing_together_error  mean |phi - phi'| over pairs of columns of being missing, where both may be
    missing_given_error     mean, over columns that may be missing and every other column, of the total variation of
                            the other's values where it is missing; 1 where it never is in the other records
    """
    (hot, blocks), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    counts, other_counts = PairCounts.of(hot), PairCounts.of(other_hot)
    share, other_share = (np.diag(c.share())[blocks.missing] for c in (counts, other_counts))
    (may,) = np.nonzero((share > 0) | (other_share > 0))
    if not len(may):
        return lambda leave: {}
    places = blocks.missing[may]
    above = np.triu_indices(len(may), 1)

    def figures(leave: int | None) -> dict[str, float]:
        a, b = counts.share(leave), other_counts.share(leave)
        p, q = np.diag(a)[places], np.diag(b)[places]
        pair, other_pair = (np.nan_to_num(phi(x[np.ix_(places, places)])) for x in (a, b))
        return {
            "missing_share_error": float(np.abs(p - q).max()),
            "missing_together_error": _mean(np.abs(pair - other_pair)[above]),
            "missing_given_error": _given(a, b, places, may, blocks),
        }

    return figures


def _given(a, b, places, may, blocks) -> float:
    """The total variation of P(value | missing), weighted by how much is missing in the real records."""
    starts = blocks.ends[:-1]
    p, q = (np.diag(x)[places] for x in (a, b))
    rows = [x[places] / np.maximum(np.diag(x)[places], 1e-12)[:, None] for x in (a, b)]
    apart = np.add.reduceat(np.abs(rows[0] - rows[1]), starts, axis=1) / 2
    apart[q == 0] = 1.0
    others = np.arange(len(starts))[None, :] != may[:, None]
    weight = np.where(others, p[:, None], 0.0)
    return float((apart * weight).sum() / weight.sum()) if weight.sum() > 0 else float("nan")
