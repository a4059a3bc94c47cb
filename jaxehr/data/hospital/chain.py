"""The same race as a Markov chain on the 2^k states of k conditions: Kolmogorov's equations, integrated numerically.

Nothing here draws, and nothing is shared with what does but the parameters. A state is a whole number whose bit i says
whether the chain's i-th condition has begun.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import DIES, NAMES, REFERENCE_AGE
from jaxehr.data.hospital.world import Reals, World
from jaxehr.data.kinds import DataError

RELATIVE, ABSOLUTE = 1e-8, 1e-10  # errors allowed in a step of the integration


@dataclass(frozen=True, eq=False)
class Chain:
    """Conditions that are enough for one another: no hazard among them depends on one that is left out.

    conditions  places in NAMES [k]
    ratio       hazard ratios [S, k + 1], the last of death: 0 where the condition has begun
    """

    world: World
    conditions: tuple[int, ...]
    bits: NDArray
    ratio: Reals

    def index(self, state: NDArray) -> NDArray:
        """Which of the S states these [..., J] are."""
        return state[..., list(self.conditions)] @ (1 << np.arange(len(self.conditions)))

    def has(self, outcome: int) -> NDArray:
        """[S] whether it has begun; of death, in none of them."""
        if outcome == DIES:
            return np.zeros(len(self.bits), bool)
        return self.bits[:, self.conditions.index(outcome)] == 1

    def forward(self, statics: Reals, ages: Reals) -> Reals:
        """P(state) [ages, S] at rising ages, of patients with statics [5] who enter then: nobody died before."""
        leaves = self.ratio.copy()
        leaves[:, -1] = 0
        hazard, (goes, set_to) = self._hazard(statics), _flow(leaves)
        comes = goes.T  # of the same rates
        start = np.zeros(len(leaves))
        start[0] = 1

        def rate(age: float, p: Reals) -> Reals:
            leaving = set_to(hazard(age))
            return comes @ p - leaving * p

        return _integrated(rate, start, np.asarray(ages, float))

    def risk(
        self, statics: Reals, age: float, years: float, outcome: int, barred: Iterable[int] = ()
    ) -> Reals:
        """P(outcome within `years` of `age` | state) [S]. Of a condition: that it begins before death, 1 where it has.

        outcome, barred  places in NAMES, DIES for death; what is barred does not begin in that time
        """
        leaves = self.ratio.copy()
        leaves[
            :, [self.conditions.index(place) for place in barred if place in self.conditions]
        ] = 0
        there = self.has(outcome)
        leaves[there] = 0
        hazard, (goes, set_to) = self._hazard(statics), _flow(leaves)
        dies = leaves[:, -1] * (outcome == DIES)

        def rate(left: float, u: Reals) -> Reals:
            """Backward: u with `left` years to go."""
            now = hazard(age + years - left)
            leaving = set_to(now)
            return goes @ u + dies * now[-1] - leaving * u

        return _integrated(rate, there.astype(float), np.array([float(years)]))[0]

    def _hazard(self, statics: Reals):
        """hazard(age) [k + 1] of who has no condition."""
        places = [*self.conditions, DIES]
        at_sixty = self.world.rate[places] * np.exp(self.world.static[places] @ statics)
        slope = self.world.slope[places]
        return lambda age: at_sixty * np.exp(slope * (age - REFERENCE_AGE))


@lru_cache(maxsize=16)
def chain_of(world: World, names: tuple[str, ...]) -> Chain:
    """The least chain that holds these conditions; with what death depends on, where "death" is among them."""
    needed: set[int] = set()
    new = {place_of(name) for name in names}
    while new:
        needed |= new
        new = {int(k) for place in new for k in np.flatnonzero(world.effect[place])} - needed
    conditions = tuple(sorted(needed - {DIES}))
    bits = (np.arange(2 ** len(conditions))[:, None] >> np.arange(len(conditions))) & 1
    ratio = np.exp(bits @ world.effect[[*conditions, DIES]][:, list(conditions)].T)
    ratio[:, :-1] *= 1 - bits
    return Chain(world, conditions, bits, ratio)


def place_of(outcome: str) -> int:
    """Of a condition among NAMES, or of "death" after them. Raises DataError for another name."""
    if outcome == "death":
        return DIES
    if outcome not in NAMES:
        raise DataError(f"no condition '{outcome}'; there are {', '.join(NAMES)} and death")
    return NAMES.index(outcome)


def _flow(leaves: Reals):
    """Rates at which each state is left for each other, sparse [S, S], and what sets them: set_to(hazards [k + 1]).

    set_to returns the rates at which each state is left at all [S], for death too.
    """
    from scipy.sparse import csr_array

    state, which = np.nonzero(leaves[:, :-1])
    starts = np.searchsorted(state, np.arange(len(leaves) + 1))
    ratio = leaves[state, which]
    goes = csr_array((ratio.copy(), state | (1 << which), starts), shape=(len(leaves),) * 2)

    def set_to(hazards: Reals) -> Reals:
        np.multiply(ratio, hazards[which], out=goes.data)
        return np.einsum("sk,k->s", leaves, hazards)

    return goes, set_to


def _integrated(rate, start: Reals, ends: Reals) -> Reals:
    """The solution from 0 at rising `ends` [ends, S]."""
    from scipy.integrate import solve_ivp

    if ends[-1] <= 0:
        return np.repeat(start[None], len(ends), axis=0)
    found = solve_ivp(rate, (0.0, ends[-1]), start, "DOP853", ends, rtol=RELATIVE, atol=ABSOLUTE)
    if not found.success:
        raise ArithmeticError(f"the chain could not be integrated: {found.message}")
    return found.y.T
