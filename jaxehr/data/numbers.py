"""Columns of numbers and dates as arrays, and back: min-max, normal scores, or categories.

A column becomes arrays of three parts (number, bit, category), and its `decode` is the exact inverse of its `encode`.

`known` is for records of which only some cells are given: the arrays, and masks that say which entries are known.
A cell that is missing there is one to be filled in: its indicator is known to say that the value is there.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.quantity import Quantity
from jaxehr.data.schema import Column, DataError

Named = tuple[tuple[str, str], ...]  # (part, name) of each array that a column becomes
Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _Scaled:
    """A number on a scale of its own; where values are missing an indicator says so, and the mean stands in."""

    quantity: Quantity
    mean: float  # on the scale
    std: float
    optional: bool

    @property
    def name(self) -> str:
        return self.quantity.name

    @property
    def missing(self) -> int:
        return -1

    def classes(self) -> tuple[int, ...]:
        return ()

    def parts(self) -> Named:
        scaled = ("number", self.name)
        return (scaled, ("bit", f"{self.name} is missing")) if self.optional else (scaled,)

    def encode(self, values: pd.Series) -> Arrays:
        numbers = self.quantity.numbers(values)
        missing = np.isnan(numbers)
        if missing.any() and not self.optional:
            raise _unexpected(self.name, missing)
        scaled = self._to_scale(numbers)
        return (scaled, missing.astype(np.int8)) if self.optional else (scaled,)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        numbers = self.quantity.numbers(values)
        seen = ~np.isnan(numbers)
        arrays = (self._to_scale(np.clip(numbers, self.quantity.low, self.quantity.high)),)
        if not self.optional:
            return arrays, (seen,)
        return (*arrays, np.zeros(len(seen), np.int8)), (seen, np.ones(len(seen), bool))

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        numbers = self._of_scale(arrays[0])
        if len(arrays) > 1:
            numbers = np.where(arrays[1] == 1, np.nan, numbers)
        return self.quantity.series(numbers)

    def to_json(self) -> dict[str, Any]:
        return {"type": type(self).__name__, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]):
        rest = {name: v for name, v in value.items() if name not in ("type", "quantity")}
        return cls(quantity=Quantity.from_json(value["quantity"]), **rest)

    def _to_scale(self, numbers: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _of_scale(self, scaled: np.ndarray) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class Number(_Scaled):
    """Min-max in [0, 1]; what is drawn outside is held at the ends, as EHRDiff does.

    Numbers come back within 2^-49 of the end of the range that is the larger in size, since the scale rounds; integers,
    dates, and decimals coarser than that, exactly.
    """

    @classmethod
    def fit(cls, values: pd.Series, column: Column) -> "Number":
        quantity = Quantity.fit(values, column)
        numbers = quantity.numbers(values)
        span = (quantity.high - quantity.low) or 1.0
        seen = (numbers[~np.isnan(numbers)] - quantity.low) / span
        return cls(quantity, float(seen.mean()), float(seen.std()), len(seen) < len(numbers))

    def _to_scale(self, numbers: np.ndarray) -> np.ndarray:
        q = self.quantity
        return np.where(np.isnan(numbers), self.mean, (numbers - q.low) / ((q.high - q.low) or 1.0))

    def _of_scale(self, scaled: np.ndarray) -> np.ndarray:
        q = self.quantity
        return np.clip(scaled, 0, 1) * (q.high - q.low) + q.low


@dataclass(frozen=True)
class Quantile(_Scaled):
    """Normal scores, shrunk into [0, 1]: Phi^-1 of the quantile, as TabDDPM's QuantileTransformer, over 2 x 5.2.

    The way back is the data's own quantile function, so that values keep their range without piling up at its ends, and
    a value that many share comes back as itself. What lies nearer to an end than 1e-7 of the distribution becomes the
    end, as there. `mean` and `std` are those of the scores.

    knots   quantiles of the values seen at equal steps, at most 1,001 as there
    """

    knots: tuple[float, ...] = ()

    @classmethod
    def fit(cls, values: pd.Series, column: Column) -> "Quantile":
        quantity = Quantity.fit(values, column)
        numbers = quantity.numbers(values)
        seen = numbers[~np.isnan(numbers)]
        count = max(min(len(seen) // 30, 1000), 10)
        knots = np.quantile(seen, np.linspace(0, 1, count))
        scale = cls(quantity, 0.5, 0.0, len(seen) < len(numbers), tuple(knots.tolist()))
        scores = scale._to_scale(seen)
        return cls(quantity, float(scores.mean()), float(scores.std()), scale.optional, scale.knots)

    def _to_scale(self, numbers: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        q, knots = np.linspace(0, 1, len(self.knots)), np.array(self.knots)
        x = np.where(np.isnan(numbers), knots[0], numbers)
        # From both sides: a value that spans several knots goes to the middle of its span.
        rank = (np.interp(x, knots, q) + 1 - np.interp(-x, -knots[::-1], q)) / 2
        scores = 0.5 + np.clip(ndtri(np.clip(rank, 1e-12, 1 - 1e-12)), -END, END) / (2 * END)
        return np.where(np.isnan(numbers), self.mean, scores)

    def _of_scale(self, scaled: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        score = (np.asarray(scaled, np.float64) - 0.5) * (2 * END)
        # The ends of the scale are the ends of the data.
        rank = np.where(np.abs(score) >= END * (1 - 1e-7), score > 0, ndtr(score))
        return np.interp(rank, np.linspace(0, 1, len(self.knots)), np.array(self.knots))


END = 5.199337582605575  # Phi^-1(1 - 1e-7): where scikit-learn's QuantileTransformer ends


@dataclass(frozen=True)
class Bins:
    """A number as categories: each frequent value is a class of its own, the others lie in bins of equal frequency.

    A bin is halved into `FINE` finer ones, a category too, and the place inside these is a number in [0, 1] that is as
    good as uniform. A missing value is the last class.

    spikes      values that are classes: all of them where they are few, else those that 1 in 100 have
    knots       quantiles of the other values, one more than there are finest bins; empty where there are none
    """

    quantity: Quantity
    spikes: tuple[float, ...]
    knots: tuple[float, ...]
    optional: bool

    @classmethod
    def fit(cls, values: pd.Series, column: Column) -> "Bins":
        quantity = Quantity.fit(values, column)
        numbers = quantity.numbers(values)
        seen = numbers[~np.isnan(numbers)]
        distinct, counts = np.unique(seen, return_counts=True)
        few = len(distinct) <= FEW
        spikes = distinct if few else distinct[counts >= max(len(seen) / 100, 2)]
        others = seen[~np.isin(seen, spikes)]
        knots = np.quantile(others, np.linspace(0, 1, COARSE * FINE + 1)) if len(others) else others
        optional = len(seen) < len(numbers)
        return cls(quantity, tuple(spikes.tolist()), tuple(knots.tolist()), optional)

    @property
    def name(self) -> str:
        return self.quantity.name

    @property
    def missing(self) -> int:
        return self._valued if self.optional else -1

    @property
    def _valued(self) -> int:
        return len(self.spikes) + (COARSE if self.knots else 0)

    def classes(self) -> tuple[int, ...]:
        first = self._valued + self.optional
        return (first, FINE) if self.knots else (first,)

    def parts(self) -> Named:
        first = ("category", self.name)
        if not self.knots:
            return (first,)
        return first, ("category", f"{self.name}, finer"), ("number", f"{self.name}, in its bin")

    def encode(self, values: pd.Series) -> Arrays:
        numbers = self.quantity.numbers(values)
        missing = np.isnan(numbers)
        if missing.any() and not self.optional:
            raise _unexpected(self.name, missing)
        return self._tokens(numbers)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        numbers = self.quantity.numbers(values)
        arrays = self._tokens(np.clip(numbers, self.quantity.low, self.quantity.high))
        return arrays, (~np.isnan(numbers),) * len(arrays)

    def _tokens(self, numbers: np.ndarray) -> Arrays:
        spikes, missing = np.array(self.spikes), np.isnan(numbers)
        x = np.where(missing, self.quantity.low, numbers)
        token = np.zeros(len(x), np.int64)
        is_spike = np.zeros(len(x), bool)
        if len(spikes):
            token = np.clip(np.searchsorted(spikes, x), 0, len(spikes) - 1)
            nearest = np.abs(spikes[token] - x) > np.abs(spikes[np.maximum(token - 1, 0)] - x)
            token = np.where(nearest, np.maximum(token - 1, 0), token)
            is_spike = spikes[token] == x
        if not self.knots:
            return (np.where(missing, self.missing, token),)
        knots = np.array(self.knots)
        at = np.interp(x, knots, np.arange(len(knots), dtype=float))
        cell = np.clip(np.floor(at).astype(int), 0, COARSE * FINE - 1)
        fine, place = cell % FINE, at - cell
        coarse = np.where(is_spike, token, len(spikes) + cell // FINE)
        plain = is_spike | missing
        return (
            np.where(missing, self._valued, coarse),
            np.where(plain, 0, fine),
            np.where(plain, 0.5, place),
        )

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        token = arrays[0].astype(int)
        values = np.append(np.array(self.spikes), np.full(COARSE + 1, np.nan))[token]
        if self.knots:
            binned = (token >= len(self.spikes)) & (token < self._valued)
            cell = (token - len(self.spikes)) * FINE + arrays[1]
            at = np.clip(cell + np.clip(arrays[2], 0, 1), 0, COARSE * FINE)
            drawn = np.interp(at, np.arange(len(self.knots), dtype=float), np.array(self.knots))
            values = np.where(binned, drawn, values)
        return self.quantity.series(values)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Bins", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Bins":
        quantity = Quantity.from_json(value["quantity"])
        return cls(quantity, tuple(value["spikes"]), tuple(value["knots"]), value["optional"])


FEW, COARSE, FINE = 128, 32, 32


def _unexpected(name: str, missing: np.ndarray) -> DataError:
    return DataError(
        f"column '{name}' has {missing.sum():,} missing values, but had none when the codec was fitted"
    )
