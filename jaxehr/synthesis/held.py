"""Rows of which a part is known, drawn until they hold."""

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.codecs import KnownParts, Parts
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

log = logging.getLogger(__name__)

TRIES = 256  # draws of a row until it holds
# Of these so many must be kept by the model and by a second look: a row that nobody is like is drawn all the same.
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
        if tries == LOOKS:
            drawer = _that_keeps_all(drawer, len(pending))
        end = LOOKS if tries < LOOKS else TRIES
        each = min(max(size // len(pending), 1), end - tries)
        rows = np.repeat(pending, each)
        number = rows + total * np.tile(np.arange(tries, tries + each), len(pending))
        for at in range(0, len(rows), size):
            found = _drawn(
                drawer, key, known, rows[at : at + size], number[at : at + size], judge, size
            )
            first = ~pd.Index(found.rows).duplicated() & np.isin(found.rows, pending)
            if first.any():
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


def _that_keeps_all(drawer: Drawer, rows: int) -> Drawer:
    """Whatever a draw is; logs for how many rows, where the model would not keep all."""
    possible = drawer.model.possible
    if possible is not None:
        log.warning(
            "of %s rows no draw of %d holds; from here on one that %s is taken too",
            *(f"{rows:,}", LOOKS, possible.fault),
        )
    return drawer._replace(look=None, model=drawer.model._replace(possible=None))


def _of(held: Held, which: np.ndarray) -> Held:
    parts = {kind: part[which] for kind, part in held.parts.items()}
    return Held(held.rows[which], held.cells[which], parts)
