"""Rows held out of training: the loss on them, and the parameters that were best by it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxehr.training.sharding import by_row, replicated
from jaxehr.training.step import rows_at, rows_of
from jaxehr.types import Key, Model, Params, X

TIMES = 20  # a training is judged so often
PATIENCE = 5  # so often without a better one, and it ends
SHARE, FEWEST = 0.1, 1_000  # of the rows are held out, where there are so many
LOSSES = 4_096, 16_384  # in a judgement: fewer rows are taken several times, each with other noise


class Best(NamedTuple):
    """The averaged parameters whose loss on the rows held out is the least so far, and the step they are of."""

    params: Params
    loss: float = np.inf
    step: int = 0

    def or_better(self, params: Params, loss: float, step: int) -> "Best":
        """The better of the two; a copy, since training goes on in the parameters' own memory."""
        return Best(jax.tree.map(jnp.copy, params), loss, step) if loss < self.loss else self

    def said(self, name: str, step: int, steps: int) -> str:
        """One line about how training ended."""
        early = f", which ended after {step:,} since there was none better" if step < steps else ""
        kept = "the last ones" if self.step == step else f"of step {self.step:,}"
        return (
            f"{name}: the loss on rows held out was least, {self.loss:.4f}, with the parameters kept: {kept} "
            f"of {steps:,} steps{early}"
        )

    def waited(self, step: int, interval: int) -> bool:
        """Whether there was no better one for so long that training ends."""
        return step - self.step >= PATIENCE * interval


def split_rows(table: X, key: Key, share: float) -> tuple[X, X | None]:
    """(the rows to learn from, those held out): `share` of them, drawn by the key; None of fewer than 1,000 rows.

    Raises ValueError if the share is not from 0 to 1/2.
    """
    if not 0 <= share <= 0.5:
        raise ValueError(f"the share of rows held out must be from 0 to 0.5; got {share}")
    n = rows_of(table)
    if n < FEWEST or int(n * share) < 1:
        return table, None
    order = np.asarray(jax.random.permutation(key, n))
    cut = int(n * share)
    kept, out = np.sort(order[cut:]), np.sort(order[:cut])
    return jax.tree.map(lambda part: part[kept], table), jax.tree.map(lambda part: part[out], table)


def held_out_loss(
    model: Model, key: Key, table: X, *, batch_size: int, mesh: Mesh
) -> Callable[[Params], float]:
    """The mean loss on the rows of `table`, with the same noise at every call, so that two calls can be compared.

    Of more than 16,384 rows as many are drawn, by the key: the order of a file says when its patients came.
    """
    rows = rows_of(table)
    if rows > LOSSES[1]:
        order = jax.random.permutation(jax.random.fold_in(key, rows), rows)
        chosen = np.sort(np.asarray(order)[: LOSSES[1]])
        table, rows = jax.tree.map(lambda part: part[chosen], table), LOSSES[1]
    batches = -(-int(np.clip(rows, *LOSSES)) // batch_size)
    table = jax.device_put(table, replicated(mesh))

    @jax.jit
    def mean(params: Params, table: X):
        def one(total, i):
            at = (i * batch_size + jnp.arange(batch_size)) % rows
            x0 = jax.lax.with_sharding_constraint(rows_at(table, at), by_row(mesh))
            return total + jnp.mean(model.loss(params, jax.random.fold_in(key, i), x0)), None

        return jax.lax.scan(one, jnp.zeros(()), jnp.arange(batches))[0] / batches

    return lambda params: float(mean(params, table))
