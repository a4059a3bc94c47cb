"""Attacks with the synthetic records in hand: inferring an attribute, singling out, linking. After Giomi et al. (2023).

Each is tried on patients trained on and, as its control, on as many held out; what counts is the success beyond the
control's. Without a control, plain correlation would pass for a leak.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.frames import Bits, Records, Table
from jaxehr.evaluation.blocks.nearest import Rows, groups_of, nearest
from jaxehr.evaluation.measures.intervals import Estimate, excess, jackknife

ATTACKED = 2000  # patients of each side
SECRETS = 10  # columns, or tenths of the codes, that are hidden in turn
CLOSE = 0.05  # of the range: a number guessed so well is known
QUERIES = 1000
DEEPEST = 12  # conditions of one query
FEWEST = 100  # queries without which singling out is not evaluated


class Trial(NamedTuple):
    """What an attack found, and how many patients or queries it was tried on; None: it could not be tried enough."""

    estimate: Estimate | None
    n: int


def attribute_inference(sets: dict[str, Records], rows: dict[str, Rows], seed: int) -> Trial:
    """A tenth of the codes, or a column, is hidden; the guess is the value in the synthetic record nearest by the rest.

    Codes: F1 of the hidden ones. Columns: the share guessed, numbers within 5% of their range.
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
    targets, drawn = sets[name], sets["synthetic"]
    asked = rows[name].take(np.arange(n))
    total = np.zeros((n, 2))
    for secret in _secrets(drawn, seed):
        hide = _hidden(drawn, secret)
        at = nearest(hide(asked), hide(rows["synthetic"])).row
        total += _right(targets, drawn, np.arange(n), at, secret, sets["real"])
    return total


