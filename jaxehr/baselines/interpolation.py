"""Between a patient and one of its nearest."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Int, Int8
from scipy.sparse import csr_array

from jaxehr.baselines.records import begun_apart, patients
from jaxehr.codecs import fit_codec, matrix
from jaxehr.data import Schema, code_matrix


def smote(
    train: pd.DataFrame, n: int, seed: int, *, neighbours: int = 5, schema: Schema | None = None
) -> pd.DataFrame:
    """SMOTE's interpolation (Chawla et al. 2002) of any record: x + u (x' - x), x' one of the nearest to x.

    u is uniform for each patient. A number goes the share u of the way; whatever is a choice (bits, categories, codes,
    whether a number is missing) is x' 's with probability u. SMOTE-NC lets the neighbours vote instead; a vote would
    lose the rare.

    Raises ValueError if n < 1 or there are fewer than 2 patients.
    """
    train, schema, rng = begun_apart(train, n, seed, schema)
    if not schema.events:
        return _smote_table(train, n, rng, neighbours, schema)
    bits, _, codes = code_matrix(train)
    near = _neighbours(bits, neighbours)

    def some(count: int) -> Int8[np.ndarray, "count code"]:
        first, second, u = _pairs(rng, near, bits.shape[0], count)
        theirs = rng.random((count, len(codes)), np.float32) < u[:, None]
        return np.where(theirs, bits[second].toarray(), bits[first].toarray())

    return patients(some, schema, codes, n)


def _smote_table(
    train: pd.DataFrame, n: int, rng: np.random.Generator, neighbours: int, schema: Schema
) -> pd.DataFrame:
    codec = fit_codec(train, schema, min_patients=1)
    parts = codec.encode(train)
    x = matrix(parts, codec).astype(np.float32)
    x[:, codec.sizes["number"] + codec.sizes["bit"] :] /= 2**0.5  # another category is one away
    near = _neighbours(x, neighbours)
    first, second, u = _pairs(rng, near, len(train), n)
    mixed = {}
    for part in ("bit", "category"):
        theirs = rng.random((n, codec.sizes[part])) < u[:, None]
        mixed[part] = np.where(theirs, parts[part][second], parts[part][first])
    # A number that only one of the two has is that one's; the codec's mean stands in for a missing one.
    number = parts["number"]
    bits, absent = parts["bit"], np.zeros(number.shape, bool)
    for k, bit in enumerate(codec.indicators):
        absent[:, k] = bits[:, bit] == 1 if bit >= 0 else False
    a, b = number[first], number[second]
    a, b = np.where(absent[first], b, a), np.where(absent[second], a, b)
    return codec.decode({"number": a + u[:, None] * (b - a), **mixed})


def _pairs(
    rng: np.random.Generator, near: Callable[[np.ndarray], np.ndarray], rows: int, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first = rng.integers(rows, size=n)
    found = near(first)
    return first, found[np.arange(n), rng.integers(found.shape[1], size=n)], rng.random(n)


def _neighbours(
    x: np.ndarray | csr_array, k: int
) -> Callable[[Int[np.ndarray, "m"]], Int[np.ndarray, "m k"]]:
    """rows -> their k nearest other rows by Euclid's distance, exactly; among equals, any."""
    n = x.shape[0]
    if n < 2:
        raise ValueError(f"a neighbour is wanted, and there are {n} patients; give at least 2")
    k = min(k, n - 1)
    x = x.astype(np.float32)
    square = np.asarray((x * x).sum(axis=1)).ravel()
    across = np.ascontiguousarray(x.toarray().T if isinstance(x, csr_array) else x.T)

    def near(rows: np.ndarray) -> np.ndarray:
        found = []
        for part in np.array_split(rows, -(-len(rows) // 256)):
            distance = square - 2 * (x[part] @ across)  # + |x|^2, the same along a row
            distance[np.arange(len(part)), part] = np.inf
            found.append(np.argpartition(distance, k - 1, axis=1)[:, :k].copy())  # not a view
        return np.concatenate(found)

    return near
