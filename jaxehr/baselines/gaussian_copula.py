"""A Gaussian copula over numbers, bits and categories."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Int8
from scipy.sparse import csr_array
from scipy.special import ndtri
from scipy.stats import norm

from jaxehr.baselines.records import BLOCK, begun_apart, cells, patients, prevalence
from jaxehr.codecs.columns import Category, fit_column
from jaxehr.codecs.numbers import Number
from jaxehr.data import Schema, code_matrix

HERMITE = (
    64  # terms of the series that tells the correlation of two columns from that of their normals
)


def copula(train: pd.DataFrame, n: int, seed: int, *, schema: Schema | None = None) -> pd.DataFrame:
    """A Gaussian copula: one normal for each column, cut so that every column keeps the values and frequencies it has.

    The normals are correlated so that the rank correlation of each two columns is what it is in the records, at any mix
    of numbers, bits and categories (`_latent_correlation`); for two bits that is the tetrachoric correlation. Whether a
    number is missing is a bit of its own, and correlations are over the patients who have both. A missing category is
    a value. Categories have no order, and are put in that of their frequency.

    For codes the draws go on until n patients have one. Raises ValueError if n < 1.
    """
    train, schema, rng = begun_apart(train, n, seed, schema)
    if schema.events:
        bits, _, codes = code_matrix(train)
        share = prevalence(bits)
        cuts = [ndtri(np.clip([1 - p], 1e-9, 1)) for p in share]
        root = _root(_latent_correlation(cuts, *_bit_correlation(bits, share)))

        def some(count: int) -> Int8[np.ndarray, "count code"]:
            return _levels(rng, root, cuts, count).astype(np.int8)

        return patients(some, schema, codes, n)
    columns = _table_columns(train, schema)
    cuts = [column.cuts for column in columns]
    root = _root(_latent_correlation(cuts, *_table_correlation(columns)))
    drawn = np.concatenate(
        [_levels(rng, root, cuts, min(BLOCK, n - i)) for i in range(0, n, BLOCK)]
    )
    rows = {}
    for j, column in enumerate(columns):  # the bit of a missing number follows its number
        if column.missing_row is None:
            rows[column.name] = column.rows[drawn[:, j]]
        else:
            rows[column.name] = np.where(drawn[:, j] == 1, column.missing_row, rows[column.name])
    return cells(train, schema, n, rows.__getitem__)


class _Ordered(NamedTuple):
    """A column as levels in an order, or the bit that says whether a number is missing.

    level       of each training row; -1 is missing
    cuts        of the normal, one fewer than there are levels
    rows        a training row that has each level
    missing_row a training row without a value, for the bit that says so
    """

    name: str
    level: Int[np.ndarray, "n"]
    cuts: Float[np.ndarray, "cut"]
    rows: Int[np.ndarray, "level"]
    missing_row: int | None = None


def _table_columns(train: pd.DataFrame, schema: Schema) -> list[_Ordered]:
    columns = []
    for each in schema.columns:
        if each.kind == "id":
            continue
        column = fit_column(train[each.name], replace(each, period=None), Number)
        value, *missing = column.encode(train[column.name]) or (np.zeros(len(train), int),)
        absent = missing[0] == 1 if missing else np.zeros(len(value), bool)
        if isinstance(column, Category):
            frequency = np.bincount(value, minlength=len(column.values))
            value = np.argsort(np.argsort(-frequency, kind="stable"))[value]
        columns.append(_ordered(column.name, np.where(absent, -1, value), absent))
        if absent.any():
            bit = _ordered(column.name, absent.astype(float), np.zeros_like(absent))
            columns.append(bit._replace(missing_row=int(absent.argmax())))
    return columns


def _ordered(name: str, value: np.ndarray, absent: np.ndarray) -> _Ordered:
    places = np.flatnonzero(~absent)
    _, first, level, count = np.unique(
        value[places], return_index=True, return_inverse=True, return_counts=True
    )
    every = np.full(len(value), -1)
    every[places] = level
    below = np.cumsum(count)[:-1] / len(places)
    return _Ordered(name, every, ndtri(below), places[first])


def _table_correlation(columns: list[_Ordered]) -> tuple[np.ndarray, np.ndarray]:
    """Rank correlations over the rows that have both; and how many such rows would differ from the most common value
    in both columns, were they independent."""
    n, p = len(columns[0].level), len(columns)
    rank, seen, odd = np.zeros((n, p)), np.zeros((n, p)), np.zeros(p)
    for j, column in enumerate(columns):
        has = column.level >= 0
        count = np.bincount(column.level[has])
        middle = (np.cumsum(count) - count / 2) / has.sum()
        rank[has, j] = middle[column.level[has]] - 0.5  # mid-ranks have mean 1/2
        seen[has, j] = 1
        odd[j] = 1 - count.max() / has.sum()
    both = np.maximum(seen.T @ seen, 1)
    mean = rank.T @ seen / both  # of column i where j is seen too
    spread = (rank**2).T @ seen / both - mean**2
    scale = np.sqrt(np.maximum(spread * spread.T, 1e-12))
    return (rank.T @ rank / both - mean * mean.T) / scale, both * np.outer(odd, odd)


def _bit_correlation(bits: csr_array, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = bits.shape[0]
    together = (bits.T.astype(np.float64) @ bits.astype(np.float64)).toarray() / n
    spread = np.maximum(p * (1 - p), 1e-12)
    odd = np.minimum(p, 1 - p)
    return (together - np.outer(p, p)) / np.sqrt(np.outer(spread, spread)), n * np.outer(odd, odd)


def _latent_correlation(
    cuts: list[np.ndarray], correlation: np.ndarray, expected: np.ndarray
) -> Float[np.ndarray, "p p"]:
    """The correlations of the normals that give columns cut from them this rank correlation.

    In Hermite polynomials a column is f(z) = sum_k a_k He_k(z) / sqrt(k!), and two of them, each of variance 1, have
    the correlation sum_k a_k b_k rho^k (Mehler 1866), which grows with rho where f does: bisection finds rho.

    A pair of rare codes that nobody has together would read as -1. So correlations are first shrunk by e / (e + 5),
    where e is how many patients would have both by chance: 5 imagined patients who are independent.
    """
    a = np.stack([_hermite(c) for c in cuts])
    wanted = correlation * expected / (expected + 5)
    low, high = np.full_like(wanted, -0.99), np.full_like(wanted, 0.99)
    for _ in range(20):
        rho = (low + high) / 2
        found = np.zeros_like(rho)
        for k in reversed(range(HERMITE)):
            found = (found + np.outer(a[:, k], a[:, k])) * rho
        low, high = np.where(found < wanted, rho, low), np.where(found < wanted, high, rho)
    rho = (low + high) / 2
    np.fill_diagonal(rho, 1.0)
    return rho


def _hermite(cuts: Float[np.ndarray, "cut"]) -> Float[np.ndarray, "term"]:
    """a_1, a_2, ... of the mid-rank of a normal cut there, scaled to variance 1; all 0 for a single level.

    A step of height h at t has a_k = h phi(t) He_{k-1}(t) / sqrt(k!).
    """
    share = np.diff(np.concatenate([[0.0], norm.cdf(cuts), [1.0]]))
    height = (share[:-1] + share[1:]) / 2 * norm.pdf(cuts)
    spread = (1 - (share**3).sum()) / 12  # the variance of mid-ranks
    a = np.zeros(HERMITE)
    before, h = np.zeros_like(cuts), np.ones_like(cuts)
    for k in range(1, HERMITE + 1):
        a[k - 1] = (height * h).sum() / np.sqrt(k)
        before, h = h, (cuts * h - np.sqrt(k - 1) * before) / np.sqrt(k)
    return a / np.sqrt(spread) if spread > 1e-12 else a


def _root(correlation: np.ndarray) -> np.ndarray:
    """B with B B' the correlation matrix, made positive: pairs were found one by one, and need not fit together."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return (root / np.linalg.norm(root, axis=1, keepdims=True)).astype(np.float32)


def _levels(
    rng: np.random.Generator, root: np.ndarray, cuts: list[np.ndarray], count: int
) -> Int[np.ndarray, "count p"]:
    z = rng.standard_normal((count, len(root)), np.float32) @ root.T
    return np.stack([np.searchsorted(c, z[:, j]) for j, c in enumerate(cuts)], 1)
