"""Columns of numbers and dates as categories, and back."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.numbers import Arrays, Named, lacking, unexpected
from jaxehr.codecs.quantity import Quantity


@dataclass(frozen=True)
class Bins:
    """A number as categories: each frequent value is a class of its own, the others lie in bins of equal frequency.

    A bin is cut into `fine` finer ones, a category too, and the place inside these is a number in [0, 1] that is as
    good as uniform. A missing value is the last class.

    spikes      values that are classes: all of them where they are few, else those that 1 in 100 have
    knots       quantiles of the other values, one more than there are finest bins; empty where there are none
    fine        finest bins in each of the 32 bins; fewer of both where there are too few patients for a knot each
    filled      there were missing values, of too few patients for a class; they become the one in the middle
    often       of each spike the share of all values
    """

    quantity: Quantity
    spikes: tuple[float, ...]
    knots: tuple[float, ...]
    optional: bool
    fine: int
    filled: bool = False
    often: tuple[float, ...] = ()

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
        optional, filled = lacking(numbers, least)
        held = quantity.held(seen)
        shares = tuple(round(float(np.mean(held == spike)), 4) for spike in spikes)
        values = tuple(spikes.tolist()), tuple(knots.tolist())
        return cls(quantity, *values, optional, fine, filled, shares)

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
    def shares(self) -> tuple[float, ...]:
        """Of each class of the first category the share of all values, 0 for a missing one: bins have as much each."""
        bins = self._cells // self.fine
        left = max(1.0 - sum(self.often), 0.0) / max(bins, 1)
        return (*self.often, *(left,) * bins, *((0.0,) if self.optional else ()))

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
                raise unexpected(self.name, missing)
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
        fits = self.quantity.between(spikes, low, high)
        missing = np.zeros(int(self.optional), bool)
        if not self.knots:
            return (np.concatenate([fits, missing]),)
        # What is drawn inside a bin is rounded.
        half = 0.0 if self.quantity.decimals is None else 0.5 * 10.0**-self.quantity.decimals
        both = np.logical_and if low <= high else np.logical_or
        cells = both(knots[1:] >= low - half, knots[:-1] <= high + half)
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
        return cls(quantity, spikes, knots, value["optional"], fine, filled, tuple(value["often"]))


FEW, COARSE, FINE = 128, 32, 32
