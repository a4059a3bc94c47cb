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
    rows = np.arange(len(age))
    going = age < until
    while going.any():
        hazard = np.exp(world.log_hazard(statics, state)) / world.slope
        hazard[:, :DIES][state] = 0
        hazard[:, barred] = 0
        passed = np.exp(world.slope * (age[:, None] - REFERENCE_AGE))
        reached = passed + np.divide(left, hazard, out=np.full_like(left, np.inf), where=hazard > 0)
        when = REFERENCE_AGE + np.log(reached) / world.slope
        first = when.argmin(1)
        now = np.where(going, np.minimum(when[rows, first], until), age)
        left -= hazard * (np.exp(world.slope * (now[:, None] - REFERENCE_AGE)) - passed)
        np.maximum(left, 0, out=left)
        hit = going & (now < until)
        began[rows[hit], first[hit]] = now[hit]
        ill = hit & (first < DIES)
        state[rows[ill], first[ill]] = True
        age = now
        going &= ill
    return left
