"""Which columns and which pairs are furthest off: where to look first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jaxehr.evaluation.blocks.frames import Bits, Records, Table
from jaxehr.evaluation.judges.job import FEWEST, Job
from jaxehr.evaluation.measures.fidelity import log_odds, relations, shape_errors
from jaxehr.evaluation.measures.metric import SMALL_CELL, Furthest
from jaxehr.evaluation.measures.pairs import PairCounts, phi

MOST = 10  # columns, and as many pairs
VALUES = 10  # of a column in a pair, the most frequent; all others are one
PAIRED = 100  # codes in pairs, the most frequent

LOST = 0.002  # AUC, for a tell to be one

Distances = dict[tuple[str, ...], float]


def furthest(
    real: Records, synthetic: Records, holdout: Records | None = None
) -> tuple[Furthest, ...]:
    """Those beyond their floor, the worst first.

    A column's distance is that of `shape_errors`, of a code the difference of log odds, if 11 real patients have it. A
    pair's is that of `relations` (of ten values of a label, and the others as one), of codes the difference of phi, if
    11 real patients would have both by chance.
    """
    of = {"column": _code_errors, "pair": _code_pairs}
    if isinstance(real, Table):
        of = {"column": shape_columns, "pair": _column_pairs}
    found: list[Furthest] = []
    for what, distances in of.items():
        drawn = distances(real, synthetic)
        floors = {} if holdout is None else distances(real, holdout)
        found += _worst(what, drawn, floors)
    return tuple(found)


def tells(job: Job) -> Iterator[Furthest]:
    """What gives rows away, the most telling first; nothing where the sets cannot be told apart."""
    if job.smallest < FEWEST or job.told_apart["synthetic"].estimate.low <= 0.5:
        return
    lost = job.told_apart["synthetic"].gives_away(job.seed)
    yield from (Furthest("tell", (k,), v, None) for k, v in [*lost.items()][:MOST] if v > LOST)


def _worst(what, drawn: Distances, floors: Mapping[tuple[str, ...], float]) -> Sequence[Furthest]:
    beyond = {names: value - floors.get(names, 0.0) for names, value in drawn.items()}
    first = sorted((n for n in beyond if beyond[n] > 0), key=beyond.__getitem__, reverse=True)
    return [Furthest(what, names, drawn[names], floors.get(names)) for names in first[:MOST]]


def shape_columns(real: Records, other: Records) -> Distances:
    assert isinstance(real, Table) and isinstance(other, Table)
    return {(name,): value for name, value in shape_errors(real, other).items()}


def _column_pairs(real: Records, other: Records) -> Distances:
    assert isinstance(real, Table) and isinstance(other, Table)
    kept = [np.argsort(-np.bincount(column, minlength=1))[:VALUES] for column in real.labels.T]
    gaps = relations(_short(real, kept), _short(other, kept))(None)[0]
    names = (*real.number_names, *real.label_names)
    return {(names[j], names[i]): float(gaps[i, j]) for i, j in _below(len(names))}


def _short(table: Table, kept: list[np.ndarray]) -> Table:
    """Labels by their number among those kept, from 1; the others are 0."""
    columns = []
    for values, column in zip(kept, table.labels.T, strict=True):
        place = np.zeros(max(int(column.max(initial=0)), int(values.max(initial=0))) + 1, int)
        place[values] = np.arange(1, len(values) + 1)
        columns.append(place[column])
    labels = np.stack(columns, 1) if columns else table.labels
    return replace(table, labels=labels, values=tuple(tuple(map(str, v)) for v in kept))


def _code_errors(real: Records, other: Records) -> Distances:
    assert isinstance(real, Bits) and isinstance(other, Bits)
    counts, found = (records.bits.sum(0, dtype=int) for records in (real, other))
    gaps = np.abs(log_odds(counts, len(real)) - log_odds(found, len(other)))
    return {(real.codes[j],): float(gaps[j]) for j in np.flatnonzero(counts >= SMALL_CELL)}


def _code_pairs(real: Records, other: Records) -> Distances:
    assert isinstance(real, Bits) and isinstance(other, Bits)
    codes = np.argsort(-real.bits.sum(0, dtype=int), kind="stable")[:PAIRED]
    a, b = (PairCounts.of(records.bits[:, codes]).share() for records in (real, other))
    p = np.diag(a)
    expected = np.outer(p, p) * len(real)
    gaps = np.abs(np.nan_to_num(phi(a)) - np.nan_to_num(phi(b)))
    return {
        (real.codes[codes[j]], real.codes[codes[i]]): float(gaps[i, j])
        for i, j in _below(len(codes))
        if expected[i, j] >= SMALL_CELL
    }


def _below(n: int) -> Iterator[tuple[int, int]]:
    return zip(*np.tril_indices(n, -1), strict=True)
