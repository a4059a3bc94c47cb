"""Columns of numbers and dates as arrays, and back: min-max, normal scores, or categories.

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
class _Scaled:
    """A number on a scale of its own; where values are missing an indicator says so, and the mean stands in.

    mean, std   on the scale
    optional    there is an indicator
    filled      there were missing values, of too few patients for one
    """

    quantity: Quantity
    mean: float
    std: float
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

    def parts(self) -> Named:
        scaled = ("number", self.name)
        return (scaled, ("bit", f"{self.name} is missing")) if self.optional else (scaled,)

    def encode(self, values: pd.Series) -> Arrays:
        numbers = self.quantity.held(self.quantity.numbers(values))
        missing = np.isnan(numbers)
        if missing.any() and not (self.optional or self.filled):
            raise _unexpected(self.name, missing)
        scaled = self._to_scale(numbers)
        return (scaled, missing.astype(np.int8)) if self.optional else (scaled,)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        numbers = self.quantity.numbers(values)
        seen = ~np.isnan(numbers)
        arrays = (self._to_scale(self.quantity.held(numbers)),)
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
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int) -> "Number":
        span = (quantity.high - quantity.low) or 1.0
        scaled = (quantity.learnt(numbers, least) - quantity.low) / span
        return cls(quantity, float(scaled.mean()), float(scaled.std()), *_optional(numbers, least))

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
        optional, filled = _optional(numbers, least)
        scale = cls(quantity, 0.5, 0.0, optional, filled, tuple(knots.tolist()), edge)
        scores = scale._to_scale(kept)
        return replace(scale, mean=float(scores.mean()), std=float(scores.std()))

    @property
    def _ranks(self) -> np.ndarray:
        return np.linspace(self.edge, 1 - self.edge, len(self.knots))

    def _to_scale(self, numbers: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        q, knots = self._ranks, np.array(self.knots)
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
        return np.interp(rank, self._ranks, np.array(self.knots))


END = 5.199337582605575  # Phi^-1(1 - 1e-7): where scikit-learn's QuantileTransformer ends


@dataclass(frozen=True)
class Bins:
    """A number as categories: each frequent value is a class of its own, the others lie in bins of equal frequency.

    A bin is cut into `fine` finer ones, a category too, and the place inside these is a number in [0, 1] that is as
    good as uniform. A missing value is the last class.

    spikes      values that are classes: all of them where they are few, else those that 1 in 100 have
    knots       quantiles of the other values, one more than there are finest bins; empty where there are none
    fine        finest bins in each of the 32 bins; fewer of both where there are too few patients for a knot each
    filled      there were missing values, of too few patients for a class; they become the one in the middle
    """

    quantity: Quantity
    spikes: tuple[float, ...]
    knots: tuple[float, ...]
    optional: bool
    fine: int
    filled: bool = False

    @classmethod
    def fit(cls, quantity: Quantity, numbers: np.ndarray, least: int) -> "Bins":
        seen, kept = numbers[~np.isnan(numbers)], quantity.learnt(numbers, least)
        distinct, counts = np.unique(seen, return_counts=True)
        few = len(distinct) <= FEW and len(distinct) * least <= len(seen)
        often = distinct[counts >= max(len(seen) / 100, 2, least)]
        spikes = np.unique(kept) if few else np.intersect1d(often, kept)
        others = kept[~np.isin(kept, spikes)]
        steps = min(len(np.unique(others)) - 1, COARSE * FINE) if least > 1 else COARSE * FINE
        if len(others) and steps < 1:  # one value is left, that of enough patients
            spikes, others = np.union1d(spikes, others), others[:0]
        coarse = max(min(steps, COARSE), 1)
        fine = max(min(steps // coarse, FINE), 1)
        knots = np.quantile(others, np.linspace(0, 1, coarse * fine + 1)) if len(others) else others
        optional, filled = _optional(numbers, least)
        return cls(quantity, tuple(spikes.tolist()), tuple(knots.tolist()), optional, fine, filled)

    @property
    def name(self) -> str:
        return self.quantity.name

    @property
    def missing(self) -> int:
        return self._valued if self.optional else -1

    @property
    def order(self) -> tuple[int, ...]:
        """The place of each class of the first category in the order of the values, -1 for a missing value."""
        knots = np.array(self.knots)[:: self.fine]
        middle = np.concatenate([np.array(self.spikes), (knots[1:] + knots[:-1]) / 2])
        place = np.argsort(np.argsort(middle, kind="stable"))
        return (*place.tolist(), *((-1,) if self.optional else ()))

    @property
    def _valued(self) -> int:
        return len(self.spikes) + self._cells // self.fine

    @property
    def _cells(self) -> int:
        return max(len(self.knots) - 1, 0)

    def classes(self) -> tuple[int, ...]:
        first = self._valued + self.optional
        return (first, self.fine) if self._cells and self.fine > 1 else (first,)

    def parts(self) -> Named:
        found = [("category", self.name)]
        if self._cells and self.fine > 1:
            found.append(("category", f"{self.name}, finer"))
        if self._cells:
            found.append(("number", f"{self.name}, in its bin"))
        return tuple(found)

    def encode(self, values: pd.Series) -> Arrays:
        numbers = self.quantity.held(self.quantity.numbers(values))
        missing = np.isnan(numbers)
        if missing.any() and not self.optional:
            if not self.filled:
                raise _unexpected(self.name, missing)
            among = self.knots or self.spikes
            numbers = np.where(missing, among[len(among) // 2], numbers)
        return self._tokens(numbers)

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        numbers = self.quantity.numbers(values)
        arrays = self._tokens(self.quantity.held(numbers))
        return arrays, (~np.isnan(numbers),) * len(arrays)

    def allowed(self, low: float, high: float) -> tuple[np.ndarray, ...]:
        """Of each category in turn, the classes that hold a value between these ends, be it beside others outside.

        Of the finer bins nothing is said unless one bin holds all: how likely they are depends on the bin.
        """
        spikes, knots = np.array(self.spikes), np.array(self.knots)
        fits, missing = (spikes >= low) & (spikes <= high), np.zeros(int(self.optional), bool)
        if not self.knots:
            return (np.concatenate([fits, missing]),)
        # What is drawn inside a bin is rounded.
        half = 0.0 if self.quantity.decimals is None else 0.5 * 10.0**-self.quantity.decimals
        cells = (knots[1:] >= low - half) & (knots[:-1] <= high + half)
        cells = cells.reshape(-1, self.fine)
        bins = cells.any(axis=1)
        coarse = np.concatenate([fits, bins, missing])
        alone = self.fine > 1 and coarse.sum() == bins.sum() == 1
        return (coarse, cells[bins][0]) if alone else (coarse,)

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
        cell = np.clip(np.floor(at).astype(int), 0, self._cells - 1)
        fine, place = cell % self.fine, at - cell
        coarse = np.where(is_spike, token, len(spikes) + cell // self.fine)
        plain = is_spike | missing
        coarse = np.where(missing, self._valued, coarse)
        place = np.where(plain, 0.5, place)
        return (coarse, np.where(plain, 0, fine), place) if self.fine > 1 else (coarse, place)

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        token = arrays[0].astype(int)
        spikes, coarse = len(self.spikes), self._cells // self.fine
        values = np.append(np.array(self.spikes), np.full(coarse + 1, np.nan))[token]
        if self.knots:
            binned = (token >= spikes) & (token < self._valued)
            cell = (token - spikes) * self.fine + (arrays[1] if self.fine > 1 else 0)
            at = np.clip(cell + np.clip(arrays[-1], 0, 1), 0, self._cells)
            drawn = np.interp(at, np.arange(len(self.knots), dtype=float), np.array(self.knots))
            values = np.where(binned, drawn, values)
        return self.quantity.series(values)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Bins", **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Bins":
        quantity = Quantity.from_json(value["quantity"])
        spikes, knots = tuple(value["spikes"]), tuple(value["knots"])
        fine, filled = value.get("fine", FINE), value.get("filled", False)
        return cls(quantity, spikes, knots, value["optional"], fine, filled)


FEW, COARSE, FINE = 128, 32, 32


def _optional(numbers: np.ndarray, least: int) -> tuple[bool, bool]:
    """Whether enough patients lack the value for that to be learnt; and whether some do, but too few."""
    missing = int(np.isnan(numbers).sum())
    return missing >= max(least, 1), 0 < missing < least


def _unexpected(name: str, missing: np.ndarray) -> DataError:
    return DataError(
        f"column '{name}' has {missing.sum():,} missing values, but had none in training"
    )
