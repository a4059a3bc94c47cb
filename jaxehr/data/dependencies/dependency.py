"""A dependency between columns: what holds, on how many patients, and on how many it would hold by chance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxehr.data.constraints import Constraint

LEAST = 11  # patients; what holds on fewer is not told, nor on how many of fewer it does not hold
NEARLY = 0.99  # of the rows that it is about: what is told, beside what always holds
OF_CHANCE = 0.1  # rows that break it, of those that would by chance
HARDLY = 0.02  # the same of what always holds, but for an error here and there
ALPHA = 0.0016  # that columns without any dependency show one, for each of the six kinds of search


class Dependency(NamedTuple):
    """What was found of some columns.

    laws    the constraints that say so
    said    in words
    held    patients on whom it holds
    of      patients of whom it can be asked: who have all of its values, and whom a condition is about
    chance  share of these on whom it would hold if each column were drawn by itself
    whole   where what follows is there, all that it follows from is, and the other way round, but for a few patients
    """

    laws: tuple[Constraint, ...]
    said: str
    held: int
    of: int
    chance: float
    whole: bool = True

    @property
    def breaks(self) -> int:
        return self.of - self.held

    @property
    def telling(self) -> float:
        """Patients on whom columns drawn each by itself would break it, beyond those who do."""
        return self.of * (1 - self.chance) - self.breaks

    @property
    def always(self) -> bool:
        """Whether it can be asked of draws: fewer patients break it than are learnt from, and hardly one that would by
        chance."""
        few = min(LEAST - 1, HARDLY * self.of * (1 - self.chance))
        return self.breaks <= few and self.whole

    def __str__(self) -> str:
        return f"{self.said}: {self._held}, by chance in {_percent(self.chance)}"

    @property
    def _held(self) -> str:
        if not self.breaks:
            return f"in all {self.of:,} patients"
        if self.breaks < LEAST:
            return f"in all but fewer than {LEAST} of {self.of // LEAST * LEAST:,} patients"
        return f"in {_percent(self.held / self.of)} of {self.of:,} patients"


def holds(
    held: ArrayLike, of: ArrayLike, chance: ArrayLike, tests: int, of_chance: float = OF_CHANCE
) -> np.ndarray:
    """Which of some laws are found, in as many tests.

    held, of    [k] patients on whom each holds, and whom it is about
    chance      [k] share on whom it would hold by chance
    of_chance   the most rows that may break it, of those that would by chance

    It holds on 11 patients at least, and by chance would be broken on as many; and so often that, over all tests, it
    would be found with the probability ALPHA in columns that have nothing to do with each other (binomial, Bonferroni).
    """
    from scipy.special import betainc

    right, asked, share = (np.asarray(each) for each in (held, of, chance))
    broken = asked * (1 - share)
    found = (right >= LEAST) & (broken >= LEAST) & (asked - right <= of_chance * broken)
    if found.any():
        k, n = right[found], asked[found]
        # Of n draws k or more, by the incomplete beta function.
        found[found] = betainc(k, n - k + 1, share[found]) * tests <= ALPHA
    return found


def _percent(share: float) -> str:
    """To two digits of what is left to the nearer of none and all."""
    share *= 100
    if share in (0.0, 100.0):
        return f"{share:.0f}%"
    digits = int(np.clip(np.ceil(-np.log10(min(share, 100 - share))), 0, 3))
    return f"{np.clip(share, 10.0**-digits, 100 - 10.0**-digits):.{digits}f}%"
