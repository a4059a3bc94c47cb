"""Columns of numbers and dates as arrays, and back: min-max, that of a power, or normal scores; on a circle in
`cyclic`, as categories in `bins`.

A column becomes arrays of three parts (number, bit, category), and its `decode` is the exact inverse of its `encode`
for values between the ends; what is beyond an end, which is an average where few patients are there, becomes the end.

`fit` learns from values that `least` patients have (jaxehr.codecs.shared). Missing values of fewer patients are not
learnt either: they are encoded as if they were in the middle.

`known` is for records of which only some cells are given: the arrays, and masks that say which entries are known.
A cell that is missing there is one to be filled in: its indicator is known to say that the value is there.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.quantity import Quantity
from jaxehr.data.schema import DataError

Named = tuple[tuple[str, str], ...]  # (part, name) of each array that a column becomes
Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Scaled:
    """A number on a scale of its own, or on several; where values are missing an indicator says so, and the mean stands
    in.

    mean, std   on the scale, or on each
    optional    there is an indicator
    filled      there were missing values, of too few patients for one
    """

    quantity: Quantity
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    optional: bool
    filled: bool = False

    @property
    def name(self) -> str:
        return self.quantity.name

    @property
    def missing(self) -> int:
        return -1

    def classes(self) -> tuple[int, ...]:
        return ()

    @property
    def axes(self) -> tuple[str, ...]:
        """What each scale is called."""
        return (self.name,)

    @property
    def scales(self) -> np.ndarray:
        """[scale, 2]: mean and standard deviation."""
        return np.stack([np.atleast_1d(self.mean), np.atleast_1d(self.std)], axis=1)

    def parts(self) -> Named:
        scaled = tuple(("number", axis) for axis in self.axes)
        return (*scaled, ("bit", f"{self.name} is missing")) if self.optional else scaled

    def encode(self, values: pd.Series) -> Arrays:
        numbers = self.quantity.held(self.quantity.numbers(values))
        missing = np.isnan(numbers)
        if missing.any() and not (self.optional or self.filled):
            raise unexpected(self.name, missing)
        scaled = self._on_scale(numbers)
        return (*scaled, missing.astype(np.int8)) if self.optional else scaled

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        numbers = self.quantity.numbers(values)
        seen = ~np.isnan(numbers)
        arrays = self._on_scale(self.quantity.held(numbers))
        masks = (seen,) * len(arrays)
        if not self.optional:
            return arrays, masks
        return (*arrays, np.zeros(len(seen), np.int8)), (*masks, np.ones(len(seen), bool))

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        numbers = self._of_scale(arrays[: len(self.axes)])
        if self.optional:
            numbers = np.where(arrays[-1] == 1, np.nan, numbers)
        return self.quantity.series(numbers)

    def to_json(self) -> dict[str, Any]:
        return {"type": type(self).__name__, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]):
        rest = {name: v for name, v in value.items() if name not in ("type", "quantity")}
        rest = {name: tuple(v) if isinstance(v, list) else v for name, v in rest.items()}
        return cls(quantity=Quantity.from_json(value["quantity"]), **rest)

    def _on_scale(self, numbers: np.ndarray) -> Arrays:
        """Of each scale; the mean where a number is missing."""
        scaled, missing = self._to_scale(numbers), np.isnan(numbers)
        means = np.atleast_1d(self.mean)
        return tuple(np.where(missing, mean, x) for mean, x in zip(means, scaled, strict=True))

    def _to_scale(self, numbers: np.ndarray) -> Arrays:
        """What it says of a number that is missing does not matter."""
        raise NotImplementedError

    def _of_scale(self, scaled: Arrays) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Scaled):
    """Min-max in [0, 1]; what is drawn outside is held at the ends, as EHRDiff does.

    Numbers come back within 2^-49 of the end of the range that is the larger in size, since the scale rounds; integers,
    dates, and decimals coarser than that, exactly.
    """

    @classmethod
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int) -> "Number":
        span = (quantity.high - quantity.low) or 1.0
        scaled = (quantity.learnt(numbers, least) - quantity.low) / span
        return cls(quantity, float(scaled.mean()), float(scaled.std()), *lacking(numbers, least))

    def _to_scale(self, numbers: np.ndarray) -> Arrays:
        q = self.quantity
        return ((numbers - q.low) / ((q.high - q.low) or 1.0),)

    def _of_scale(self, scaled: Arrays) -> np.ndarray:
        q = self.quantity
        return np.clip(scaled[0], 0, 1) * (q.high - q.low) + q.low


@dataclass(frozen=True)
class BoxCox(Number):
    """Min-max of (y^power - 1) / power, or of log y where the power is 0; the likeliest of powers under which that is
    normal (Box and Cox 1964). y is the number + 1e-3, as in the longitudinal DPM; where there are numbers below 0, over
    the lowest.

    A power under which float64 would lose digits of the values is moved towards 1, until none are lost.
    """

    power: float = 1.0

    @classmethod
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int) -> "BoxCox":
        from scipy.optimize import minimize_scalar
        from scipy.stats import boxcox_llf

        kept = quantity.learnt(numbers, least)
        scale = cls(quantity, 0.5, 0.0, *lacking(numbers, least))
        y = scale._shifted(kept)
        unlikely = lambda power: -float(boxcox_llf(power, y))
        power = float(minimize_scalar(unlikely, bounds=POWERS, method="bounded").x)
        while (moved := replace(scale, power=power))._loses(kept):
            power = 1 + (power - 1) / 2
        (scaled,) = moved._to_scale(kept)
        return replace(moved, mean=float(scaled.mean()), std=float(scaled.std()))

    def _to_scale(self, numbers: np.ndarray) -> Arrays:
        low, high = self._ends
        return ((self._powered(numbers) - low) / ((high - low) or 1.0),)

    def _of_scale(self, scaled: Arrays) -> np.ndarray:
        from scipy.special import inv_boxcox

        low, high = self._ends
        y = inv_boxcox(np.clip(scaled[0], 0, 1) * (high - low) + low, self.power)
        return y - self._shifted(np.zeros(()))

    def _powered(self, numbers: np.ndarray) -> np.ndarray:
        from scipy.special import boxcox

        return boxcox(self._shifted(numbers), self.power)

    def _shifted(self, numbers: np.ndarray) -> np.ndarray:
        return numbers - min(self.quantity.low, 0.0) + 1e-3

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self._powered(np.array([self.quantity.low, self.quantity.high]))
        return float(low), float(high)

    def _loses(self, numbers: np.ndarray) -> bool:
        """Whether a number does not come back within a billionth of the range, or a tenth of its last decimal."""
        q = self.quantity
        near = 1e-9 * (q.high - q.low)
        if q.decimals is not None:
            near = min(near, 0.1 * 10.0**-q.decimals)
        found = self._of_scale(self._to_scale(numbers))
        # The linear scale is as good as it gets.
        return self.power != 1 and not (np.abs(found - numbers) <= near).all()


POWERS = (-5.0, 5.0)  # that are tried


@dataclass(frozen=True)
class Quantile(Scaled):
    """Normal scores, shrunk into [0, 1]: Phi^-1 of the quantile, as TabDDPM's QuantileTransformer, over 2 x 5.2.

    The way back is the data's own quantile function, so that values keep their range without piling up at its ends, and
    a value that many share comes back as itself. What lies nearer to an end than 1e-7 of the distribution becomes the
    end, as there. `mean` and `std` are those of the scores.

    knots   quantiles of the values learnt from at equal steps, at most 1,001 as there
    edge    rank of the first knot, and one less that of the last: the middle of those that are held there
    """

    knots: tuple[float, ...] = ()
    edge: float = 0.0

    @classmethod
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int) -> "Quantile":
        kept = quantity.learnt(numbers, least)
        count = max(min(len(kept) // 30, 1000), 10)
        # To one digit: the number of rows would tell how few were left out.
        edge = float(f"{least / (2 * len(kept)):.1g}") if least > 1 else 0.0
        knots = np.quantile(kept, np.linspace(edge, 1 - edge, count))
        optional, filled = lacking(numbers, least)
        scale = cls(quantity, 0.5, 0.0, optional, filled, tuple(knots.tolist()), edge)
        (scores,) = scale._to_scale(kept)
        return replace(scale, mean=float(scores.mean()), std=float(scores.std()))

    @property
    def _ranks(self) -> np.ndarray:
        return np.linspace(self.edge, 1 - self.edge, len(self.knots))

    def _to_scale(self, numbers: np.ndarray) -> Arrays:
        from scipy.special import ndtri

        q, knots, x = self._ranks, np.array(self.knots), numbers
        # From both sides: a value that spans several knots goes to the middle of its span.
        rank = (np.interp(x, knots, q) + 1 - np.interp(-x, -knots[::-1], q)) / 2
        return (0.5 + np.clip(ndtri(np.clip(rank, 1e-12, 1 - 1e-12)), -END, END) / (2 * END),)

    def _of_scale(self, scaled: Arrays) -> np.ndarray:
        from scipy.special import ndtr

        score = (np.asarray(scaled[0], np.float64) - 0.5) * (2 * END)
        # The ends of the scale are the ends of the data.
        rank = np.where(np.abs(score) >= END * (1 - 1e-7), score > 0, ndtr(score))
        return np.interp(rank, self._ranks, np.array(self.knots))


END = 5.199337582605575  # Phi^-1(1 - 1e-7): where scikit-learn's QuantileTransformer ends


def lacking(numbers: np.ndarray, least: int) -> tuple[bool, bool]:
    """Whether enough patients lack the value for that to be learnt; and whether some do, but too few."""
    missing = int(np.isnan(numbers).sum())
    return missing >= max(least, 1), 0 < missing < least


def unexpected(name: str, missing: np.ndarray) -> DataError:
    return DataError(
        f"column '{name}' has {missing.sum():,} missing values, but had none in training"
    )
