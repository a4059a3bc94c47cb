"""What is furthest off is what was harmed."""

import numpy as np
import pytest
from patients import codes, table

from jaxehr.data import Schema
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges.furthest import furthest


def found(*frames):
    names = [str(i) for i in range(len(frames))]
    sets = comparable(Schema.infer(frames[0]), dict(zip(names, frames, strict=True)))
    of = furthest(*sets)
    return [f for f in of if f.what == "column"], [f for f in of if f.what == "pair"]


def test_a_shifted_column_and_a_shuffled_pair():
    real, fresh, held = (table(800, seed) for seed in range(3))
    columns, _ = found(real, fresh.assign(los=fresh["los"] + 5), held)
    assert columns[0].names == ("los",) and columns[0].value > 0.4 > 10 * columns[0].floor - 1
    order = np.random.default_rng(0).permutation(800)
    _, pairs = found(real, fresh.assign(sbp=fresh["sbp"].to_numpy()[order]), held)
    assert pairs[0].names == ("age", "sbp")
    r = np.corrcoef(real[["age", "sbp"]].dropna().T)[0, 1]
    assert pairs[0].value == pytest.approx(r / 2, abs=0.08)
    assert all(f.value > f.floor for f in (*columns, *pairs))


def test_labels_of_many_values_in_pairs_are_their_ten_most_frequent():
    """A pair of labels that go together: the synthetic ones do not, in a pair of which each has 30 values."""
    rng = np.random.default_rng(0)
    first = lambda: rng.geometric(0.3, 900).clip(1, 30)
    a, b = first(), first()
    real = table(900, 0).assign(drug=[f"d{k}" for k in a], dose=[f"x{k}" for k in a])
    drawn = table(900, 1).assign(
        drug=[f"d{k}" for k in b], dose=[f"x{k}" for k in rng.permutation(b)]
    )
    _, pairs = found(real, drawn, real)
    assert pairs[0].names == ("drug", "dose") and pairs[0].floor == 0.0 and pairs[0].value > 0.5


def test_a_code_that_was_lost_and_none_of_fewer_than_11_patients():
    real, fresh = codes(500, 0), codes(500, 1)
    many = real["code"].value_counts()
    columns, pairs = found(real, fresh[fresh["code"] != many.index[0]])
    assert columns[0].names == (many.index[0],) and columns[0].floor is None
    assert all(many[name] >= 11 for f in (*columns, *pairs) for name in f.names)
    assert (many < 11).any()
