"""A life as a race of hazards: which condition begins when, and death.

Every hazard is exp(log_hazard(state) + slope (age - 60)), so its integral has a closed form and each next time is
exact: condition j begins when what has passed of its integral reaches E_j ~ Exp(1) (Gibson and Bruck 2000, next
reaction method). No grid of time.
"""

import numpy as np
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import DIES, NAMES, REFERENCE_AGE
from jaxehr.data.hospital.world import Reals, World


def courses(
    world: World, statics: Reals, entry: Reals, left: Reals, treated: dict[str, int]
) -> Reals:
    """Ages [n, J + 1] at which conditions begin and death comes; inf where a condition never does.

    left     draws of Exp(1) [n, J + 1]
    treated  treatments that are begun at entry (1) or stopped and never begun after it (0), whatever the state

    Nobody dies before entry.
    """
    began = np.full(left.shape, np.inf)
    state = np.zeros((len(entry), DIES), bool)
    barred = np.zeros(DIES + 1, bool)
    barred[DIES] = True
    left = _race(world, statics, (np.zeros(len(entry)), entry), left, (began, state), barred)
    barred[DIES] = False
    for name, given in treated.items():
        place = NAMES.index(name)
        barred[place] = True
        state[:, place] = bool(given)
        began[:, place] = np.minimum(began[:, place], entry) if given else np.inf
    _race(world, statics, (entry, np.full(len(entry), np.inf)), left, (began, state), barred)
    return began


def _race(
    world: World,
    statics: Reals,
    span: tuple[Reals, Reals],
    left: Reals,
    course: tuple[Reals, NDArray],
    barred: NDArray,
) -> Reals:
    """From an age to another, or to death, whichever is first. Fills in the course; what is left of the draws."""
    began, state = course
    age, until = span[0].copy(), span[1]
    left = left.copy()
    scale = np.exp(world.log_hazard(statics, state)) / world.slope  # of the integral of each hazard
    scale[:, :DIES][state] = 0
    scale[:, barred] = 0
    ratio = np.exp(world.effect.T)
    rows = np.flatnonzero(age < until)
    while len(rows):
        pace = scale[rows]
        passed = np.exp(world.slope * (age[rows, None] - REFERENCE_AGE))
        wait = np.divide(left[rows], pace, out=np.full_like(pace, np.inf), where=pace > 0)
        when = REFERENCE_AGE + np.log(passed + wait) / world.slope
        first = when.argmin(1)
        age[rows] = np.minimum(when.min(1), until[rows])
        spent = np.exp(world.slope * (age[rows, None] - REFERENCE_AGE)) - passed
        left[rows] = np.maximum(left[rows] - pace * spent, 0)
        hit = age[rows] < until[rows]
        rows, first = rows[hit], first[hit]
        began[rows, first] = age[rows]
        rows, first = rows[first < DIES], first[first < DIES]
        state[rows, first] = True
        scale[rows] *= ratio[first]
        scale[rows, first] = 0
    return left
