"""Rows of which a part is known, drawn until they hold."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.codecs import KnownParts, Parts
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

TRIES = 256  # draws of a row until it holds
# Of these so many are looked at a second time: a row that nobody is like is drawn all the same.
LOOKS = 128


class Held(NamedTuple):
    """Rows that hold.

    rows    their numbers
    cells   of the static table
    parts   all of them
    """

    rows: np.ndarray
    cells: pd.DataFrame
    parts: Parts


# (numbers of rows, what is known of them, their parts) -> (cells of the static table, which hold)
Judge = Callable[[np.ndarray, KnownParts | None, Parts], tuple[pd.DataFrame, np.ndarray]]


def rows_that_hold(
    drawer: Drawer,
    key: Key,
    known: KnownParts | None,
    pending: np.ndarray,
    judge: Judge,
    *,
    total: int,
    batch_size: int,
) -> Iterator[Held]:
    """Of each pending row the first draw that holds; a row of which no draw does is left out.

    known   of n subjects; row i is one of subject i modulo n. None where nothing is
    total   rows, pending or not

    Draw j of row i has the key fold_in(key, i + j total), whatever the batch.
    """
    size, tries = min(batch_size, len(pending)), 0
    while len(pending) and tries < TRIES:
        end = LOOKS if tries < LOOKS else TRIES
        each = min(max(size // len(pending), 1), end - tries)
        rows = np.repeat(pending, each)
        number = rows + total * np.tile(np.arange(tries, tries + each), len(pending))
        seen = drawer if tries < LOOKS else drawer._replace(look=None)
        for at in range(0, len(rows), size):
            found = _drawn(
                seen, key, known, rows[at : at + size], number[at : at + size], judge, size
            )
            first = ~pd.Index(found.rows).duplicated() & np.isin(found.rows, pending)
            yield _of(found, first)
            pending = np.setdiff1d(pending, found.rows)
        tries += each


def _drawn(
    drawer: Drawer,
    key: Key,
    known: KnownParts | None,
    rows: np.ndarray,
    number: np.ndarray,
    judge: Judge,
    size: int,
) -> Held:
    """Of draws of these rows those that hold."""
    padded = np.resize(rows, size)  # batches of one shape are compiled once
    own = None if known is None else known.rows(padded % len(known.filled))
    parts, looked = drawer.batch(key, np.resize(number, size), own)
    n = len(rows)
    of_rows = {kind: part[:n] for kind, part in parts.items()}
    own = None if own is None else own.rows(np.arange(n))
    cells, holds = judge(rows, own, of_rows)
    return _of(Held(rows, cells, of_rows), holds & looked[:n])


def _of(held: Held, which: np.ndarray) -> Held:
    parts = {kind: part[which] for kind, part in held.parts.items()}
    return Held(held.rows[which], held.cells[which], parts)
