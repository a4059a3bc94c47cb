"""Labs at two visits: what the law says of them, against draws; and draws of a law with a fault, which must be caught.

A z score lies beyond LIMIT once in 150,000 times by chance. There are 16 of true laws: one false alarm in 9,000 choices
of the seed, which is fixed.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from jaxehr.data import DataError
from jaxehr.data.hospital import truths, twice
from jaxehr.data.hospital.centres import LABS, NAMES
from jaxehr.data.hospital.cohort import cohort
from jaxehr.data.hospital.world import world_of

LIMIT = 4.5
WORLD = world_of(0)
GAPS = np.linspace(0, 10, 300)  # years at which truths are computed; between them a line
LAGS = range(1, 7)  # a visit and so manieth next ones


def z_of_sums(patient, off):
    """Of independent patients, whose sums have mean 0."""
    sums = np.bincount(patient, off)
    return sums.sum() / np.sqrt((sums**2).sum())


def between(gap):
    """Values at GAPS -> at these years."""
    return lambda values: np.interp(gap, GAPS, values)


@cache
def visits(world):
    """A cohort, and the rows of pairs of visits of one patient."""
    drawn = cohort(6_000, 11, world=world)
    first = [np.flatnonzero(drawn.patient[k:] == drawn.patient[:-k]) for k in LAGS]
    later = [rows + k for rows, k in zip(first, LAGS, strict=True)]
    return drawn, np.concatenate(first), np.concatenate(later)


def pairs(world, lab, state, then):
    """(cohort, first visits, later ones, years between, whether the lab is ordered at both) where the conditions that
    matter to the lab are those in `state`, and `then`."""
    drawn, *rows = visits(world)
    place = list(LABS).index(lab)
    matter = (WORLD.shift[place] != 0) | (WORLD.order_by[place] != 0)
    there = drawn.visit_state()[:, matter]
    right = [(there == truths.state_of(names)[matter]).all(1) for names in (state, then)]
    kept = right[0][rows[0]] & right[1][rows[1]]
    first, later = (each[kept] for each in rows)
    gap = drawn.visit_age[later] - drawn.visit_age[first]
    return drawn, first, later, gap, drawn.ordered[first, place] & drawn.ordered[later, place]


def what_is_seen(world):
    """P(ordered at both); means, variances and covariance of the deviations that are seen."""
    scores = []
    for lab, state, then in (("haemoglobin", (), ()), ("ldl", ("lipids",), ("lipids", "statin"))):
        drawn, first, later, gap, both = pairs(world, lab, state, then)
        known, at = twice.seen(WORLD, lab, GAPS, state, then), between(gap)
        patient = drawn.patient[first]
        place = list(LABS).index(lab)
        x, y = (
            drawn.deviation[rows, place] - at(mean)
            for rows, mean in zip((first, later), known.means, strict=True)
        )
        v, w = (at(variance) for variance in known.variances)
        scores.append(z_of_sums(patient, both - at(known.ordered)))
        for off in (x, y, x**2 - v, y**2 - w, x * y - at(known.correlation) * np.sqrt(v * w)):
            scores.append(z_of_sums(patient, both * off))
    return scores


def changes(world, law=WORLD):
    """Of LDL: of who begins a statin between two visits, and who does not."""
    state, scores = ("lipids",), []
    known = twice.change(law, "ldl", "statin", GAPS, state)
    for then, mean in (((*state, "statin"), known.begun), (state, known.without)):
        drawn, first, later, gap, both = pairs(world, "ldl", state, then)
        values = drawn.values()[:, list(LABS).index("ldl")]
        off = values[later] - values[first] - between(gap)(mean)
        scores.append(z_of_sums(drawn.patient[first], both * off))
    return scores


@pytest.mark.parametrize("check", [what_is_seen, changes], ids=lambda check: check.__name__)
def test_draws_obey_the_truth(check):
    assert np.abs(check(WORLD)).max() < LIMIT


def test_who_is_measured_changes_what_is_seen_of_a_treatment():
    """In a world where labs soon forget, values say much of who is measured, and all that a statin does is that more
    of them are."""
    strong = replace(
        changed("order_value", ..., 8),
        decay=20 * WORLD.decay,
        shift=np.zeros_like(WORLD.shift),
        order_by=6 * WORLD.order_by,
        order=WORLD.order - 6,
    )
    assert np.abs(changes(strong, strong)).max() < LIMIT
    found = twice.change(strong, "ldl", "statin", 1.0, ["lipids"])
    assert found.effect == 0 and found.begun < -9 and abs(found.without) < 0.3


def changed(name, place, by):
    values = getattr(WORLD, name).copy()
    values[place] *= by
    return replace(WORLD, **{name: values})


STATIN = NAMES.index("statin")
FAULTS = {
    "labs forget faster": (what_is_seen, ("decay", ..., 1.5)),
    "values do not matter to who is measured": (what_is_seen, ("order_value", ..., 0)),
    "diseases do not matter to it": (what_is_seen, ("order_by", ..., 0)),
    "a statin does less": (changes, ("shift", (..., STATIN), 0.7)),
    "labs rise faster with age": (changes, ("by_decade", ..., 30)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault):
    check, change = FAULTS[fault]
    assert np.abs(check(changed(*change))).max() > LIMIT


def test_at_once_and_long_after():
    """Two looks at one value are those of `truths.seen` with the odds twice; a century later they are independent."""
    one, far = truths.seen(WORLD, "crp"), twice.seen(WORLD, "crp", [0.0, 100.0])
    assert far.correlation == pytest.approx([1, 0], abs=1e-9)
    assert far.ordered[1] == pytest.approx(one.ordered**2, rel=1e-6)
    assert far.ordered[0] > one.ordered**2
    assert [each[1] for each in (*far.means, *far.variances)] == pytest.approx(
        [one.mean] * 2 + [one.variance] * 2, rel=1e-5
    )


def test_a_value_that_does_not_say_who_is_measured_is_seen_as_it_is():
    """Then what is seen has the law's own correlation, and a treatment is seen to do what it does, beside age."""
    blind = replace(WORLD, order_value=np.zeros(len(LABS)))
    years = np.array([0.1, 1.0, 4.0])
    assert twice.seen(blind, "bnp", years).correlation == pytest.approx(
        truths.autocorrelation(blind, "bnp", years)
    )
    found = twice.change(blind, "ldl", "statin", years, ["lipids"])
    assert found.effect == blind.shift[list(LABS).index("ldl"), STATIN] < 0
    assert found.begun - found.without == pytest.approx(np.full(3, found.effect))
    assert found.without == pytest.approx(blind.by_decade[list(LABS).index("ldl")] * years / 10)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: twice.seen(WORLD, "gout", 1.0), "no lab 'gout'"),
        (lambda: twice.seen(WORLD, "ldl", 1.0, ["gout"]), "no condition 'gout'"),
        (lambda: twice.change(WORLD, "ldl", "lipids", 1.0), "no treatment 'lipids'"),
    ],
)
def test_what_is_none_of_the_law_is_refused(ask, said):
    with pytest.raises(DataError, match=said):
        ask()
