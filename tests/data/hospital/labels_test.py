"""Bayes's labels: calibrated, sharp, and no better than can be.

A z score lies beyond LIMIT once in 150,000 times by chance; there are 10 here: one false alarm in 15,000 seeds.
"""

from dataclasses import replace

import numpy as np
import pytest

from jaxehr.data.hospital import labels
from jaxehr.data.hospital.centres import DIES, NAMES
from jaxehr.data.hospital.chain import chain_of
from jaxehr.data.hospital.cohort import cohort
from jaxehr.data.hospital.world import world_of

LIMIT = 4.5
WORLD = world_of(0)
ONE = {"sex": "female", "smoking": "current", "group": "A"}  # a profile: seconds, not half a minute


@pytest.fixture(scope="module")
def drawn():
    return cohort(4_000, 6, do=ONE)


@pytest.fixture(scope="module")
def known(drawn):
    return labels.bayes(drawn, "death", 5.0), labels.bayes_seen(drawn, "death", 5.0)


def calibration(label, chances):
    """z of labels less chances: of all, of the likely, and weighted by the chances."""
    off, variance = label - chances, chances * (1 - chances)
    weights = [np.ones(len(chances)), chances > np.quantile(chances, 0.9), chances]
    return [(w * off).sum() / np.sqrt((w**2 * variance).sum()) for w in weights]


def auroc(label, score):
    from scipy.stats import mannwhitneyu

    ill, well = score[label], score[~label]
    return mannwhitneyu(ill, well).statistic / len(ill) / len(well)


def test_labels_come_with_the_chances_that_are_said(drawn, known):
    label = labels.label(drawn, "death", 5.0)
    for chances in known:
        assert np.abs(calibration(label, chances)).max() < LIMIT


@pytest.mark.parametrize("fault", [{"effect": 0.5}, {"slope": 0.8}])
def test_the_chances_of_another_law_are_caught(drawn, fault):
    (name, by), = fault.items()  # fmt: skip
    wrong = replace(drawn, world=replace(WORLD, **{name: getattr(WORLD, name) * by}))
    label = labels.label(drawn, "death", 5.0)
    assert np.abs(calibration(label, labels.bayes(wrong, "death", 5.0))).max() > LIMIT


def test_what_is_seen_says_less_and_says_it_right(known):
    """E[P(label | state) | seen] = P(label | seen)."""
    latent, seen = known
    off = latent - seen
    for weights in (np.ones(len(off)), seen, seen > np.quantile(seen, 0.9)):
        assert abs((weights * off).sum()) < LIMIT * np.sqrt(((weights * off) ** 2).sum())
    assert seen.var() < latent.var()
    assert labels.best_auroc(seen) < labels.best_auroc(latent)


def test_the_best_auroc_is_reached_by_bayes_and_by_nobody_else(drawn, known):
    """The standard error of an AUROC is at most sqrt(A (1 - A) / min(ill, well)) (Birnbaum and Klose 1957)."""
    label, (latent, _) = labels.label(drawn, "death", 5.0), known
    best = labels.best_auroc(latent)
    error = np.sqrt(best * (1 - best) / min(label.sum(), (~label).sum()))
    assert abs(auroc(label, latent) - best) < LIMIT * error
    assert auroc(label, drawn.age) < best


def test_the_best_auroc_over_all_pairs():
    chances = np.array([0.1, 0.1, 0.3, 0.5, 0.5, 0.5, 0.9])
    won = pairs = 0.0
    for i, p in enumerate(chances):
        for j, q in enumerate(chances):
            if i != j:
                pairs += p * (1 - q)
                won += p * (1 - q) * ((p > q) + (p == q) / 2)
    assert labels.best_auroc(chances) == pytest.approx(won / pairs, abs=1e-12)
    assert labels.best_auroc(np.full(5, 0.2)) == pytest.approx(0.5)


def test_between_the_ages_of_the_integration(drawn):
    """The polynomial against an integration at the very age: 5e-4 for any state, 5e-5 on average."""
    chain = chain_of(WORLD, ("death",))
    statics = drawn.statics[0]
    risks = labels._risks(chain, statics, "death", 5.0)
    for age in (20.0, 47.3, 71.9, 90.0):
        off = np.abs(labels._at(risks, np.array([age]))[0] - chain.risk(statics, age, 5.0, DIES))
        assert off.max() < 5e-4
        assert off @ chain.forward(statics, [age])[0] < 5e-5


def test_a_disease_that_is_there_is_certain():
    few = cohort(200, 8, do=ONE | {"age": 75.0})
    there = few.state(few.age)[:, NAMES.index("stroke")]
    chances = labels.bayes(few, "stroke", 3.0)
    assert there.any() and chances[there].min() > 1 - 1e-9 and chances[~there].max() < 1
    assert np.all(labels.label(few, "stroke", 3.0)[there])
