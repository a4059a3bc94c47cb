"""Copies, counted: rows and numbers of training patients that came back, whatever the number of patients.

A count needs no held-out patients. How many would be by chance is told by them, or else by the training patients, each
beside all others. Whether copies are beyond chance is judged with a control, in `privacy` and `excess_of_numbers`.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import groups_of, nearest
from jaxehr.evaluation.blocks.rows import as_bytes, cells
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, jackknife
from jaxehr.evaluation.measures.proportions import wilson

COMPARED = 5_000  # rows whose nearest training row is looked for
TRAINED = 20_000  # training rows to look among
NEARLY = 0.1  # of the cells, or of a patient's codes, may differ


def copied_rows(real: Blocks, other: Blocks | None) -> Estimate:
    """The share of the others that equal a training row; None: of training rows that equal another."""
    (a, *rest) = cells([real] if other is None else [real, other])
    if other is None:
        _, which, counts = np.unique(as_bytes(a), return_inverse=True, return_counts=True)
        return _share(counts[which.reshape(-1)] > 1)
    return _share(np.isin(as_bytes(rest[0]), as_bytes(a)))


def nearly_copied_rows(real: Blocks, other: Blocks | None) -> Estimate:
    """The same where of the columns and of a patient's codes together a tenth differ at most."""
    real = real.rows(np.arange(min(len(real), TRAINED)))
    asked = real if other is None else other
    asked = asked.rows(np.arange(min(len(asked), COMPARED)))
    a, b = cells([real, asked])
    apart = nearest(b, a, itself=other is None).least * b.cells
    most = NEARLY * (len(asked.columns) + asked.bits.sum(1))
    return _share(apart <= most + 1e-9)


def _share(hits: Bool[np.ndarray, "n"]) -> Estimate:
    count, n = int(hits.sum()), len(hits)
    return Estimate(count / n, *wilson(count, n))


def copied_numbers(real: Blocks, other: Blocks | None) -> Estimate:
    """The share of the others' numbers that equal one which a single training patient has; None: of training patients'
    numbers, each beside all other patients."""
    hits = np.stack(list(_hits(real, other)), 1)
    seen = ~np.isnan((real if other is None else other).numbers)
    return _of_cells(hits.astype(float), seen)


def _hits(real: Blocks, other: Blocks | None) -> Iterator[Bool[np.ndarray, "n"]]:
    for j, column in enumerate(real.numbers.T):
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        if other is None:  # of a value of two patients, each sees it in the other alone
            yield np.isin(column, values[counts == 2])
        else:
            yield np.isin(other.numbers[:, j], values[counts == 1])


def excess_of_numbers(real: Blocks, synthetic: Blocks, holdout: Blocks) -> Estimate:
    """`copied_numbers` less the same of held-out patients' own, at as many of either: a generator that is too wide or
    too narrow meets the ones as often as the others."""
    n = np.arange(min(len(real), len(holdout)))
    parts = (real.rows(n), holdout.rows(n))
    of_real, of_held = (np.stack(list(_hits(part, synthetic)), 1) for part in parts)
    return _of_cells(of_real.astype(float) - of_held, ~np.isnan(synthetic.numbers))


def _of_cells(values: Float[np.ndarray, "n p"], seen: Bool[np.ndarray, "n p"]) -> Estimate:
    """The mean over cells that are there, with an interval over rows."""
    own = groups_of(len(values), GROUPS)
    sums = np.stack([np.bincount(own, x.sum(1), GROUPS) for x in (values * seen, seen)])

    def of(leave: int | None) -> dict[str, float]:
        total, cells = (sums if leave is None else np.delete(sums, leave, 1)).sum(1)
        return {"share": float(total / cells) if cells else float("nan")}

    return jackknife(of)["share"]
