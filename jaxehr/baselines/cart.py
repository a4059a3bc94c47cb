"""Sequential CART: a column at a time, by a tree on those before it, from the patients of a leaf."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_array

from jaxehr.baselines.records import begun, cells, coded, prevalence
from jaxehr.codecs.columns import Category, fit_column
from jaxehr.codecs.numbers import Number
from jaxehr.data import Column, DataError, Records, Schema, code_matrix, listed, records_of

FEW = 64  # values of a number that are classes each; with more, a tree splits by its ranks
MOST = 1000  # classes of a tree
ALIKE = 20  # leaves of patients who have about as many codes
NODES = 2**26  # times classes, at most: a tree keeps the frequencies of all its nodes, a GiB

Rows = Int[np.ndarray, "n"]


def cart(
    train: pd.DataFrame | Records,
    n: int,
    seed: int,
    *,
    leaf: int = 5,
    order: Sequence[str] = (),
    schema: Schema | None = None,
) -> pd.DataFrame | Records:
    """Sequential CART (Reiter 2005), as synthpop draws (Nowok, Raab & Dibben 2016): tables, codes, or both.

    The first column is drawn from its own cells; each further one by a tree that is grown on the columns before it,
    from the cells of the training patients in the leaf where the drawn patient falls. Trees are scikit-learn's, grown
    until a leaf is pure or cannot be cut. A category is cut by Gini's index, where values that fewer than `leaf`
    patients have (and of very many values all below 1 in 1,000) are taken together with their neighbours in order; a
    number or date of more than 64 values by the variance of its ranks. What is missing is a value, or a rank far below
    all others. Where a tree cuts by a column, categories stand in their order, and what is missing first.

    Codes are not drawn one by one, which 1,000 of them would make slow, but as a list: how many codes the patient has
    is a column, then come the most frequent of them, the next, and so on, each a column given the table, the number and
    the codes before; its tree is grown on patients who have about as many (20 leaves of them). So everybody has as many
    codes as was drawn, and none twice. Who draws a code that he has draws again from a leaf eight times the size, and
    so on, and at last from all patients' codes; so does who has more codes than `leaf` patients have. Time grows with
    the square of the number of codes that patients have.

    Not private: every cell is a real one, a rare one too, out of a handful of patients. Where few choices make up a
    patient they make up a training patient: of Diabetes-130's codes, five each, 51% of the lists drawn are one's, where
    of other real patients' 23% are; of the rows of `nafld_records`, many with gaps, 5% are, where none in 1,000 would
    be. Larger leaves copy less, and are less faithful (20: 36% of the lists).

    leaf    patients in a leaf, at least; as many as there are rows makes all columns independent
    order   of the table's columns: these come first, in this order, the others follow as they stand
    Raises ValueError if n < 1, or a leaf is below 2; DataError for an order that is none of the columns.
    """
    schema, rng = begun(train, n, seed, schema)
    if leaf < 2:
        raise ValueError(f"a leaf takes at least 2 patients, since one of 1 copies; got {leaf}")
    columns = _in_order(schema, order)
    records = records_of(train)
    chain, rows = _Chain([], []), {}
    if records.static is not None:
        for column in columns:
            level, number = _levels(records.static[column.name], column)
            rows[column.name] = _next(rng, chain, level, number, n, leaf)
    static = cells(records.static, schema, n, rows.__getitem__) if schema.columns else None
    if records.events is None:
        return Records(static) if schema.whole else static
    subjects = None if records.static is None else records.static["subject_id"]
    bits, _, codes = code_matrix(records.events, subjects=subjects)
    events = coded(_codes(rng, chain, bits, n, leaf), schema, codes)
    return Records(static, events) if schema.whole else events


class _Chain(NamedTuple):
    """The columns so far, of training patients and drawn ones; -1 is missing."""

    real: list[Rows]
    drawn: list[Rows]


def _in_order(schema: Schema, order: Sequence[str]) -> list[Column]:
    """The columns that are learnt, those named first."""
    learnt = {column.name: column for column in schema.columns if column.kind != "id"}
    for i, name in enumerate(order):
        if name in order[:i]:
            raise DataError(f"the order names column '{name}' twice; name it once")
        if name in schema.names and name not in learnt:
            raise DataError(f"the order names '{name}', an id, which is not learnt; leave it out")
        if name not in learnt:
            has = f"it has {listed(learnt, name)}" if learnt else "there are codes alone"
            raise DataError(f"the order names '{name}', which is no column of the table; {has}")
    return [learnt[name] for name in dict.fromkeys([*order, *learnt])]


def _levels(values: pd.Series, column: Column) -> tuple[Rows, bool]:
    """(place of each cell among the column's values in their order, -1 where missing; whether it is a number)."""
    learnt = fit_column(values, replace(column, period=None), Number)
    value, *missing = learnt.encode(values) or (np.zeros(len(values), int),)
    absent = missing[0] == 1 if missing else values.isna().to_numpy()
    if isinstance(learnt, Category) and learnt.ordered and learnt.levels is not None:
        place = {each: i for i, each in enumerate(learnt.levels)}
        value = np.array([place.get(each, -1) for each in learnt.values])[value]
    level = np.full(len(values), -1)
    level[~absent] = np.unique(value[~absent], return_inverse=True)[1]
    return level, column.kind in ("numerical", "integer", "datetime")


def _next(
    rng: np.random.Generator, chain: _Chain, level: Rows, number: bool, n: int, leaf: int
) -> Rows:
    """A training row for each drawn patient, whose cell it gets; the column joins the chain."""
    real, drawn = _matrix(chain.real, len(level)), _matrix(chain.drawn, n)
    rows = _donors(rng, real, drawn, level, number, leaf)
    chain.real.append(level)
    chain.drawn.append(level[rows])
    return rows


def _codes(
    rng: np.random.Generator, chain: _Chain, bits: csr_array, n: int, leaf: int
) -> csr_array:
    """Bits of n patients: how many codes, then which, from the most frequent to the rarest."""
    patients = prevalence(bits)
    by_rank = np.argsort(-patients, kind="stable")
    lists = csr_array(bits[:, by_rank])
    lists.sort_indices()
    start, every, count = lists.indptr, lists.indices, np.diff(lists.indptr)
    _next(rng, chain, count, True, n, leaf)
    wanted = chain.drawn[-1]
    found = np.full((n, wanted.max()), -1)
    band = _bands(np.bincount(count), ALIKE * leaf)
    for like in np.unique(band[wanted]):
        for k in range(wanted[band[wanted] == like].max()):
            a = np.flatnonzero((band[count] == like) & (count > k))
            b = np.flatnonzero((band[wanted] == like) & (wanted > k))
            held = np.sort(found[b, :k], axis=1)
            before = [every[start[a] + i] for i in range(k)]
            real = _matrix([*(column[a] for column in chain.real), *before], len(a))
            drawn = _matrix([*(column[b] for column in chain.drawn), *held.T], len(b))
            code = every[start[a] + k]
            found[b, k] = _code(rng, real, drawn, code, held, patients[by_rank], leaf)
    row, place = np.nonzero(found >= 0)
    ones = np.ones(len(row), np.int8)
    return csr_array((ones, (row, by_rank[found[row, place]])), shape=(n, len(by_rank)))


def _bands(having: Int[np.ndarray, "number"], least: int) -> Int[np.ndarray, "number"]:
    """Neighbouring numbers of codes, from the highest, that at least so many patients have together."""
    band, last, seen = np.zeros(len(having), int), 0, 0
    for number in reversed(range(len(having))):
        if seen >= least:
            last, seen = last + 1, 0
        band[number] = last
        seen += having[number]
    return np.minimum(band, max(last - 1, 0)) if seen < least else band


def _code(
    rng: np.random.Generator,
    real: Float32[np.ndarray, "n column"],
    drawn: Float32[np.ndarray, "m column"],
    code: Rows,
    held: Int[np.ndarray, "m k"],
    share: Float[np.ndarray, "code"],
    leaf: int,
) -> Rows:
    """A code for each drawn patient that he does not hold.

    code    of the training patients
    share   of all patients that have each code
    """
    found, lost = np.full(len(drawn), -1), np.arange(len(drawn))
    while leaf <= len(code) and lost.size:
        found[lost] = code[_donors(rng, real, drawn[lost], code, False, leaf)]
        lost = lost[(found[lost, None] == held[lost]).any(axis=1)]
        leaf *= 8
    for i in lost:
        free = share.copy()
        free[held[i]] = 0
        found[i] = rng.choice(len(free), p=free / free.sum())
    return found


def _matrix(columns: Sequence[Rows], n: int) -> Float32[np.ndarray, "n column"]:
    return np.array(columns, np.float32).reshape(len(columns), n).T  # a column lies together


def _donors(
    rng: np.random.Generator,
    real: Float32[np.ndarray, "n column"],
    drawn: Float32[np.ndarray, "m column"],
    level: Rows,
    number: bool,
    leaf: int,
) -> Rows:
    """For each drawn patient a training patient of the same leaf, in a tree for this column."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if not real.shape[1] or level.min() == level.max():
        return rng.integers(len(real), size=len(drawn))
    ranked = number and len(np.unique(level)) > FEW
    tree, target = (
        (DecisionTreeRegressor, _ranks(level))
        if ranked
        else (DecisionTreeClassifier, _classes(level, leaf))
    )
    grown = tree(min_samples_leaf=leaf, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of many classes for so few rows
        grown.fit(real, target)
    own, at = grown.apply(real), grown.apply(drawn)
    by_leaf = np.argsort(own, kind="stable")
    first, last = (np.searchsorted(own[by_leaf], at, side) for side in ("left", "right"))
    return by_leaf[rng.integers(first, last)]


def _ranks(level: Rows) -> Float[np.ndarray, "n"]:
    """The middle of each cell's ranks; what is missing is as far below as there are rows."""
    count = np.bincount(level[level >= 0])
    middle = np.cumsum(count) - count / 2
    return np.where(level < 0, -float(len(level)), middle[level])


def _classes(level: Rows, leaf: int) -> Rows:
    """Each value that enough patients have alone, the others together with their neighbours in order."""
    count = np.bincount(level + 1)
    most = min(MOST, NODES * leaf // len(level))
    least = max(len(level) / most, leaf)
    often = count >= least
    piece = np.cumsum(np.where(often, 0, count)) // least
    begins = often | np.diff(piece, prepend=0).astype(bool)
    begins[1:] |= often[:-1]
    return np.cumsum(begins)[level + 1]
