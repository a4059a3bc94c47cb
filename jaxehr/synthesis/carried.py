"""Series as courses: what is not measured stands at the last value before it, and bits say what is the last again."""

from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.synthesis.places import entry_places
from jaxehr.synthesis.view import Layout, View, layout_of, matrix_view
from jaxehr.types import Known, X


def carried_view(codec: Codec) -> View:
    """`matrix_view(even=True)`, in which a number of a series that is not measured stands at the last one before it,
    at the first where there is none, and at the mean where there is no other.

    Beside the bits of the codec each value of a step, and its clock, has one that says that it stands at the last one:
    it is not measured, or it is and is the same again. What comes out as the same again is the last one, to the digit.

    Raises DataError for records without a series.
    """
    plain, values = matrix_view(codec, even=True), _values(codec)
    numbers, steps = codec.sizes["number"], codec.layout["number"]
    at = numbers + codec.sizes["bit"]

    def to_x(parts: Parts) -> np.ndarray:
        row, missing = np.asarray(plain.to_x(parts)), _missing(codec, parts["bit"])
        row[:, :numbers][missing] = 0.5
        for entry in steps.T:
            there = ~missing[:, entry]
            last = _last(there)
            last = np.where(last < 0, there.argmax(axis=1)[:, None], last)
            row[:, entry] = np.take_along_axis(row[:, entry], last, axis=1)
        same = _stands(codec, parts).astype(row.dtype)
        return np.concatenate([row[:, :at], same, row[:, at:]], axis=1)

    def of_x(x: X) -> Parts:
        x = np.asarray(x)
        parts = plain.of_x(np.delete(x, np.s_[at : at + values.size], axis=1))
        same = x[:, at : at + values.size].reshape(len(x), *values.shape) > 0.5
        number, missing = parts["number"].copy(), _missing(codec, parts["bit"])
        for j, entry in enumerate(values.T):
            there = ~missing[:, entry]
            new = there & ~(same[:, :, j] & (_before(there) >= 0))
            own = np.where(there, _last(new), np.arange(len(entry)))
            number[:, entry] = np.take_along_axis(number[:, entry], own, axis=1)
        return {**parts, "number": number}

    def known(given: KnownParts) -> Known:
        found: Any = plain.known(given)
        mask = given.masks["number"][:, values.ravel()]
        # That a value is the last one again is known only where all before it are.
        same = _stands(codec, given.parts) & _sure(codec, given)
        x0, masks = (
            np.concatenate([whole[:, :at], more, whole[:, at:]], axis=1)
            for whole, more in ((found.x0, same & mask), (found.mask, mask))
        )
        return found._replace(x0=x0.astype(np.float32), mask=masks)

    return View(to_x, of_x, known, ("carried_view", {}))


def carried_layout(codec: Codec) -> Layout:
    """Of the `carried_view`: `indicators` of values say that they stand at the last one."""
    plain, values = layout_of(codec, even=True), _values(codec)
    indicators = np.array(plain.indicators, int)
    indicators[values.ravel()] = plain.bits + np.arange(values.size)
    return plain._replace(bits=plain.bits + values.size, indicators=tuple(indicators.tolist()))


def carried_places(codec: Codec) -> Int[np.ndarray, "step feature"]:
    """Which columns of a row of `carried_view` belong to each step: its own, and those of the static table.

    Raises DataError for records without a series.
    """
    layout, values = carried_layout(codec), _values(codec)
    bits = layout.numbers + np.arange(layout.bits - values.size)
    ends = np.cumsum([layout.numbers + layout.bits, *layout.classes])
    classes = [*bits[:, None], *(np.arange(*pair) for pair in pairwise(ends))]
    same = layout.numbers + len(bits) + np.arange(values.size).reshape(values.shape)
    return np.concatenate([entry_places(codec, classes), same], axis=1)


def _values(codec: Codec) -> Int[np.ndarray, "step value"]:
    """Which columns of the number part are values of variables, and clocks."""
    steps, series = codec.layout["number"], codec.series
    assert series is not None
    return steps[:, list(series.values)]


def _missing(codec: Codec, bits: Int[np.ndarray, "n bit"]) -> Bool[np.ndarray, "n number"]:
    """The numbers whose indicator is 1."""
    indicators = np.array(codec.indicators, int)
    if not codec.sizes["bit"]:
        return np.zeros((len(bits), len(indicators)), bool)
    return (indicators >= 0) & (bits[:, np.maximum(indicators, 0)] == 1)


def _stands(codec: Codec, parts: Parts) -> Bool[np.ndarray, "n value"]:
    """What is not measured, or is the last one again."""
    values, missing = _values(codec), _missing(codec, parts["bit"])
    found = np.ones((len(missing), *values.shape), bool)
    for j, entry in enumerate(values.T):
        there, value = ~missing[:, entry], parts["number"][:, entry]
        before = _before(there)
        same = np.take_along_axis(value, np.maximum(before, 0), axis=1) == value
        found[:, :, j] = ~there | ((before >= 0) & same)
    return found.reshape(len(found), -1)


def _sure(codec: Codec, given: KnownParts) -> Bool[np.ndarray, "n value"]:
    """Where a value and all before it are known, be it as not measured."""
    values = _values(codec)
    known = given.masks["number"] | _missing(codec, given.parts["bit"] & given.masks["bit"])
    of_steps = known[:, values.ravel()].reshape(-1, *values.shape)
    return np.logical_and.accumulate(of_steps, axis=1).reshape(len(known), -1)


def _last(there: Bool[np.ndarray, "n step"]) -> Int[np.ndarray, "n step"]:
    """The last step up to each at which it is True; -1 where there is none."""
    return np.maximum.accumulate(np.where(there, np.arange(there.shape[1]), -1), axis=1)


def _before(there: Bool[np.ndarray, "n step"]) -> Int[np.ndarray, "n step"]:
    """The last one before each step."""
    return np.pad(_last(there)[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
