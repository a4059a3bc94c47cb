"""Courses judged whole: each figure is near its floor of real patients, and sees what is planted for it."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import Records, Schema
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges import courses
from jaxehr.evaluation.judges.job import Job
from jaxehr.evaluation.judges.verdict import standing

START = pd.Timestamp("2000-01-01").as_unit("us")
HOURS = 10


def values(seed, n=260):
    """Two numbers that go on from hour to hour, [n, hour, variable], NaN where they are not measured: mostly both are
    or neither is. Who is ill is high, and dies; half leave after seven hours."""
    rng = np.random.default_rng(seed)
    ill = rng.random(n) < 0.5
    x = np.zeros((n, HOURS, 2))
    x[:, 0] = rng.normal(size=(n, 2)) + 2.0 * ill[:, None]
    for h in range(1, HOURS):
        x[:, h] = 0.8 * x[:, h - 1] + 0.6 * rng.normal(size=(n, 2)) + 0.4 * ill[:, None]
    seen = rng.random((n, HOURS)) < 0.6
    seen[:, 0] = True
    both = np.stack([seen, seen ^ (rng.random((n, HOURS)) < 0.05)], axis=2)
    long = np.where(rng.random(n) < 0.5, 7, HOURS)
    x[~both | (np.arange(HOURS) >= long[:, None])[..., None]] = np.nan
    return x, ill


def records(x, ill):
    row, hour, variable = np.nonzero(~np.isnan(x))
    events = pd.DataFrame(
        {
            "subject_id": row + 1,
            "time": START + pd.to_timedelta(60 * hour + 17, "min").as_unit("us"),
            "code": np.array(["a", "b"])[variable],
            "numeric_value": x[row, hour, variable],
        }
    )
    static = pd.DataFrame({"subject_id": np.arange(len(x)) + 1, "died": ill})
    return Records(static, events)


def figures(x, ill, names=None):
    """By name, of these as the synthetic ones; all, or those of the steps that have these."""
    sets = {"real": TRAIN, "synthetic": records(x, ill), "holdout": HELD}
    blocks = comparable(SCHEMA, sets)
    job = Job(dict(zip(sets, blocks, strict=True)), "died", 0)
    found = [s for s in courses.steps(job) if names is None or set(names) & set(s.names)]
    return {m.name: m for step in found for m in step.run()}


TRAIN, HELD = records(*values(0)), records(*values(1))
SCHEMA = Schema.infer(TRAIN).on_grid(TRAIN, every="1h", length=HOURS, start="2000-01-01")


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Networks of this few rows need no 500 iterations."""
    patch = pytest.MonkeyPatch()
    patch.setattr(courses, "ITERATIONS", 200)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def real():
    return figures(*values(2))


def test_real_patients_are_near_the_floor(real):
    """Of 260 patients and one seed that does not change."""
    for name, m in real.items():
        assert m.status == "ok", (name, m.why)
        if m.floor is not None and m.better == "lower":
            assert m.value < 2.5 * m.floor + 0.1, (name, m.value, m.floor)
    assert real["series_discriminative"].value < 0.15
    assert real["series_trtr_auroc"].value > 0.75
    assert abs(real["series_tstr_gap_auroc"].value) < 0.08
    assert abs(real["series_nnaa_loss"].value) < 0.1
    assert real["series_published_membership_f1"].floor is None


def planted(what):
    x, ill = values(2)
    rng = np.random.default_rng(5)
    if what == "steps in another order":
        for row in x:
            row[:7] = row[rng.permutation(7)]
    elif what == "variables measured apart":
        x[:, :, 1] = x[rng.permutation(len(x)), :, 1]
    elif what == "all lengths alike":
        x[:, 7:] = np.nan
    elif what == "measured at even hours alone":
        x[:, 1::2] = np.nan
    elif what == "outcomes of others":
        ill = ill[rng.permutation(len(ill))]
    elif what == "copies":
        x, ill = values(0)
    return x, ill


FAULTS = {
    "steps in another order": ("series_autocorrelation_error",),
    "variables measured apart": ("series_missing_together_error", "series_cross_correlation_error"),
    "all lengths alike": ("series_length_distance", "series_length_ks"),
    "measured at even hours alone": (
        "series_gap_distance",
        "series_visit_gap_ks",
        "series_missing_by_step_error",
        "series_missing_by_variable_error",
        "series_missing_in_time_error",
        "series_measured_at_once_distance",
        "series_discriminative",
    ),
    "outcomes of others": ("series_tstr_gap_auroc",),
    "copies": ("series_nnaa_loss", "series_membership_auc"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_seen(real, what):
    found = figures(*planted(what), FAULTS[what])
    for name in FAULTS[what]:
        assert found[name].value > 2 * abs(real[name].value) or (
            name == "series_membership_auc" and found[name].value > 0.8
        ), (name, found[name].value, real[name].value)
        assert found[name].value > real[name].value + 0.04


def test_the_report_shows_courses_and_what_is_measured_when():
    report = evaluate(TRAIN, records(*values(2)), HELD, schema=SCHEMA, pillars=("fidelity",))
    assert {"What is measured when", "Courses", "Patients in a plane"} <= {
        p.title for p in report.pictures
    }
    of_courses = [m for m in report.metrics if m.name.startswith("series_")]
    far = [m.name for m in of_courses if standing(m) in ("off", "far off")]
    assert len(of_courses) == 16 and not far, far  # of real patients, each at 99.9%


def test_figures_as_published_do_not_decide_whether_it_leaks():
    """They have no control: |AA| is above 0 by chance."""
    report = evaluate(TRAIN, records(*values(2)), HELD, schema=SCHEMA, pillars=("privacy",))
    published = [m for m in report.metrics if m.name.startswith("series_published")]
    assert len(published) == 2 and published[0].value > 0
    assert report.verdicts["privacy"].heading == "No leak was found"
