"""Masked (absorbing) diffusion of categories: Austin et al. 2021 (D3PM); Shi et al. 2024; Sahoo et al. 2024 (MDLM).

At time t in [0, 1] a category is hidden with probability t, and else as it was. The way back shows it again: what is
hidden at t is shown at s with probability (t - s) / t, drawn from the denoiser's p(x_0 | what is seen). The bound on
the negative log-likelihood is

    E_t [ 1 / t  sum over hidden columns of -log p(x_0 | x_t) ]                (Shi et al. 2024, eq. 5, alpha_t = 1 - t)

and since any other schedule is this one at other times, there is none to choose. The denoiser learns each column given
any set of others: conditions and missing values need no approximation, a known cell is just never hidden.
"""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxehr.processes.multinomial import LOW, drawn, rows
from jaxehr.types import Grid, Key, Time

MASK = -1  # a hidden cell


class Masked(NamedTuple):
    """Columns of `classes` values; logits are padded to the largest number of classes."""

    classes: tuple[int, ...]

    @property
    def valid(self) -> Bool[np.ndarray, "column class"]:
        return np.arange(max(self.classes)) < np.array(self.classes)[:, None]

    def prior(self, key: Key, shape: tuple[int, ...], t: Time) -> Int[Array, "*batch column"]:
        """All hidden (t = 1)."""
        return jnp.full(shape, MASK)

    def corrupt(
        self, key: Key, x: Int[Array, "*batch column"], t: Time, s: Time | None = None
    ) -> Int[Array, "*batch column"]:
        """One draw of q(x_t | x_s), s < t; None is the data, s = 0."""
        t = rows(t, x.ndim)
        hide = t if s is None else (t - rows(s, x.ndim)) / (1 - rows(s, x.ndim))
        return jnp.where(jax.random.uniform(key, x.shape) < hide, MASK, x)

    def pinned(self, key: Key, x0: Int[Array, "*batch column"], t: Time) -> Array:
        """Cells whose clean value is known are never hidden."""
        return x0

    def posterior(
        self,
        key: Key,
        x0: Float[Array, "*batch column class"],
        x: Int[Array, "*batch column"],
        t: Time,
        s: Time,
        eta: float = 1.0,
    ) -> Int[Array, "*batch column"]:
        """One draw of q(x_s | x_t, x_0): each hidden cell is shown with probability (t - s) / t. eta has no meaning."""
        del eta
        show_key, value_key = jax.random.split(key)
        show = jax.random.uniform(show_key, x.shape) * t < t - s
        return jnp.where((x == MASK) & show, self.drawn(value_key, x0).astype(x.dtype), x)

    def drawn(self, key: Key, logits: Float[Array, "*batch column class"]) -> Array:
        """A class of each column."""
        logits = jnp.where(self.valid, logits, LOW)
        return drawn(key, jnp.exp(logits - logits.max(axis=-1, keepdims=True)))

    def bound(
        self,
        x0: Int[Array, "*batch column"],
        logits: Float[Array, "*batch column class"],
        x: Int[Array, "*batch column"],
        t: Time,
    ) -> Float[Array, "*batch column"]:
        """-log p(x_0 | x_t) / t of each hidden column, 0 where it is seen; the sum over columns bounds -log p(x_0)."""
        logp = jax.nn.log_softmax(jnp.where(self.valid, logits, LOW), axis=-1)
        at = jnp.take_along_axis(logp, x0[..., None].astype(int), axis=-1)[..., 0]
        return jnp.where(x == MASK, -at, 0.0) / rows(t, x0.ndim)


class Path(NamedTuple):
    """An order in which the cells of a record, side by side, are shown.

    position    when each is shown, 0 first
    after       (cell, the one before which it is never shown): the second half of a number after its first
    """

    position: tuple[int, ...]
    after: tuple[tuple[int, int], ...] = ()

    def steps(self, grid: Grid) -> list[tuple[int, ...]]:
        """The cells that each step of a grid shows; a step that shows none is left out.

        grid    what share of the cells is hidden before the first step, and after each
        """
        turns = sorted(range(len(self.position)), key=lambda cell: self.position[cell])
        at = [len(turns) - round(float(t) * len(turns)) for t in grid]
        return [tuple(turns[a:b]) for a, b in pairwise(at) if a < b]

    def hidden(
        self, key: Key, rows: int, *, along: float, near: float
    ) -> tuple[Bool[Array, "row cell"], Float[Array, "row cell"]]:
        """(what is hidden of a batch, what each cell's -log p counts): the bound, and what draws go through.

        along   share of the rows in which what is seen is a beginning of this order; of the others it is one of an
                order drawn at random, so that every column is learnt given any others
        near    how many cells ahead count in the first: cell i after the next exp(-i / near)

        As many rows at every number of hidden cells.
        """
        cells = len(self.position)
        count_key, rank_key, rows_key = jax.random.split(key, 3)
        share = (jnp.arange(rows) + jax.random.uniform(count_key, (rows,))) / rows
        count = jnp.ceil(jax.random.permutation(rows_key, share) * cells)[:, None]
        turn = jnp.argsort(jnp.argsort(jax.random.uniform(rank_key, (rows, cells)), -1), -1)
        for cell, before in self.after:
            one, two = turn[:, cell], turn[:, before]
            turn = turn.at[:, cell].set(jnp.maximum(one, two))
            turn = turn.at[:, before].set(jnp.minimum(one, two))
        own = (jnp.arange(rows) < along * rows)[:, None]
        turn = jnp.where(own, jnp.asarray(self.position), turn)
        ahead = turn - (cells - count)
        weight = jnp.where(own, jnp.exp(-ahead / near), 1.0)
        for cell, before in self.after:
            # While the one before is hidden, this cell is not the next: the other is so twice as often.
            waits = (ahead[:, before] >= 0) & ~own[:, 0]
            weight = weight.at[:, cell].set(jnp.where(waits, 0.0, weight[:, cell]))
            twice = (ahead[:, cell] >= 0) & ~own[:, 0]
            weight = weight.at[:, before].multiply(jnp.where(twice, 2.0, 1.0))
        weight = jnp.where(ahead >= 0, weight, 0.0)
        return ahead >= 0, weight / weight.sum(-1, keepdims=True)


def ranks(key: Key, x: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """(the place of each cell in an order of all cells of its record, drawn at random, by part; the number of cells)"""
    names = sorted(x)
    ends = list(accumulate(x[name].shape[-1] for name in names))
    lead = x[names[0]].shape[:-1]
    noise = jax.random.uniform(key, (*lead, ends[-1]))
    rank = jnp.argsort(jnp.argsort(noise, axis=-1), axis=-1)
    return dict(zip(names, jnp.split(rank, ends[:-1], axis=-1), strict=True)), ends[-1]
