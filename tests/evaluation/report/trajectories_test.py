"""What a picture of courses shows: bands of the law, and no real patient."""

import numpy as np
import pytest
from scipy.stats import norm

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.report import trajectories
from jaxehr.evaluation.report.trajectories import courses, edge, picture, strangers


def patients(seed, n=400, steps=5, variables=2):
    return whole(np.random.default_rng(seed).normal(size=(n, steps, variables)))


def test_edges_are_quantiles_of_the_law_and_no_patients_value():
    """Of N(0, 1), within 4 standard errors of a quantile of 4,000 at five steps: a false alarm in 3,000."""
    values = patients(0, 4000).values[..., 0]
    for q in (0.1, 0.75):
        error = np.sqrt(q * (1 - q) / 4000) / norm.pdf(norm.ppf(q))
        found = edge(values, q)
        assert found == pytest.approx(norm.ppf(q), abs=4 * error)
        assert not np.isin(found, values).any()


def test_there_is_no_edge_where_it_would_be_of_fewer_than_eleven_patients():
    """At .25 five lie below the quantile only from 21 values on, and its eleven are the first; at .9 five lie above it
    from 51 on."""
    for n, there in ((11, False), (19, False), (21, True)):
        values = np.full((400, 1), np.nan)
        values[:n, 0] = np.arange(n)
        assert np.isfinite(edge(values, 0.25))[0] == there
    assert edge(values, 0.25) == pytest.approx(np.arange(11).mean())
    for n, there in ((12, False), (30, False), (55, True)):
        values[:n, 0] = np.arange(n)
        assert np.isfinite(edge(values, 0.9))[0] == there


def test_a_copy_of_a_real_patient_is_not_drawn():
    real, fresh = patients(0, 30), patients(1, 3)
    real.values[:, 2:, 0] = np.nan
    copied = Series(
        np.concatenate([real.values[:20], fresh.values]), np.full(23, real.values.shape[1])
    )
    assert sorted(strangers(real, copied, 6, 0)) == [20, 21, 22]
    assert len(strangers(real, real, 6, 0)) == 0


def test_lines_are_the_synthetic_courses_and_nothing_else():
    """Where values were measured, and when; real patients are in two bands of each panel alone."""
    real, shown = patients(0), patients(1, 3)
    shown.values[:, 1, 0] = np.nan
    shown = Series(shown.values, shown.lengths, np.full(shown.values.shape, 0.5))
    fig = courses(real, shown, ["pulse", "lactate"], np.array([1, 0]))
    first, second, third = fig.axes
    assert [first.get_title(), second.get_title()] == ["lactate", "pulse"]
    assert not third.get_visible()
    for ax, j in ((first, 1), (second, 0)):
        assert len(ax.lines) == 3 and len(ax.collections) == 2
        for i, line in enumerate(ax.lines):
            seen = ~np.isnan(shown.values[i, :, j])
            assert (line.get_ydata() == shown.values[i, seen, j]).all()
            assert (line.get_xdata() == np.flatnonzero(seen) + 0.5).all()
    drawn = np.concatenate([c.get_paths()[0].vertices[:, 1] for c in first.collections])
    assert not np.isin(drawn, real.values).any()


def test_few_patients_have_no_bands():
    few = courses(patients(0, 11), patients(1, 2), ["a", "b"], np.array([0]))
    assert not [
        path for c in few.axes[0].collections for path in c.get_paths() if len(path.vertices)
    ]


def test_a_picture_says_what_it_leaves_out_and_is_the_same_each_time():
    real, other = patients(0, 60, 3, 14), patients(1, 20, 3, 14)
    real.values[1:, :, 4] = np.nan
    names = [f"v{j}" for j in range(14)]
    found = picture(real, other, names)
    assert "Not drawn are 2, that are measured less: v13, v4." in found.caption
    assert f"{len(trajectories.MARKERS)} synthetic" in found.caption
    assert found == picture(real, other, names) and found.svg.startswith("<svg")
