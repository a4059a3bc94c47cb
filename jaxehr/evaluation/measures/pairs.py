"""Fidelity, pair by pair: do synthetic records have the relations of real ones, of two columns, of two codes, and of a
column and a code?

Every function here returns figures of (real, other) by name, cheap enough to be taken again without each group.

What is asked is settled by the real records. Where the others have nothing to answer with, a column that is constant or
missing throughout, or a code that nobody has, their relation is 0: it counts against them, and is not left out.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.measures.counts import (
    Moments,
    PairCounts,
    Places,
    Sparse,
    by_chance,
    correlation,
    one_hot,
    phi,
    variation,
)
from jaxehr.evaluation.measures.frequencies import Figures, left, mean

PAIR_CODES = 500  # the most frequent ones: pairs of rarer codes have no count to speak of
EXPECTED = 5.0  # patients that a pair would have by chance, for its correlation to be asked
Shares = Sparse  # of every two of the table's one-hot columns, then the codes


def pairs(real: Blocks, other: Blocks) -> Figures:
    """Relations of columns and of the 500 most frequent codes, by their P(both).

    trend_error             of two columns: mean of the first of `relations`
    pair_gap                of two codes: mean |phi - phi'|, the correlation of 0/1 columns, over pairs that 5 real
                            patients would have by chance
    pair_pearson            correlation of phi and phi' over the same pairs
    column_code_gap         of a value of a column (or decile of a number) and a code: as pair_gap
    column_code_pearson     as pair_pearson
    correlation_difference  of two numbers, two codes, and a number and a code: Frobenius norm of the difference of the
                            correlation matrices (PCD, Goncalves et al. 2020)
    """
    codes = real.frequent(PAIR_CODES)
    (hot, places), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    counts, others = (
        PairCounts.of(ones, blocks.bits[:, codes])
        for ones, blocks in ((hot, real), (other_hot, other))
    )
    c, whole = hot.shape[1], counts.share()
    parts: list[Part] = []
    if real.columns:
        parts.append(_of_columns(real, other, places))
    if real.codes:
        parts.append(_of_codes(whole, len(real), c))
    if real.columns and real.codes:
        parts.append(_of_both(real, other, whole, c, codes))

    def figures(leave: int | None) -> dict[str, float]:
        a, b = counts.share(leave), others.share(leave)
        found = [part(a, b, leave) for part in parts]
        norms = np.array([norm for _, norm in found])
        known = norms[np.isfinite(norms)]
        apart = float(np.linalg.norm(known)) if len(known) else float("nan")
        return {k: v for named, _ in found for k, v in named.items()} | {
            "correlation_difference": apart
        }

    return figures


# Figures by name, and the norm of the part's difference of correlations; NaN where it has none.
Part = Callable[[Shares, Shares, int | None], tuple[dict[str, float], float]]


def _of_columns(real: Blocks, other: Blocks, places: Places) -> Part:
    of, below, c = (
        _relations(real, other, places),
        np.tril_indices(len(places.names), -1),
        places.ends[-1],
    )

    def part(a: Shares, b: Shares, leave: int | None) -> tuple[dict[str, float], float]:
        gaps, apart = of(a[:c, :c], b[:c, :c], leave)
        found = gaps[below]
        related = np.isfinite(apart).sum() > np.isfinite(np.diag(apart)).sum()
        norm = float(np.linalg.norm(np.nan_to_num(apart)))
        return {"trend_error": mean(found[np.isfinite(found)])}, norm if related else float("nan")

    return part


def _of_codes(whole: Shares, n: int, c: int) -> Part:
    own = slice(c, None)
    above = np.triu_indices(whole.shape[0] - c, 1)
    asked = by_chance(whole[own, own], n)[above] >= EXPECTED

    def part(a: Shares, b: Shares, leave: int | None) -> tuple[dict[str, float], float]:
        x, y = (np.nan_to_num(phi(share, own, own)) for share in (a, b))
        agreeing = _agreement(x[above][asked], y[above][asked])
        found = dict(zip(("pair_gap", "pair_pearson"), agreeing, strict=True))
        return found, float(np.linalg.norm(x - y))

    return part


def _of_both(real: Blocks, other: Blocks, whole: Shares, c: int, codes: np.ndarray) -> Part:
    asked = by_chance(whole, len(real))[:c, c:] >= EXPECTED
    moments = [Moments.of(blocks.numbers, blocks.bits[:, codes]) for blocks in (real, other)]
    related = np.isfinite(moments[0].correlation())

    def part(a: Shares, b: Shares, leave: int | None) -> tuple[dict[str, float], float]:
        x, y = (np.nan_to_num(phi(share, slice(c), slice(c, None))) for share in (a, b))
        agreeing = _agreement(x[asked], y[asked])
        r, s = (np.nan_to_num(each.correlation(leave)) for each in moments)
        norm = 2**0.5 * float(np.linalg.norm(np.where(related, r - s, 0.0)))  # it stands twice
        return dict(zip(("column_code_gap", "column_code_pearson"), agreeing, strict=True)), norm

    return part


def _agreement(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean |x - y|, and their correlation: 0 where only y does not vary."""
    if len(x) <= 2 or x.std() == 0:
        return mean(np.abs(x - y)), float("nan")
    return mean(np.abs(x - y)), float(np.corrcoef(x, y)[0, 1]) if y.std() > 0 else 0.0


