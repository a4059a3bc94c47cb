"""Columns of numbers that come round, as hours of the day do: the place on a circle."""

from dataclasses import dataclass, replace

import numpy as np

from jaxehr.codecs.numbers import END, Arrays, BoxCox, Number, Quantile, Scaled, lacking
from jaxehr.codecs.quantity import Quantity

# Of a circle that is as wide as the numbers beside it: from 0 to 1, or with a standard deviation of 1/(2 END) where
# all hours are equally likely.
RADIUS = {Number: 0.5, BoxCox: 0.5, Quantile: 2**0.5 / (2 * END)}


@dataclass(frozen=True)
class Cyclic(Scaled):
    """Cosine and sine of the angle, around 1/2 each, so that 23 o'clock is as far from midnight as 1 o'clock is.

    A draw need not lie on the circle: its angle alone is the number, rounded as the values are and kept in the period.
    The middle, which has no angle, is the start.
    """

    radius: float = 0.5

    @classmethod
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int, radius: float) -> "Cyclic":
        circle = cls(quantity, (0.5, 0.5), (0.0, 0.0), *lacking(numbers, least), radius)
        scaled = np.stack(circle._to_scale(quantity.learnt(numbers, least)))
        mean, std = scaled.mean(axis=1).tolist(), scaled.std(axis=1).tolist()
        return replace(circle, mean=tuple(mean), std=tuple(std))

    @property
    def axes(self) -> tuple[str, ...]:
        return f"{self.name}, cosine", f"{self.name}, sine"

    def _to_scale(self, numbers: np.ndarray) -> Arrays:
        angle = (numbers - self.quantity.start) * self._turn
        return 0.5 + self.radius * np.cos(angle), 0.5 + self.radius * np.sin(angle)

    def _of_scale(self, scaled: Arrays) -> np.ndarray:
        cosine, sine = scaled
        angle = np.arctan2(sine - 0.5, cosine - 0.5)
        return self.quantity.start + angle / self._turn

    @property
    def _turn(self) -> float:
        """The angle from one number to the next whole one."""
        assert self.quantity.period is not None
        return 2 * np.pi / self.quantity.period
