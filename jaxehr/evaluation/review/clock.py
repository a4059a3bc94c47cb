"""Times since a patient's start, as they are said on a sheet."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxehr.evaluation.review.written import MOST

SECOND = 10**6
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
UNITS = (DAY, HOUR, MINUTE, SECOND)
IN_STEP = 100  # of the finest unit, a step has not more
LONG = 4 * DAY  # from where on hours are counted within days
TICKS = 6
NAMES = ((365 * DAY, "y"), (DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
MARKS = [n * SECOND for n in (1, 10)] + [n * MINUTE for n in (1, 5, 15, 30)]
MARKS += [n * HOUR for n in (1, 2, 6, 12)] + [n * DAY for n in (1, 2, 7, 14, 30, 90, 180)]
MARKS += [n * 365 * DAY for n in (1, 2, 5, 10, 20)]


class Clock(NamedTuple):
    """In microseconds.

    unit    that times are said in, rounded off
    until   where the last course of all ends
    """

    unit: int
    until: int

    @classmethod
    def of(cls, sets: Sequence[Int[np.ndarray, "_"]], step: int) -> "Clock":
        """The unit is the coarsest of day, hour, minute and second in which nearly all times of a set are whole, and of
        both sets the coarser one; of a step of the grid it is a hundredth at the least."""
        units = [unit for unit in UNITS if unit == DAY or unit * IN_STEP >= step]
        units += [step] if step < SECOND else []
        whole = lambda times: next(
            (unit for unit in units if (times % unit == 0).mean() >= MOST), units[-1]
        )
        return cls(max(map(whole, sets)), max(int(times.max()) for times in sets))

    def floor(self, times: np.ndarray) -> np.ndarray:
        return times // self.unit * self.unit

    def say(self, time: int) -> str:
        if self.unit % DAY == 0:
            return f"{time // DAY} d"
        if self.unit % SECOND:
            return f"{time / SECOND:g} s"
        days, rest = divmod(time, DAY) if self.until >= LONG else (0, time)
        said = f"{rest // HOUR}:{rest % HOUR // MINUTE:02}"
        said += f":{rest % MINUTE // SECOND:02}" if self.unit == SECOND else ""
        return f"{days} d {said}" if self.until >= LONG else said

    def axis(self) -> tuple[tuple[float, str], ...]:
        """Places from 0 to 1, and what is said there."""
        between = next((m for m in MARKS if m * TICKS >= self.until), MARKS[-1])
        between = max(between, self.unit)
        each, name = next(((u, name) for u, name in NAMES if between % u == 0), (between, ""))
        marks = range(0, self.until + 1, between)
        return tuple((self.place(m), f"{m // each} {name}" if m else "0") for m in marks)

    def place(self, time: int) -> float:
        return time / max(self.until, 1)
