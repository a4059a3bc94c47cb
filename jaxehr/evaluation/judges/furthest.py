"""Which columns and which pairs are furthest off: where to look first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.judges.job import FEWEST, Job
from jaxehr.evaluation.measures.counts import PairCounts, by_chance, one_hot, phi
from jaxehr.evaluation.measures.frequencies import log_odds, shape_errors
from jaxehr.evaluation.measures.metric import SMALL_CELL, Furthest
from jaxehr.evaluation.measures.pairs import relations

MOST = 10  # columns, and as many pairs
VALUES = 10  # of a column in a pair, the most frequent; all others are one
PAIRED = 100  # codes in pairs, the most frequent

LOST = 0.002  # AUC, for a tell to be one

Distances = dict[tuple[str, ...], float]


def furthest(
    real: Blocks, synthetic: Blocks, holdout: Blocks | None = None
) -> tuple[Furthest, ...]:
    """Those beyond their floor: columns, then codes, then pairs of either and of both; of each the worst first.

    A column's distance is that of `shape_errors`, of a code the difference of log odds, if 11 real patients have it. A
    pair's is that of `relations` (of ten values of a label, and the others as one), of codes the difference of phi, if
    11 real patients would have both by chance; of a column and a code the largest of any value of the column.
    """
    found: list[Furthest] = []
    for what, distances in DISTANCES:
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


def _columns(real: Blocks, other: Blocks) -> Distances:
    return {(name,): value for name, value in shape_errors(real, other).items()}


def _column_pairs(real: Blocks, other: Blocks) -> Distances:
    kept = [np.argsort(-np.bincount(column, minlength=1))[:VALUES] for column in real.labels.T]
    gaps, _ = relations(_short(real, kept), _short(other, kept))
    names = real.columns
    return {(names[j], names[i]): float(gaps[i, j]) for i, j in _below(len(names))}


def _short(table: Blocks, kept: list[np.ndarray]) -> Blocks:
    """Labels by their number among those kept, from 1; the others are 0."""
    columns = []
    for values, column in zip(kept, table.labels.T, strict=True):
        place = np.zeros(max(int(column.max(initial=0)), int(values.max(initial=0))) + 1, int)
        place[values] = np.arange(1, len(values) + 1)
        columns.append(place[column])
    labels = np.stack(columns, 1) if columns else table.labels
    return replace(table, labels=labels, values=tuple(tuple(map(str, v)) for v in kept))


def _code_errors(real: Blocks, other: Blocks) -> Distances:
    counts, found = real.counts, other.counts
    gaps = np.abs(log_odds(counts, len(real)) - log_odds(found, len(other)))
    return {(real.codes[j],): float(gaps[j]) for j in np.flatnonzero(counts >= SMALL_CELL)}


def _code_pairs(real: Blocks, other: Blocks) -> Distances:
    codes = real.frequent(PAIRED)
    a, b = (PairCounts.of(blocks.bits[:, codes]).share() for blocks in (real, other))
    expected = by_chance(a, len(real))
    gaps = np.abs(np.nan_to_num(phi(a)) - np.nan_to_num(phi(b)))
    return {
        (real.codes[codes[j]], real.codes[codes[i]]): float(gaps[i, j])
        for i, j in _below(len(codes))
        if expected[i, j] >= SMALL_CELL
    }


def _column_code_pairs(real: Blocks, other: Blocks) -> Distances:
    if not (real.columns and real.codes):
        return {}
    codes = real.frequent(PAIRED)
    (hot, places), (other_hot, _) = one_hot(real, real), one_hot(other, real)
    sets = ((hot, real), (other_hot, other))
    a, b = (PairCounts.of(ones, blocks.bits[:, codes]).share() for ones, blocks in sets)
    c = hot.shape[1]
    of_both = lambda share: np.nan_to_num(phi(share, slice(c), slice(c, None)))
    gaps = np.abs(of_both(a) - of_both(b))
    asked = by_chance(a, len(real))[:c, c:] >= SMALL_CELL
    found: Distances = {}
    for j, name in enumerate(places.names):
        own = slice(places.ends[j], places.ends[j + 1])
        most = np.where(asked, gaps, -1.0)[own].max(0)
        found |= {
            (name, real.codes[k]): float(g) for k, g in zip(codes, most, strict=True) if g >= 0
        }
    return found


DISTANCES: tuple[tuple[str, Callable[[Blocks, Blocks], Distances]], ...] = (
    ("column", _columns),
    ("column", _code_errors),
    ("pair", _column_pairs),
    ("pair", _code_pairs),
    ("pair", _column_code_pairs),
)


def _below(n: int) -> Iterator[tuple[int, int]]:
    return zip(*np.tril_indices(n, -1), strict=True)
