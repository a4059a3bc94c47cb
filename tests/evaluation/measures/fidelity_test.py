"""Fidelity by hand, by brute force, and against SciPy."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from patients import bits, frame, shuffled, table

from jaxehr.data import Schema
from jaxehr.evaluation.blocks.distances import measure
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.blocks.rows import comparable_rows, points
from jaxehr.evaluation.measures import frequencies, manifold
from jaxehr.evaluation.measures.counts import (
    PairCounts,
    correlation,
    in_deciles,
    one_hot,
    phi,
    variation,
)
from jaxehr.evaluation.measures.pairs import missing, pairs


def sets(*frames):
    names = [str(i) for i in range(len(frames))]
    return comparable(Schema.infer(frames[0]), dict(zip(names, frames, strict=True)))


def test_kolmogorov_smirnov_by_hand():
    a, b = np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])
    assert frequencies.kolmogorov_smirnov(a, b) == 0.5
    missing = np.array([np.nan, np.nan, 1, 2, 3, 4])
    assert frequencies.kolmogorov_smirnov(a, missing) == pytest.approx(1 / 3)


def test_total_variation_by_hand():
    assert frequencies.total_variation(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])) == 0.5


def test_correlation_over_rows_that_have_both():
    values = table(400, 5)[["age", "sbp"]].to_numpy(float)
    both = values[~np.isnan(values).any(axis=1)]
    assert correlation(values)[0, 1] == pytest.approx(np.corrcoef(both.T)[0, 1], abs=1e-12)


def test_phi_is_pearson_of_bits():
    x = bits(500, 0, 8)
    np.testing.assert_allclose(phi(PairCounts.of(x).share()), np.corrcoef(x.T), atol=1e-6)


def test_contingency_tables_equal_counting():
    real, other = sets(table(300, 0), table(200, 1))
    (hot, blocks), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    gaps = variation(PairCounts.of(hot).share(), PairCounts.of(other_hot).share(), blocks)
    a, b = in_deciles(real, real), in_deciles(other, real)
    for i in range(a.shape[1]):
        for j in range(i):
            k = int(max(a.max(), b.max())) + 1
            brute = frequencies.total_variation(a[:, i] * k + a[:, j], b[:, i] * k + b[:, j])
            assert gaps[i, j] == pytest.approx(brute, abs=1e-6)


def test_prevalences_equal_numpys_and_scipys():
    from scipy.stats import pearsonr, spearmanr, wasserstein_distance

    x, y = bits(800, 0), bits(600, 1)
    real, other = sets(frame(x), frame(y))
    found = frequencies.prevalence(real, other)(None)
    p, q = x.mean(0), y.mean(0)
    assert found["prevalence_pearson"] == pytest.approx(pearsonr(p, q).statistic)
    assert found["prevalence_spearman"] == pytest.approx(spearmanr(p, q).statistic)
    assert found["prevalence_gap"] == pytest.approx(np.abs(p - q).mean())
    distance = wasserstein_distance(x.sum(1), y.sum(1))
    assert found["codes_per_patient_distance"] == pytest.approx(distance)
    assert found["codes_per_patient"] == pytest.approx(y.sum(1).mean())


# Which pairs, codes and deciles are asked is settled by all rows.
OF_ALL_ROWS = ("pair_", "missing_given", "log_odds_gap", "rare_codes", "codes_present")


@pytest.mark.parametrize("kind", ["codes", "table"])
def test_leaving_a_group_out_equals_counting_without_it(kind):
    if kind == "codes":
        real, other = sets(frame(bits(400, 0)), frame(bits(300, 1)))
        families = (frequencies.prevalence, pairs)
    else:
        real, other = sets(table(400, 0), table(300, 1))
        families = (frequencies.shapes, missing)
    small = [x.rows(np.nonzero(groups_of(len(x), 20) != 4)[0]) for x in (real, other)]
    for family in families:
        left, counted = family(real, other)(4), family(*small)(None)
        assert set(left) == set(counted)
        for name in left:
            if not name.startswith(OF_ALL_ROWS):
                assert left[name] == pytest.approx(counted[name], abs=1e-6, nan_ok=True), name


def test_each_failure_moves_its_own_figure_of_codes():
    """Against a fresh sample of the same law, 8,000 patients each."""
    x = bits(8000, 0)
    fresh = bits(8000, 1)
    dropped, paired = fresh.copy(), fresh.copy()
    dropped[:, :6] = 0
    rng = np.random.default_rng(0)
    for j in range(40):
        paired[:, j] = paired[rng.permutation(8000), j]
    real, *others = sets(frame(x), frame(fresh), frame(dropped), frame(paired))
    by = [{**frequencies.prevalence(real, o)(None), **pairs(real, o)(None)} for o in others]
    assert by[1]["rare_codes_kept"] < by[0]["rare_codes_kept"] - 0.3
    assert by[1]["log_odds_gap_rare"] > 2 * by[0]["log_odds_gap_rare"]
    assert by[1]["log_odds_gap_common"] == pytest.approx(by[0]["log_odds_gap_common"], rel=0.05)
    assert by[1]["prevalence_pearson"] > 0.999  # which does not see it
    assert by[2]["pair_gap"] > 1.5 * by[0]["pair_gap"]
    assert by[2]["pair_pearson"] < by[0]["pair_pearson"] - 0.3
    assert by[2]["codes_per_patient_distance"] > 5 * by[0]["codes_per_patient_distance"]


def test_each_failure_moves_its_own_figure_of_tables():
    records, fresh = table(6000, 0), table(6000, 1)
    shifted, unseen = fresh.copy(), fresh.copy()
    shifted["sbp"] += 8
    # As many missing as before, but no longer by ward
    rng = np.random.default_rng(0)
    full = fresh["sbp"].fillna(fresh["sbp"].mean())
    unseen["sbp"] = full.where(rng.random(6000) >= fresh["sbp"].isna().mean())
    real, *others = sets(records, fresh, shuffled(fresh), shifted, unseen)
    families = (frequencies.shapes, pairs, missing)
    good, mixed, moved, gaps = (
        {k: v for family in families for k, v in family(real, o)(None).items()} for o in others
    )
    assert mixed["shape_error"] == pytest.approx(good["shape_error"])
    assert mixed["trend_error"] > 2 * good["trend_error"]
    assert mixed["correlation_difference"] > 5 * good["correlation_difference"]
    assert moved["shape_error"] > 2 * good["shape_error"]
    assert moved["correlation_difference"] == pytest.approx(
        good["correlation_difference"], rel=1e-6
    )
    assert moved["missing_share_error"] == good["missing_share_error"]
    assert gaps["missing_given_error"] > 2 * good["missing_given_error"]
    assert gaps["missing_share_error"] < 0.03


def measured(real, other):
    rows = comparable_rows({"real": real, "synthetic": other}, real)
    return measure(rows), rows, [points(rows[name]) for name in ("real", "synthetic")]


def test_support_equals_ten_lines():
    real, other = sets(frame(bits(200, 0)), frame(bits(200, 1)))
    d, rows, at = measured(real, other)
    found = manifold.support(d, manifold.radius(rows["real"]), *at)(None)
    a, b = real.bits, other.bits
    across = (b[:, None] != a).sum(2)
    within = np.where(np.eye(200, dtype=bool), 10**6, (a[:, None] != a).sum(2))
    # Of equally near real rows either may be taken: both ways bound the figure.
    ties = [within.min(1)[row == row.min()] for row in across]
    low, high = (
        np.mean([(g > f(t)) + 0.5 * (g == f(t)) for g, t in zip(across.min(1), ties, strict=True)])
        for f in (np.max, np.min)
    )
    assert low <= found["authenticity"] <= high
    covered = across.min(0) <= np.sort(within, 1)[:, 4]
    assert found["coverage"] == pytest.approx(covered.mean())
    far = [np.sqrt(((x - a.mean(0)) ** 2).sum(1)) for x in (a, b)]
    levels = np.arange(1, 20) / 20
    inside = [(far[1] <= q + 1e-5).mean() for q in np.quantile(far[0], levels)]
    assert found["alpha_precision"] == pytest.approx(
        1 - 2 * np.abs(inside - levels).mean(), abs=0.03
    )


def test_a_collapsed_mode_and_copies_are_seen_patient_by_patient():
    x, fresh = bits(600, 0), bits(600, 1)
    collapsed = fresh[np.random.default_rng(0).integers(0, 30, 600)]
    real, *others = sets(frame(x), frame(fresh), frame(collapsed), frame(x))
    found = []
    for other in others:
        d, rows, at = measured(real, other)
        support = manifold.support(d, manifold.radius(rows["real"]), *at)(None)
        found.append(support | manifold.variety(d, rows["real"], rows["synthetic"])(None))
    good, few, copies = found
    assert few["unique_rows_ratio"] < 0.1 < 0.9 < good["unique_rows_ratio"]
    assert few["spread_ratio"] < 0.05 < 0.8 < good["spread_ratio"]
    assert few["coverage"] < 0.8 < 0.9 < good["coverage"]
    assert copies["authenticity"] < good["authenticity"] - 0.3


def related(n, seed):
    """Three numbers of which any two correlate by 0.9, and a label by the sign of the first."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1))
    found = pd.DataFrame(0.9**0.5 * z + 0.1**0.5 * rng.normal(size=(n, 3)), columns=list("xyz"))
    return found.assign(sign=np.where(found["x"] > 0, "up", "down"))


