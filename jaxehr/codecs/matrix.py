"""The parts of a codec as one matrix of numbers, and back."""

from itertools import pairwise

import numpy as np

from jaxehr.codecs.codec import Codec, Parts


def matrix(parts: Parts, codec: Codec) -> np.ndarray:
    """One matrix [n, column]: numbers, bits, then each category one-hot. float32; int8 where all are bits."""
    if codec.sizes["bit"] == sum(codec.sizes.values()):
        return parts["bit"]
    numbers, discrete = codec.sizes["number"], codec.sizes["number"] + codec.sizes["bit"]
    made = np.zeros((len(parts["bit"]), discrete + sum(codec.classes)), np.float32)
    made[:, :numbers], made[:, numbers:discrete] = parts["number"], parts["bit"]
    first = discrete + np.cumsum([0, *codec.classes])[:-1]
    for j, start in enumerate(first):
        made[np.arange(len(made)), start + parts["category"][:, j]] = 1
    return made


def parts_of(matrix: np.ndarray, codec: Codec) -> Parts:
    """The inverse of `matrix`, for any real numbers: bits from 0.5 on, the largest of each one-hot group."""
    numbers, bits = codec.sizes["number"], codec.sizes["bit"]
    ends = np.cumsum([numbers + bits, *codec.classes])
    groups = [matrix[:, a:b].argmax(1) for a, b in pairwise(ends)]
    return {
        "number": matrix[:, :numbers].astype(np.float64),
        "bit": (matrix[:, numbers : numbers + bits] >= 0.5).astype(np.int8),
        "category": np.stack(groups, 1).astype(np.int32)
        if groups
        else np.zeros((len(matrix), 0), np.int32),
    }
