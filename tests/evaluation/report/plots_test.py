"""What pictures leave out is said, and what they show can be read."""

import numpy as np
import pandas as pd

from jaxehr.data import Schema
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges.job import Job
from jaxehr.evaluation.report import plots


def wide(columns, n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({f"x{j}": rng.normal(size=n) for j in range(columns)})


def sets(*frames):
    names = ("real", "synthetic")
    made = comparable(Schema.infer(frames[0]), dict(zip(names, frames, strict=True)))
    return dict(zip(names, made, strict=True))


def test_columns_that_are_not_drawn_are_named():
    found = {p.title: p for p in plots.pictures(Job(sets(wide(26), wide(26, seed=1)), None, 0), ())}
    said = found["Columns"].caption
    assert "Not drawn are 2, that are nearer: x" in said
    few = {p.title: p for p in plots.pictures(Job(sets(wide(3), wide(3, seed=1)), None, 0), ())}
    assert "Not drawn" not in few["Columns"].caption


def test_a_matrix_has_its_names():
    both = sets(wide(5), wide(5, seed=1))
    axes = plots.heat_maps(both["real"], both["synthetic"]).axes
    assert [t.get_text() for t in axes[0].get_yticklabels()] == [f"x{j}" for j in range(5)]
    assert [t.get_text() for t in axes[2].get_xticklabels()] == [f"x{j}" for j in range(5)]


def test_bins_hold_enough_patients_to_be_drawn():
    """Of 120 even numbers in three bins none is left out; of whole numbers each bin holds as many of them."""
    values = np.linspace(0, 1, 120)
    heights = plots._heights(values, plots._edges(values, 0.0, 1.0))
    assert len(heights) == 3 and (heights > 0).all()
    ages = np.repeat(np.arange(18, 78), 10).astype(float)
    edges = plots._edges(ages, 18.0, 77.0)
    assert set(np.diff(edges)) == {4.0} and edges[0] == 17.5 and edges[-1] >= 77.5
    assert len(set(np.histogram(ages, edges)[0])) == 1
    assert len(plots._edges(np.linspace(0, 1, 10_000), 0.0, 1.0)) == 31