@pytest.mark.parametrize("lost", [0.0, np.nan], ids=["constant", "missing"])
def test_a_relation_that_was_lost_with_its_column_counts_as_none(lost):
    """By hand: z is in two of the three pairs of numbers, each |r - 0| / 2, and the third stays as it is."""
    records, fresh = related(2000, 0), related(2000, 1)
    columns = list("xyz")
    real, other = sets(records[columns], fresh[columns].assign(z=lost))
    found = pairs(real, other)(None)
    r, s = records[columns].corr().to_numpy(), fresh[columns].corr().to_numpy()
    by_hand = (r[0, 2] / 2 + r[1, 2] / 2 + abs(r[0, 1] - s[0, 1]) / 2) / 3
    assert found["trend_error"] == pytest.approx(by_hand, abs=1e-9)
    norm = 2 * (r[0, 2] ** 2 + r[1, 2] ** 2 + (r[0, 1] - s[0, 1]) ** 2) + r[2, 2]
    assert found["correlation_difference"] == pytest.approx(norm**0.5, abs=1e-9)


def test_a_degenerate_set_is_never_nearer_than_a_fresh_one():
    """Constant, missing, or all of one kind: no figure of columns and pairs is left out, or better than fresh."""
    tables = (related(1500, 0), related(1500, 1))
    records, fresh = (t.mask(np.random.default_rng(2).random(t.shape) < 0.1) for t in tables)
    ruined = [
        fresh.assign(z=fresh["z"].median()),
        fresh.assign(y=np.nan, z=np.nan),
        fresh.assign(x=0.0, y=0.0, z=0.0, sign="up"),
        fresh.fillna({"x": 0, "y": 0, "z": 0, "sign": "up"}),
    ]
    real, good, *others = sets(records, fresh, *ruined)
    families = (frequencies.shapes, pairs, missing)
    of = lambda other: {k: v for f in families for k, v in f(real, other)(None).items()}
    fresh_ones = of(good)
    for other in others:
        for name, value in of(other).items():
            assert value > 0.9 * fresh_ones[name], name
    never_missing = of(others[-1])
    assert never_missing["missing_given_error"] == pytest.approx(1.0)
    assert never_missing["missing_share_error"] == pytest.approx(0.1, abs=0.03)

    patients = bits(1500, 0)
    everyone = np.broadcast_to(patients.mean(0) > 0.2, patients.shape).astype(np.int8)
    nobody = np.zeros_like(patients)
    real, all_alike = sets(frame(patients), frame(everyone))
    found = pairs(real, all_alike)(None)
    assert found["pair_pearson"] == 0.0 and found["pair_gap"] > 0
    found = frequencies.prevalence(real, replace(real, bits=nobody))(None)
    assert found["prevalence_pearson"] == found["prevalence_spearman"] == 0.0
    assert found["prevalence_slope"] == found["codes_present"] == 0.0


def test_log_odds_by_hand():
    """Of 10 patients 6 have a, 4 do not; of 20 others 1 and 19: half a patient is added to each side."""
    x, y = np.ones((10, 2), np.int8), np.ones((20, 2), np.int8)
    x[6:, 0], y[1:, 0] = 0, 0
    real, other = sets(frame(x), frame(y))
    a = abs(np.log(6.5 / 4.5) - np.log(1.5 / 19.5))
    b = abs(np.log(10.5 / 0.5) - np.log(20.5 / 0.5))
    assert frequencies.prevalence(real, other)(None)["log_odds_gap"] == pytest.approx((a + b) / 2)
