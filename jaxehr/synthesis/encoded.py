"""Records encoded once: a recipe that measures something of the encoded rows hands them on to `fit`."""

import numpy as np
import pandas as pd
from jaxtyping import Num

from jaxehr.codecs import Codec
from jaxehr.data import Records
from jaxehr.synthesis import run
from jaxehr.synthesis.view import Tokens, View
from jaxehr.training.packed import packed
from jaxehr.types import X


class Encoded:
    """The rows of some records as they are trained on, and a digest of the records.

    They are real patients: they are not shown, and what is copied or pickled of them is None.
    """

    def __init__(self, rows: X, digest: str):
        self.rows, self.digest = rows, digest

    def of(self, data: pd.DataFrame | Records, codec: Codec) -> X | None:
        """The rows, where `data` holds what they were made of; None where it was changed, or is other data."""
        return self.rows if _digest(data, codec) == self.digest else None

    def __repr__(self) -> str:
        return "Encoded(...)"

    def __reduce__(self):
        return _nothing, ()


def _nothing() -> None:
    return None


def _digest(data: pd.DataFrame | Records, codec: Codec) -> str:
    return run.content(data, codec.schema).hexdigest()


def encoded(
    data: pd.DataFrame | Records | Codec, codec: Codec, view: View, what: str
) -> tuple[X, Encoded]:
    """(the rows, to measure `what` of them; the same, packed, for `fit`).

    Raises ValueError for a codec, which holds no records.
    """
    if isinstance(data, Codec):
        raise ValueError(f"{what} is measured on records, and there are none here: give it")
    x = view.to_x(codec.encode(data))
    return x, Encoded(packed(x), _digest(data, codec))


def standard_deviation(table: Num[np.ndarray, "n column"], rows: int = 4096) -> float:
    """Of all entries together, in float64, some rows at a time: NumPy's own takes eight bytes for each bit."""
    blocks = [table[i : i + rows] for i in range(0, len(table), rows)]
    mean = sum(block.sum(dtype=np.float64) for block in blocks) / table.size
    return float(np.sqrt(sum(np.square(block - mean).sum() for block in blocks) / table.size))


def largest_distance(table: Num[np.ndarray, "n column"], rows: int = 1000) -> float:
    """The largest Euclidean distance between `rows` of the rows (Song and Ermon 2020, Technique 1), rounded up to a
    quarter of an octave: a run holds this number, and the distance itself would be that of two patients.
    """
    some = np.random.default_rng(0).permutation(len(table))[:rows]
    x = table[some].astype(np.float64)
    square = (x**2).sum(1)
    apart = square[:, None] + square - 2 * x @ x.T
    longest = max(float(np.sqrt(max(apart.max(), 0.0))), 1.0)
    return float(2 ** (np.ceil(4 * np.log2(longest)) / 4))


def log_frequencies(tokens: Tokens, x0: dict[str, np.ndarray], least: int = 1) -> np.ndarray:
    """Of all classes in the places of `tokens`, each counted half a time more than it was seen.

    least   rows that a class which was seen counts as at least, at the cost of the most frequent one: a run holds these
            numbers, and none of them tells of fewer patients
    """
    found = [np.zeros(k) for k in tokens.classes]
    for name, members in tokens.groups.items():
        for i, j in enumerate(members):
            counts = np.bincount(x0[name][:, i], minlength=tokens.classes[j])
            raised = np.where(counts > 0, np.maximum(counts, least), 0)
            raised[counts.argmax()] -= (raised - counts).sum()
            shares = np.maximum(raised, 0) + 0.5
            found[j] = np.log(shares / shares.sum())
    row = np.zeros(tokens.width, np.float32)
    row[tokens.places] = np.concatenate(found)
    return row


def log_numbers(bits: Num[np.ndarray, "n bit"], least: int = 1) -> np.ndarray:
    """[bit + 1]: of each number of ones in a row, smoothed a little.

    least   rows that have the largest number, or a larger one, and that any number which was seen counts as at least
    """
    ones = bits.sum(axis=1, dtype=np.int64)
    most = np.sort(ones)[-min(max(least, 1), len(ones))]
    counts = np.bincount(np.minimum(ones, most), minlength=bits.shape[1] + 1)
    raised = np.where(counts > 0, np.maximum(counts, least), 0) + 0.01
    return np.log(raised / raised.sum())
