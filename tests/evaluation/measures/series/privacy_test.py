"""Nearness to training courses: published definitions by brute force, what they miss, and that ours catches it."""

import numpy as np
import pytest

from jaxehr.evaluation.blocks.nearest import nearest
from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.measures.series.privacy import comparable_courses, distances, nearness
from jaxehr.evaluation.measures.series.published_privacy import (
    adversarial_accuracy,
    membership_risk,
)

N, STEPS = 300, 6
AA_ERROR, LOSS_ERROR = 0.026, 0.034  # deviations over 100 sets of fresh patients
NULL = {"share_closer_to_train": 0.5, "membership_auc": 0.5}


def patients(seed, n=N):
    """Courses about a level of their own, of 3 to 6 steps, one value in ten missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1, 2)) + 0.5 * rng.normal(size=(n, STEPS, 2))
    lengths = rng.integers(3, STEPS + 1, n)
    gone = (rng.random(x.shape) < 0.1) | (np.arange(STEPS) >= lengths[:, None])[..., None]
    return Series(np.where(gone, np.nan, 50 + 10 * x), lengths)


def copying(train, share, seed, noise=0.0, far_out=False):
    """Fresh courses, but a share of training courses among them, and perhaps one value that is far out."""
    fresh, k = patients(seed), int(share * N)
    values, lengths = fresh.values.copy(), fresh.lengths.copy()
    values[:k] = train.values[:k]
    lengths[:k] = train.lengths[:k]
    values[:k] += noise * np.random.default_rng(seed).normal(size=values[:k].shape)
    if far_out:
        row = k + np.flatnonzero(~np.isnan(values[k:, 0, :]).any(1))[0]
        values[row, 0] = 1e5
    return Series(values, lengths)


def apart(a, b, itself=False):
    squares = ((a[:, None] - b[None]) ** 2).sum(2)
    return (
        np.where(np.eye(len(a), dtype=bool), np.inf, squares).min(1) if itself else squares.min(1)
    )


def test_published_definitions_are_ten_lines():
    sets = [np.where(s.observed, s.values, -1.0) for s in map(patients, range(3))]
    train, other, test = [((x - x.mean((0, 1))) / x.std((0, 1))).reshape(N, -1) for x in sets]
    aa = lambda t, s: (
        ((apart(t, s) > apart(t, t, True)).mean() + (apart(s, t) > apart(s, s, True)).mean()) / 2
    )
    found = adversarial_accuracy(*map(patients, range(3)))
    assert found.test == pytest.approx(aa(test, other)) and found.train == pytest.approx(
        aa(train, other)
    )
    assert found.loss == pytest.approx(abs(found.test - found.train))
    ranged = [((x - x.min((0, 1))) / (x.max((0, 1)) - x.min((0, 1)))).reshape(N, -1) for x in sets]
    member = []
    for real in (ranged[0], ranged[2]):
        d = apart(real, ranged[1])
        member.append((d - d.min()) / (d.max() - d.min()) <= 0.1)
    tp, fp = member[0].sum(), member[1].sum()
    f1 = 2 * tp / (2 * tp + fp + (N - tp))
    assert membership_risk(*map(patients, range(3))) == pytest.approx(f1)


def test_of_more_training_patients_as_many_are_drawn_as_are_tested():
    """Of fresh patients AA is .5, within 4 standard errors: a false alarm in 8,000. Of copies a third of either set is
    drawn; a row that meets its copy adds 0, the others 1 where their nearest of 3 + 2 parts is of the 2: 2/3 * 2/5."""
    found = adversarial_accuracy(patients(0, 3 * N - 1), patients(1, 2 * N), patients(2))
    assert [found.test, found.train] == pytest.approx([0.5, 0.5], abs=4 * AA_ERROR)
    copies = patients(0, 3 * N)
    found = adversarial_accuracy(copies, copies, patients(2))
    assert found.train == pytest.approx(4 / 15, abs=4 * AA_ERROR)


def test_too_few_are_refused():
    with pytest.raises(ValueError, match=r"many synthetic patients .* 300; got 299"):
        membership_risk(patients(0), patients(1, N - 1), patients(2))
    with pytest.raises(ValueError, match=r"many training patients .* 300; got 200"):
        adversarial_accuracy(patients(0, 200), patients(1), patients(2))


def test_copies_of_all_are_caught_by_ours_and_look_best_by_the_published_risk():
    """What is left of distances of 0 is rounding, which is scaled to 1, so that most members are far: .00 to .08 over
    20 sets, where fresh courses have .47 to .62."""
    train, test = patients(0), patients(2)
    assert adversarial_accuracy(train, train, test).train == 0
    assert membership_risk(train, train, test) < 0.2
    assert membership_risk(train, patients(1), test) == pytest.approx(0.54, abs=0.15)
    found = nearness(distances(train, train, test))
    assert found["membership_auc"].low > 0.85 and found["exact_copies_excess"].value == 1
    assert found["nnaa_loss"].low > 0.3


def test_one_value_far_out_hides_copies_from_the_published_ones_and_not_from_ours():
    """Three in ten are copies; the published loss is that of fresh courses, within 4 standard errors."""
    train, test = patients(0), patients(2)
    hidden = copying(train, 0.3, 3, far_out=True)
    assert adversarial_accuracy(train, copying(train, 0.3, 3), test).loss > 0.1
    plain = copying(train, 0.0, 3, far_out=True)
    of = lambda other: adversarial_accuracy(train, other, test).loss
    assert of(hidden) == pytest.approx(of(plain), abs=4 * LOSS_ERROR)
    assert membership_risk(train, hidden, test) < membership_risk(train, patients(3), test)
    found = nearness(distances(train, hidden, test))
    assert found["exact_copies_excess"].value == pytest.approx(0.3)
    assert found["nnaa_loss"].low > 0 and found["membership_auc"].low > 0.5


def test_copies_with_noise_are_caught():
    """A twentieth of a deviation."""
    train = patients(0)
    found = nearness(distances(train, copying(train, 0.3, 4, noise=0.5), patients(2)))
    assert found["exact_copies_excess"].value == 0
    assert found["near_copies_excess"].low > 0.1
    assert found["nnaa_loss"].low > 0 and found["membership_auc"].low > 0.5


def test_fresh_courses_are_at_the_null():
    """Within twice an interval of 95%: 1 in 10,000 by chance, seven figures."""
    found = nearness(distances(*map(patients, (5, 6, 7))))
    assert len(found) == 7
    for name, m in found.items():
        null = NULL.get(name, 0.0)
        assert 2 * m.low - m.value <= null <= 2 * m.high - m.value, name


def test_distances_are_the_mean_over_cells_by_one_scale():
    sets = {"real": patients(0, 40), "other": patients(1, 40)}
    scale = patients(2)
    rows = comparable_courses(sets, scale)
    low, high = np.nanquantile(scale.values, [0.01, 0.99], axis=(0, 1))
    scaled = [np.clip((s.values - low) / (high - low), 0, 1).reshape(40, -1) for s in sets.values()]
    a, b = scaled[0][:, None], scaled[1][None]
    cell = np.where(np.isnan(a) & np.isnan(b), 0.0, np.nan_to_num(np.abs(a - b), nan=1.0))
    found = nearest(rows["real"], rows["other"]).least
    assert found == pytest.approx(cell.mean(2).min(1), abs=1e-6)


def test_a_variable_that_was_never_measured_scales_by_nothing():
    train = whole(np.full((N, 2, 1), np.nan))
    rows = comparable_courses({"real": train}, train)["real"]
    assert (rows.numbers == 2).all()