def _secrets(records: Records, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(_columns(records))
    if isinstance(records, Bits):
        return np.array_split(order, SECRETS)
    return [np.array([j]) for j in order[:SECRETS]]


def _columns(records: Records) -> int:
    if isinstance(records, Bits):
        return len(records.codes)
    return records.numbers.shape[1] + records.labels.shape[1]


def _hidden(records: Records, secret: np.ndarray):
    """A function that makes rows without the secret columns: all alike in them."""
    if isinstance(records, Bits):
        seen = np.ones((1, len(records.codes)), np.uint8)
        seen[:, secret] = 0
        return lambda rows: replace(rows, words=rows.words & _words(seen, rows.words.shape[1]))
    p = records.numbers.shape[1]
    sizes = [len(values) + 1 for values in records.values]
    ends = np.cumsum([0, *sizes])
    seen = np.ones((1, int(ends[-1])), np.uint8)
    keep = np.ones(p, np.float32)
    for j in secret:
        if j < p:
            keep[j] = 0
        else:
            seen[:, ends[j - p] : ends[j - p + 1]] = 0

    def hide(rows: Rows) -> Rows:
        words = rows.words & _words(seen, rows.words.shape[1])
        return replace(rows, words=words, numbers=rows.numbers * keep)

    return hide


def _words(bits: np.ndarray, words: int) -> np.ndarray:
    padded = np.zeros((1, words * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1).view(np.uint32).reshape(1, words)


def _right(
    targets: Records,
    drawn: Records,
    who: np.ndarray,
    at: np.ndarray,
    secret: np.ndarray,
    real: Records,
) -> np.ndarray:
    """[patient, 2]: 2 x true positives and the sum of F1's denominator, for codes; hits and 1 for a column."""
    if isinstance(targets, Bits):
        truth, guess = targets.bits[np.ix_(who, secret)], drawn.bits[np.ix_(at, secret)]  # type: ignore[union-attr]
        both = (truth & guess).sum(1)
        return np.stack([2 * both, truth.sum(1) + guess.sum(1)], 1)
    assert isinstance(drawn, Table) and isinstance(real, Table)
    (j,), p = secret, targets.numbers.shape[1]
    if j >= p:
        hit = targets.labels[who, j - p] == drawn.labels[at, j - p]
    else:
        column = real.numbers[:, j]
        span = np.nanmax(column) - np.nanmin(column)
        x, y = targets.numbers[who, j], drawn.numbers[at, j]
        hit = (np.abs(x - y) <= CLOSE * span) | (np.isnan(x) & np.isnan(y))
    return np.stack([hit, np.ones(len(who))], 1)


def linkability(sets: dict[str, Records], rows: dict[str, Rows], seed: int) -> Trial:
    """Half of the columns are known from one source, half from another: do both lead to one synthetic record?"""
    n = min(ATTACKED, len(rows["real"]))
    drawn = sets["synthetic"]
    halves = np.array_split(np.random.default_rng(seed).permutation(_columns(drawn)), 2)
    hits = {}
    for name in ("real", "holdout"):
        asked = rows[name].take(np.arange(n))
        found = []
        for half in halves:
            hide = _hidden(drawn, half)
            found.append(nearest(hide(asked), hide(rows["synthetic"])).row)
        hits[name] = int((found[0] == found[1]).sum())
    return Trial(excess(hits["real"], n, hits["holdout"], n), n)


def singling_out(sets: dict[str, Records], seed: int) -> Trial:
    """Conditions that one synthetic record alone fulfils: how often does one training patient alone fulfil them too?

    A record of codes is singled out by some of its codes, a row of a table by ranges and values of some columns. With
    fewer than 100 such conditions the attack is not evaluated.
    """
    rng = np.random.default_rng(seed)
    conditions = _code_conditions if isinstance(sets["synthetic"], Bits) else _column_conditions
    counts = np.array(list(conditions(sets, rng)), int).reshape(-1, 3)
    counts = counts[counts[:, 0] == 1][:QUERIES]  # by number of synthetic, real and held-out rows
    n = len(counts)
    if n < FEWEST:
        return Trial(None, n)
    return Trial(excess(int((counts[:, 1] == 1).sum()), n, int((counts[:, 2] == 1).sum()), n), n)


def _code_conditions(sets: dict[str, Records], rng: np.random.Generator):
    """Codes of a record, in random order, until no other synthetic record has them all."""
    columns = [np.asfortranarray(sets[s].bits.astype(bool)) for s in SETS]  # type: ignore[union-attr]
    has = lambda i: rng.permutation(np.flatnonzero(columns[0][i]))
    yield from _until_alone(len(columns[0]), rng, has, lambda s, i, j: columns[s][:, j])


def _column_conditions(sets: dict[str, Records], rng: np.random.Generator):
    """Columns of a row, in random order, until no other synthetic row is alike: labels as they are, numbers at least
    or at most so large, by their side of the median."""
    tables = [sets[s] for s in SETS]
    drawn = tables[0]
    assert isinstance(drawn, Table)
    p, q = drawn.numbers.shape[1], drawn.labels.shape[1]
    middle = np.array(
        [np.median(x[~np.isnan(x)]) if (~np.isnan(x)).any() else 0.0 for x in drawn.numbers.T]
    )

    def fulfil(s: int, i: int, j: int) -> np.ndarray:
        table = tables[s]
        assert isinstance(table, Table)
        if j >= p:
            return table.labels[:, j - p] == drawn.labels[i, j - p]
        x, value = table.numbers[:, j], drawn.numbers[i, j]
        if np.isnan(value):
            return np.isnan(x)
        return x >= value if value >= middle[j] else x <= value

    yield from _until_alone(len(drawn), rng, lambda i: rng.permutation(p + q), fulfil)


def _until_alone(n: int, rng: np.random.Generator, order, fulfil):
    """For random synthetic rows: how many rows of each set fulfil the conditions that one alone does, or all tried."""
    for i in rng.permutation(n)[: QUERIES + QUERIES // 2]:
        kept = [np.ones(0, bool)] * 3
        for depth, j in enumerate(order(i)[:DEEPEST]):
            found = [fulfil(s, i, j) for s in range(3)]
            kept = found if not depth else [a & b for a, b in zip(kept, found, strict=True)]
            if kept[0].sum() == 1:
                break
        yield [int(part.sum()) for part in kept]


SETS = ("synthetic", "real", "holdout")
