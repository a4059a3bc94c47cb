"""The parts of every codec, whatever the records, and what is known of them.

number      float64 [n, p] in [0, 1]    numerical, integer and datetime columns
bit         int8    [n, b]              missing indicators, booleans, categories of two; or patient x code
category    int32   [n, q]              categories of more than two; column j has classes[j] values
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

Parts = dict[str, np.ndarray]
DTYPES = {"number": np.float64, "bit": np.int8, "category": np.int32}


class KnownParts(NamedTuple):
    """What is given of some records.

    parts   values; what they are where nothing is known does not matter
    masks   True where an entry is known
    filled  [n, category]: True for a category that is not known, but known not to be missing
    from_high   of each Offset: [n], True where the higher column is given and the lower one is not
    narrow  (category, the classes that it may take [k]) of one column, in turn; what can be drawn in any order may draw
            these first. Whether a draw meets a condition is seen all the same when it is there
    rare    columns of which the value that stands for rare ones is asked for, among others
    """

    parts: Parts
    masks: Parts
    filled: np.ndarray
    from_high: Mapping[str, np.ndarray]
    narrow: tuple[tuple[int, np.ndarray], ...] = ()
    rare: tuple[str, ...] = ()

    def rows(self, at: np.ndarray) -> "KnownParts":
        """Those of the records at these places."""
        return KnownParts(
            {name: part[at] for name, part in self.parts.items()},
            {name: mask[at] for name, mask in self.masks.items()},
            self.filled[at],
            {name: rows[at] for name, rows in self.from_high.items()},
            self.narrow,
            self.rare,
        )


def joined(arrays: Sequence[Parts]) -> Parts:
    """Side by side; of one part as they lie there."""
    if len(arrays) == 1:
        return arrays[0]
    return {kind: np.concatenate([each[kind] for each in arrays], axis=1) for kind in DTYPES}


def joined_known(found: Sequence[KnownParts]) -> KnownParts:
    return KnownParts(
        joined([each.parts for each in found]),
        joined([each.masks for each in found]),
        np.concatenate([each.filled for each in found], axis=1),
        {name: rows for each in found for name, rows in each.from_high.items()},
    )
