"""Attacks with the synthetic records in hand: inferring an attribute, singling out, linking. After Giomi et al. (2023).

Each is tried on patients trained on and, as its control, on as many held out; what counts is the success beyond the
control's. Without a control, plain correlation would pass for a leak.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import Rows, groups_of, nearest
from jaxehr.evaluation.blocks.rows import without
from jaxehr.evaluation.measures.intervals import Estimate, excess, jackknife

ATTACKED = 2000  # patients of each side
SECRETS = 10  # columns, and tenths of the codes, that are hidden in turn
CLOSE = 0.05  # of the range: a number guessed so well is known
QUERIES = 1000
DEEPEST = 12  # conditions of one query
FEWEST = 100  # queries without which singling out is not evaluated


class Trial(NamedTuple):
    """What an attack found, and how many patients or queries it was tried on; None: it could not be tried enough."""

    estimate: Estimate | None
    n: int


def attribute_inference(sets: dict[str, Blocks], rows: dict[str, Rows], seed: int) -> Trial:
    """A column, or a tenth of the codes, is hidden; the guess is the value in the synthetic record nearest by the rest.

    Columns: the share guessed, numbers within 5% of their range. Codes: F1 of the hidden ones. Of both: hits of either
    over what either is out of.
    """
    n = min(ATTACKED, len(rows["real"]))
    own = groups_of(n, 20)
    counts = {name: _guessed(name, sets, rows, n, seed) for name in ("real", "holdout")}

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        rates = [counts[name][kept].sum(0) for name in ("real", "holdout")]
        found, control = (hit / max(asked, 1) for hit, asked in rates)
        return {"excess": (found - control) / max(1 - control, 1e-9)}

    return Trial(jackknife(of)["excess"], n)


def _guessed(name: str, sets: dict, rows: dict[str, Rows], n: int, seed: int) -> np.ndarray:
    """[patient, 2]: right guesses, and guesses asked for, over all secrets."""
    targets, drawn = sets[name].rows(np.arange(n)), sets["synthetic"]
    asked = rows[name].take(np.arange(n))
    total = np.zeros((n, 2))
    for secret in _secrets(drawn, seed):
        hide = without(drawn, secret)
        at = nearest(hide(asked), hide(rows["synthetic"])).row
        total += _right(targets, drawn, at, secret, sets["real"])
    return total


def _secrets(blocks: Blocks, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = len(blocks.columns)
    alone = [np.array([j]) for j in rng.permutation(columns)[:SECRETS]]
    tenths = np.array_split(columns + rng.permutation(len(blocks.codes)), SECRETS)
    return [*alone, *(codes for codes in tenths if len(codes))]


def _right(
    targets: Blocks,
    drawn: Blocks,
    at: np.ndarray,
    secret: np.ndarray,
    real: Blocks,
) -> np.ndarray:
    """[patient, 2]: hits and 1 for a column; for codes 2 x true positives, and the sum of F1's denominator."""
    j, p, columns = secret[0], targets.numbers.shape[1], len(targets.columns)
    if j >= columns:
        truth, guess = targets.bits[:, secret - columns], drawn.bits[np.ix_(at, secret - columns)]
        both = (truth & guess).sum(1)
        return np.stack([2 * both, truth.sum(1) + guess.sum(1)], 1)
    if j >= p:
        hit = targets.labels[:, j - p] == drawn.labels[at, j - p]
    else:
        column = real.numbers[:, j]
        span = np.nanmax(column) - np.nanmin(column)
        x, y = targets.numbers[:, j], drawn.numbers[at, j]
        hit = (np.abs(x - y) <= CLOSE * span) | (np.isnan(x) & np.isnan(y))
    return np.stack([hit, np.ones(len(hit))], 1)


def linkability(sets: dict[str, Blocks], rows: dict[str, Rows], seed: int) -> Trial:
    """Half of the columns are known from one source, half from another: do both lead to one synthetic record?"""
    n = min(ATTACKED, len(rows["real"]))
    drawn = sets["synthetic"]
    all_ = len(drawn.columns) + len(drawn.codes)
    halves = np.array_split(np.random.default_rng(seed).permutation(all_), 2)
    hits = {}
    for name in ("real", "holdout"):
        asked = rows[name].take(np.arange(n))
        found = []
        for half in halves:
            hide = without(drawn, half)
            found.append(nearest(hide(asked), hide(rows["synthetic"])).row)
        hits[name] = int((found[0] == found[1]).sum())
    return Trial(excess(hits["real"], n, hits["holdout"], n), n)


def singling_out(sets: dict[str, Blocks], seed: int) -> Trial:
    """Conditions that one synthetic record alone fulfils: how often does one training patient alone fulfil them too?

    A record is singled out by ranges and values of some of its columns, and by some of its codes. With fewer than 100
    such conditions the attack is not evaluated.
    """
    rng = np.random.default_rng(seed)
    counts = np.array(list(_conditions(sets, rng)), int).reshape(-1, 3)
    counts = counts[counts[:, 0] == 1][:QUERIES]  # by number of synthetic, real and held-out rows
    n = len(counts)
    if n < FEWEST:
        return Trial(None, n)
    return Trial(excess(int((counts[:, 1] == 1).sum()), n, int((counts[:, 2] == 1).sum()), n), n)


def _conditions(sets: dict[str, Blocks], rng: np.random.Generator) -> Iterator[list[int]]:
    """For random synthetic rows: how many rows of each set fulfil the conditions that one alone does, or all tried.

    They are tried in random order until no other synthetic row fulfils them: labels as they are, numbers at least or
    at most so large, by their side of the median, and codes that the row has.
    """
    three = [sets[name] for name in SETS]
    drawn = three[0]
    p, columns = drawn.numbers.shape[1], len(drawn.columns)
    bits = [np.asfortranarray(blocks.bits.astype(bool)) for blocks in three]
    labels = [np.asfortranarray(blocks.labels) for blocks in three]
    numbers = [np.asfortranarray(blocks.numbers) for blocks in three]
    middle = [np.median(x[~np.isnan(x)]) if (~np.isnan(x)).any() else 0.0 for x in drawn.numbers.T]

    def fulfil(s: int, i: int, j: int, rows: slice | np.ndarray) -> np.ndarray:
        if j >= columns:
            return bits[s][rows, j - columns]
        if j >= p:
            return labels[s][rows, j - p] == drawn.labels[i, j - p]
        x, value = numbers[s][rows, j], drawn.numbers[i, j]
        if np.isnan(value):
            return np.isnan(x)
        return x >= value if value >= middle[j] else x <= value

    for i in rng.permutation(len(drawn))[: QUERIES + QUERIES // 2]:
        own = np.concatenate([np.arange(columns), columns + np.flatnonzero(bits[0][i])])
        left = [np.zeros(0, int)] * 3
        for depth, j in enumerate(rng.permutation(own)[:DEEPEST]):
            if not depth:
                left = [np.flatnonzero(fulfil(s, i, j, slice(None))) for s in range(3)]
            else:
                left = [rows[fulfil(s, i, j, rows)] for s, rows in enumerate(left)]
            if len(left[0]) == 1:
                break
        yield [len(rows) for rows in left]


SETS = ("synthetic", "real", "holdout")
