"""Labels and the best that can be said of them: P(outcome | what is known), exactly, and the AUROC of who says that."""

from collections.abc import Iterator

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import DIES, NAMES
from jaxehr.data.hospital.chain import Chain, chain_of, place_of
from jaxehr.data.hospital.cohort import Cohort
from jaxehr.data.hospital.world import OLDEST, YOUNGEST, Reals, World

POINTS = 15
ROOTS = -np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS)  # of the Chebyshev polynomial, rising
MIDDLE, HALF = (OLDEST + YOUNGEST) / 2, (OLDEST - YOUNGEST) / 2
AGES = MIDDLE + HALF * ROOTS  # at which chains are integrated; between them the polynomial, to 2e-4
ROWS = 256  # patients at once


def label(cohort: Cohort, outcome: str, years: float) -> NDArray:
    """[n] whether the outcome came within `years` of entry, before death: 1 too where it was there. Never censored."""
    place = place_of(outcome)
    at = cohort.began[:, place]
    return (at <= cohort.age + years) & (at <= cohort.began[:, DIES])


def bayes(cohort: Cohort, outcome: str, years: float) -> Reals:
    """[n] P(label | static facts, age and true state at entry).

    About 0.1 s for each of POINTS ages and each profile of sex, smoking and group that there is.
    """
    chain = chain_of(cohort.world, (outcome, "death"))
    state = chain.index(cohort.state(cohort.age))
    chances = np.empty(len(state))
    for rows, statics in _by_profile(cohort):
        risks = _risks(chain, statics, outcome, years)
        chances[rows] = _at(risks, cohort.age[rows])[np.arange(len(rows)), state[rows]]
    return np.clip(chances, 0, 1)


def bayes_seen(cohort: Cohort, outcome: str, years: float) -> Reals:
    """[n] P(label | static facts, age, and the codes of diseases and drugs written at the visit of entry).

    Labs and background codes are not used. It takes as long as `bayes` and again that for the law of the states.
    """
    chain = chain_of(cohort.world, _tied(cohort.world, outcome))
    entered = np.flatnonzero(np.diff(cohort.patient, prepend=-1))
    written = np.hstack([cohort.coded, cohort.renewed])[entered]
    chances = np.empty(len(cohort.age))
    for rows, statics in _by_profile(cohort):
        risks = _risks(chain, statics, outcome, years)
        laws = chain.forward(statics, AGES)
        for some in np.array_split(rows, -(-len(rows) // ROWS)):
            law = np.clip(_at(laws, cohort.age[some]), 0, None)
            law *= _likelihood(chain, written[some])
            chances[some] = (law * _at(risks, cohort.age[some])).sum(1) / law.sum(1)
    return np.clip(chances, 0, 1)


def best_auroc(chances: Reals) -> float:
    """The AUROC, expected over labels drawn with these chances, of who ranks by them: none ranks better.

    P(p_i > p_j | y_i = 1, y_j = 0) over pairs of patients, ties by half.
    """
    _, places = np.unique(chances, return_inverse=True)
    ill = np.bincount(places, weights=chances)
    well = np.bincount(places, weights=1 - chances)
    alone = (chances * (1 - chances)).sum()  # a patient is no pair with itself
    pairs = ill.sum() * well.sum() - alone
    won = ill @ (well.cumsum() - well) + (ill @ well - alone) / 2
    return float(won / pairs)


def _tied(world: World, outcome: str) -> tuple[str, ...]:
    """Conditions that share a cause with the outcome or with death: the others say nothing of it, given the statics."""
    needed = set(chain_of(world, (outcome, "death")).conditions)
    return tuple(name for name in NAMES if needed & set(chain_of(world, (name,)).conditions))


def _risks(chain: Chain, statics: Reals, outcome: str, years: float) -> Reals:
    """[ages, S]"""
    return np.stack([chain.risk(statics, age, years, place_of(outcome)) for age in AGES])


def _at(values: Reals, ages: Reals) -> Reals:
    """[n, S] of values [AGES, S] at other ages."""
    powers = lambda scaled: chebyshev.chebvander(scaled, POINTS - 1)
    weights = np.linalg.solve(powers(ROOTS).T, powers((ages - MIDDLE) / HALF).T).T
    return weights @ values


def _likelihood(chain: Chain, written: NDArray) -> Reals:
    """P(codes written [n, J] | state) [n, S]"""
    world = chain.world
    there = np.concatenate([world.sensitivity, world.renewed])
    absent = np.concatenate([world.false, np.zeros(len(world.renewed))])
    chance = np.where(chain.bits, *(each[list(chain.conditions)] for each in (there, absent)))
    some = written[:, list(chain.conditions)][:, None, :]
    return np.where(some, chance, 1 - chance).prod(-1)


def _by_profile(cohort: Cohort) -> Iterator[tuple[NDArray, Reals]]:
    """Rows of the patients that share sex, smoking and group, and their static terms [5]."""
    profiles, places = np.unique(cohort.statics, axis=0, return_inverse=True)
    for i, statics in enumerate(profiles):
        yield np.flatnonzero(places.ravel() == i), statics
