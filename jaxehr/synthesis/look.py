"""What is told of a draw once it is made: by it a draw is kept, or another made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxehr.synthesis import run
from jaxehr.synthesis.sampling import Drawer, drawn
from jaxehr.training.checkpoint import read_params, write_params
from jaxehr.training.held_out import SHARE, split_rows
from jaxehr.training.packed import unpacked
from jaxehr.training.step import rows_of
from jaxehr.types import Key, Model, Params, X


class Look(NamedTuple):
    """What is told of a draw once it is made (synthesis.second_look).

    name        its parameters live under it
    model       its loss tells records from draws by the part DRAWN; it draws nothing
    learn       (seed, (records, draws), the same of those that are not learnt from) -> its parameters
    chance      (its params, x) -> the probability with which a draw is kept
    """

    name: str
    model: Model
    learn: Callable[[int, tuple[X, X], tuple[X, X]], Params]
    chance: Callable[[Params, X], Any]


DRAWN = "drawn"
DRAWS = 4, 40_000  # for each record, to tell it from; but of many records one each


def as_records(rows: X) -> X:
    """As a second look has the records."""
    table: Any = rows
    return {**table, DRAWN: np.zeros(rows_of(rows), np.int8)}


def looked(
    look: Look,
    drawer: Drawer,
    key: Key,
    table: X,
    sides: tuple[X, X | None],
    path: Path | None,
    resume: bool,
) -> Params:
    """The parameters of a second look, learnt from draws without one; those of a run that has them already."""
    folder = None if path is None else run.checkpoints(path, look.name)
    if resume and folder is not None:
        found = read_params(folder, jax.eval_shape(look.model.init, key))
        if found is not None:
            return found
    learnt, out = sides
    if out is None:  # it is judged all the same
        learnt, out = split_rows(table, jax.random.fold_in(key, 0), SHARE)
    n, m = rows_of(learnt), rows_of(out)
    times = max(1.0, min(DRAWS[0], DRAWS[1] / n))
    draws = drawn(drawer, jax.random.fold_in(key, 1), round(times * (n + m)), like=learnt)
    first = round(times * n)
    of = lambda a, b: jax.tree.map(lambda part: part[a:b], draws)
    real = [jax.tree.map(np.asarray, unpacked(rows)) for rows in (learnt, out)]
    seed = int(jax.random.randint(jax.random.fold_in(key, 2), (), 0, 2**31 - 1))
    params = look.learn(seed, (real[0], of(0, first)), (real[1], of(first, None)))
    if folder is not None:
        write_params(folder, 1, params)
    return params