def relations(
    real: Blocks, other: Blocks
) -> tuple[Float[np.ndarray, "column column"], Float[np.ndarray, "p p"]]:
    """For each pair of columns the distance of their relations, in [0, 1], and r - r' for two numbers.

    The distance is |r - r'| / 2 for two numbers, over rows that have both; else the total variation of their
    contingency tables, numbers in the real records' deciles. NaN where the real records have no r: fewer than 10 rows
    with both, or one does not vary.
    """
    (hot, places), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    a, b = (PairCounts.of(ones).share() for ones in (hot, other_hot))
    return _relations(real, other, places)(a, b, None)


def _relations(
    real: Blocks, other: Blocks, places: Places
) -> Callable[[Shares, Shares, int | None], tuple[np.ndarray, np.ndarray]]:
    asked = np.isfinite(correlation(real.numbers))
    p, tables = places.numbers, (real.static, other.static)

    def of(a: Shares, b: Shares, leave: int | None) -> tuple[np.ndarray, np.ndarray]:
        gaps = variation(a, b, places)
        kept = left(leave, *tables)
        r, s = (np.nan_to_num(correlation(blocks.numbers)) for blocks in kept)
        apart = np.where(asked, r - s, np.nan)
        gaps[:p, :p] = np.abs(apart) / 2
        return gaps, apart

    return of


def missing(real: Blocks, other: Blocks) -> Figures:
    """Values that are not there.

    missing_share_error     largest difference over columns of the share that is missing
    missing_together_error  mean |phi - phi'| over pairs of columns of being missing, where both may be
    missing_given_error     mean, over columns that may be missing and every other column, of the total variation of
                            the other's values where it is missing; 1 where it never is in the other records
    """
    (hot, places), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    counts, other_counts = PairCounts.of(hot), PairCounts.of(other_hot)
    share, other_share = (c.share().diagonal()[places.missing] for c in (counts, other_counts))
    (may,) = np.nonzero((share > 0) | (other_share > 0))
    if not len(may):
        return lambda leave: {}
    at = places.missing[may]
    above = np.triu_indices(len(may), 1)

    def figures(leave: int | None) -> dict[str, float]:
        a, b = counts.share(leave), other_counts.share(leave)
        p, q = a.diagonal()[at], b.diagonal()[at]
        pair, other_pair = (np.nan_to_num(phi(x, at, at)) for x in (a, b))
        return {
            "missing_share_error": float(np.abs(p - q).max()),
            "missing_together_error": mean(np.abs(pair - other_pair)[above]),
            "missing_given_error": _given(a, b, at, may, places),
        }

    return figures


def _given(a: Shares, b: Shares, at: np.ndarray, may: np.ndarray, places: Places) -> float:
    """The total variation of P(value | missing), weighted by how much is missing in the real records."""
    starts = places.ends[:-1]
    p, q = (x.diagonal()[at] for x in (a, b))
    rows = [x[at].toarray() / np.maximum(x.diagonal()[at], 1e-12)[:, None] for x in (a, b)]
    apart = np.add.reduceat(np.abs(rows[0] - rows[1]), starts, axis=1) / 2
    apart[q == 0] = 1.0
    others = np.arange(len(starts))[None, :] != may[:, None]
    weight = np.where(others, p[:, None], 0.0)
    return float((apart * weight).sum() / weight.sum()) if weight.sum() > 0 else float("nan")
