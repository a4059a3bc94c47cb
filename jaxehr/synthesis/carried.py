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
    Behind these, what has no value, such as a diagnosis, has one in each step that says that it was written by then:
    what has not begun by it is not written.

    Raises DataError for records without a series.
    """
    plain, values, codes = matrix_view(codec, even=True), _values(codec), _codes(codec)
    numbers, steps = codec.sizes["number"], codec.layout["number"]
    at = numbers + codec.sizes["bit"]
    begins, ends = at + values.size, at + values.size + codes.size

    def to_x(parts: Parts) -> np.ndarray:
        row, missing = np.asarray(plain.to_x(parts)), _missing(codec, parts["bit"])
        row[:, :numbers][missing] = 0.5
        for entry in steps.T:
            there = ~missing[:, entry]
            last = _last(there)
            last = np.where(last < 0, there.argmax(axis=1)[:, None], last)
            row[:, entry] = np.take_along_axis(row[:, entry], last, axis=1)
        more = np.concatenate([_stands(codec, parts), _begun(codec, parts)], axis=1)
        return np.concatenate([row[:, :at], more.astype(row.dtype), row[:, at:]], axis=1)

    def of_x(x: X) -> Parts:
        x = np.asarray(x)
        parts = plain.of_x(np.delete(x, np.s_[at:ends], axis=1))
        same = x[:, at:begins].reshape(len(x), *values.shape) > 0.5
        number, bit = parts["number"].copy(), parts["bit"].copy()
        bit[:, codes.ravel()] |= x[:, begins:ends] <= 0.5
        missing = _missing(codec, bit)
        for j, entry in enumerate(values.T):
            there = ~missing[:, entry]
            new = there & ~(same[:, :, j] & (_before(there) >= 0))
            own = np.where(there, _last(new), np.arange(len(entry)))
            number[:, entry] = np.take_along_axis(number[:, entry], own, axis=1)
        return {**parts, "number": number, "bit": bit}

    def known(given: KnownParts) -> Known:
        found: Any = plain.known(given)
        mask = given.masks["number"][:, values.ravel()]
        # That a value is the last one again is known only where all before it are.
        same = _stands(codec, given.parts) & _sure(codec, given)
        begun, sure = _begun_by_then(codec, given)
        x0, masks = (
            np.concatenate([whole[:, :at], *more, whole[:, at:]], axis=1)
            for whole, *more in ((found.x0, same & mask, begun), (found.mask, mask, sure))
        )
        return found._replace(x0=x0.astype(np.float32), mask=masks)

    return View(to_x, of_x, known, ("carried_view", {}))


def carried_layout(codec: Codec) -> Layout:
    """Of the `carried_view`: `indicators` of values say that they stand at the last one."""
    plain, values = layout_of(codec, even=True), _values(codec)
    indicators = np.array(plain.indicators, int)
    indicators[values.ravel()] = plain.bits + np.arange(values.size)
    bits = plain.bits + values.size + _codes(codec).size
    return plain._replace(bits=bits, indicators=tuple(indicators.tolist()))


def carried_places(codec: Codec) -> Int[np.ndarray, "step feature"]:
    """Which columns of a row of `carried_view` belong to each step: its own, and those of the static table.

    Raises DataError for records without a series.
    """
    layout, more = carried_layout(codec), (_values(codec), _codes(codec))
    own = layout.numbers + codec.sizes["bit"]
    ends = np.cumsum([layout.numbers + layout.bits, *layout.classes])
    classes = [
        *np.arange(layout.numbers, own)[:, None],
        *(np.arange(*pair) for pair in pairwise(ends)),
    ]
    places = [entry_places(codec, classes)]
    for each in more:
        places.append(own + np.arange(each.size).reshape(each.shape))
        own += each.size
    return np.concatenate(places, axis=1)


def carried_stands(codec: Codec) -> Int[np.ndarray, " feature"]:
    """Which of the features of a step says of each that it stands at the last one; -1 for what does not."""
    values, codes = _values(codec), _codes(codec)
    series, features = codec.series, carried_places(codec).shape[1]
    assert series is not None
    found = np.full(features, -1)
    first = features - codes.shape[1] - values.shape[1]
    found[list(series.values)] = first + np.arange(values.shape[1])
    return found


def _values(codec: Codec) -> Int[np.ndarray, "step value"]:
    """Which columns of the number part are values of variables, and clocks."""
    steps, series = codec.layout["number"], codec.series
    assert series is not None
    return steps[:, list(series.values)]


def _codes(codec: Codec) -> Int[np.ndarray, "step code"]:
    """Which columns of the bit part say that something without a value is not written."""
    steps, series = codec.layout["bit"], codec.series
    assert series is not None
    return steps[:, list(series.codes)]


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


def _begun(codec: Codec, parts: Parts) -> Bool[np.ndarray, "n code"]:
    """What is written at a step or was before it."""
    codes = _codes(codec)
    written = (parts["bit"][:, codes.ravel()] == 0).reshape(len(parts["bit"]), *codes.shape)
    return np.logical_or.accumulate(written, axis=1).reshape(len(written), -1)


def _begun_by_then(codec: Codec, given: KnownParts) -> tuple[np.ndarray, np.ndarray]:
    """(what has begun, whether that is known [n, code]): where something is written all after it is known, and before
    it what nobody has begun, where all up to then is known."""
    codes = _codes(codec)
    shape = (len(given.parts["bit"]), *codes.shape)
    known = given.masks["bit"][:, codes.ravel()].reshape(shape)
    written = known & (given.parts["bit"][:, codes.ravel()].reshape(shape) == 0)
    begun = np.logical_or.accumulate(written, axis=1)
    sure = begun | np.logical_and.accumulate(known, axis=1)
    return begun.reshape(len(known), -1), sure.reshape(len(known), -1)


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
