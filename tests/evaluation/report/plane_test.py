"""Where patients lie in a plane: as their law says, with the real ones alone as its measure, and no real one singly."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.report.plane import picture, plane, scatter


def patients(seed, n=400, level=0.0):
    """Three variables about a level of each patient's, as of illness, N(level, 1); some are never measured."""
    draw = np.random.default_rng(seed)
    values = draw.normal(level, 1.0, (n, 1, 1)) + 0.5 * draw.normal(size=(n, 6, 3))
    values[np.broadcast_to(draw.random((n, 1, 3)) < 0.1, values.shape)] = np.nan
    return whole(values)


def of_levels(levels):
    """All that is measured of a patient is one number, again and again."""
    return whole(np.broadcast_to(np.asarray(levels, float)[:, None, None], (len(levels), 4, 2)))


def test_one_law_lies_alike_and_another_apart():
    """Each coordinate of two cohorts by Kolmogorov and Smirnov at 1e-4: one false alarm in 5,000 seeds."""
    real, same, ill = patients(0), patients(1), patients(2, level=4.0)
    _, known, alike, apart = plane(real, same, ill)
    assert min(ks_2samp(a, b).pvalue for a, b in zip(known.T, alike.T, strict=True)) > 1e-4
    assert max(ks_2samp(a, b).statistic for a, b in zip(known.T, apart.T, strict=True)) > 0.8


def test_a_fault_of_what_is_measured_lies_apart():
    """The same values at all steps, and at one in three: of no one's level, but of how often and from when to when."""
    real, seldom = patients(0), patients(1)
    seldom.values[:, 1::3] = seldom.values[:, 2::3] = np.nan
    _, known, apart = plane(real, seldom)
    assert min(ks_2samp(a, b).pvalue for a, b in zip(known.T, apart.T, strict=True)) < 1e-8


def test_the_plane_is_that_of_real_patients_alone():
    real = patients(0)
    shares, known, _ = plane(real, patients(1, level=9.0))
    alone = plane(real)
    assert np.array_equal(shares, alone[0]) and np.array_equal(known, alone[1])


def test_courses_of_one_number_lie_on_a_line():
    """First, last, mean, least and greatest of two variables are one number ten times over: a component of length
    sqrt(10), which has all of the variance; deviations and what is measured are constant."""
    levels = np.random.default_rng(0).normal(size=50)
    shares, known, there = plane(of_levels(levels), of_levels([levels.mean(), levels.max()]))
    assert shares == pytest.approx([1, 0], abs=1e-12)
    z = (levels - levels.mean()) / levels.std()
    sign = np.sign(known[0, 0] * z[0])
    assert sign * known[:, 0] == pytest.approx(np.sqrt(10) * z, abs=1e-5)
    assert sign * there[:, 0] == pytest.approx([0, np.sqrt(10) * z.max()], abs=1e-5)


def test_who_has_nothing_measured_lies_in_the_middle():
    """But for the deviations that are not zero and for being measured never."""
    real = patients(0)
    none = Series(np.full_like(real.values[:3], np.nan), real.lengths[:3])
    assert np.isfinite(plane(real, none)[2]).all()


def test_rings_are_synthetic_and_no_hexagon_is_of_fewer_than_eleven():
    draw = np.random.default_rng(0)
    real, other = draw.normal(size=(500, 2)), draw.normal(size=(40, 2))
    real[0] = 3.9, -3.9  # alone
    hexagons, rings = scatter(real, other, np.array([0.6, 0.1])).axes[0].collections
    counts, middles = hexagons.get_array(), hexagons.get_offsets()
    assert counts.min() >= 11 and 250 < counts.sum() <= 500 and len(counts) == len(middles)
    assert np.hypot(*(middles - real[0]).T).min() > 1
    low, high = np.asarray(rings.get_offsets()).min(0), np.asarray(rings.get_offsets()).max(0)
    assert np.isclose(rings.get_offsets(), np.clip(other, low, high)).all() and len(other) == 40
    assert not np.isin(rings.get_offsets(), real).any()


def test_few_patients_have_no_hexagon():
    draw = np.random.default_rng(0)
    hexagons, rings = (
        scatter(draw.normal(size=(10, 2)), np.zeros((2, 2)), np.zeros(2)).axes[0].collections
    )
    assert not len(hexagons.get_array()) and len(rings.get_offsets()) == 2


def test_a_copy_of_a_real_patient_is_not_drawn_and_the_picture_is_the_same_each_time():
    real, fresh = patients(0, 60), patients(1, 9)
    copied = whole(np.concatenate([real.values[:20], fresh.values]))
    found = picture(real, copied, patients(2, 60))
    assert found.caption.startswith("Rings, 9 synthetic patients")
    assert found == picture(real, copied, patients(2, 60)) and found.svg.startswith("<svg")
