"""A residual network from partly hidden categories to the logits of all."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.types import Key, Network

COMPONENTS = 4  # logistic densities that lie under the classes of a number


class Numbers(NamedTuple):
    """The tokens whose classes are intervals of a number, on a scale of its own (normal scores of where they lie).

    coarse      [p] which token of the row; fine its second half, which is known only beside the first; -1 for none
    order       for each the place of every class in the order of the values, -1 for that of a missing value
    cuts        how many finer intervals each coarse one has
    """

    coarse: tuple[int, ...] = ()
    fine: tuple[int, ...] = ()
    order: tuple[tuple[int, ...], ...] = ()
    cuts: tuple[int, ...] = ()


class Start(NamedTuple):
    """What an untrained network says already; see jaxehr.synthesis.associations.

    log_frequency   [outputs] of each class by itself
    read            [inputs, rank] of each class that is seen, in the order of `inputs_of`
    say             [rank, outputs]: read of all that is seen, times this, is added to the logits
    """

    log_frequency: np.ndarray
    read: np.ndarray
    say: np.ndarray


def inputs_of(classes: Sequence[int] | np.ndarray) -> tuple[np.ndarray, int]:
    """(the first row of each token in the table of inputs, how many rows that has): a row for each class, and before
    them one for the hidden cell."""
    ends = np.cumsum([0, *(np.asarray(classes) + 1)])
    return ends[:-1], int(ends[-1])


def token_network(
    classes: Sequence[int],
    *,
    places: Sequence[int] | np.ndarray | None = None,
    outputs: int | None = None,
    width: int,
    blocks: int,
    rank: int = 16,
    numbers: Numbers | None = None,
    start: Start | None = None,
) -> Network:
    """Reads categories of which some are hidden (-1), and gives the logits of all classes in one row.

        [h, s] = sum of a row of the table for each cell + features of the numbers that are seen @ W
        h = h + Linear(SiLU(Linear(LayerNorm(h))))          # `blocks` times
        logits = [LayerNorm(h), s] @ O + bias               # O of h from 0; bias, and read and say of s, from `start`

    What is seen reaches the logits without a hidden layer too, through the `rank` numbers s. Of a number's classes,
    which are intervals, the logarithm of what a mixture of logistic densities has in each is added: a column that
    follows from others is then a matter of where the densities lie, not of a logit for each interval.

    classes     of each column; those of two are bits
    places      where the logits of each lie in that row, `outputs` its length; by default side by side

    No time goes in: what is hidden says it all (Ou et al. 2024).
    """
    sizes = np.asarray(classes)
    first = np.cumsum([0, *sizes[:-1]]) if places is None else np.asarray(places)
    outputs = int(sizes.sum()) if outputs is None else outputs
    numbers = Numbers() if numbers is None else numbers
    scales = [_scale(order, cuts) for order, cuts in zip(numbers.order, numbers.cuts, strict=True)]
    net = _Net(sizes, first, outputs, width, blocks, rank, numbers, scales)

    def init(key: Key) -> dict[str, Any]:
        return net.init(key, start)

    def apply(
        params, x: Int[Array, "*batch column"], t: Float[Array, "..."] | None = None
    ) -> Float[Array, "*batch class"]:
        return net.apply(params, x)

    return Network(init, apply)


class _Scale(NamedTuple):
    """Of one number: the ends of the interval of each class, and those of its finer ones; zeros where there is none."""

    low: np.ndarray
    high: np.ndarray
    cuts: np.ndarray


def _scale(order: Sequence[int], cuts: int) -> _Scale:
    """Each class has as much of a standard normal distribution as any other, in the order of the values."""
    from scipy.special import ndtri

    place, valued = np.asarray(order), np.asarray(order) >= 0
    share = (np.clip(place, 0, None)[:, None] + np.arange(cuts + 1) / cuts) / max(valued.sum(), 1)
    ends = np.where(valued[:, None], np.clip(ndtri(share), -FAR, FAR), 0.0)
    return _Scale(ends[:, 0], ends[:, -1], ends)


FAR = 4.0  # the ends of the scale of a number


def _features(z: Array) -> Array:
    """[..., FEATURES] of a number on its scale."""
    waves = [f(np.pi * w * z) for w in (0.5, 1.0, 2.0) for f in (jnp.sin, jnp.cos)]
    return jnp.stack([z, z * z / 4 - 0.25, *waves], axis=-1)


FEATURES = 8


def _log_mass(low: Array, high: Array, mean: Array, log_scale: Array, log_weight: Array) -> Array:
    """log of what the mixture has in (low, high); the components are on the last axis, which goes."""
    narrow = jnp.exp(-log_scale)
    a, b = (high[..., None] - mean) * narrow, (low[..., None] - mean) * narrow
    apart = jnp.maximum(a - b, 1e-6)
    inside = jax.nn.log_sigmoid(a) + jax.nn.log_sigmoid(-b) + jnp.log1p(-jnp.exp(-apart))
    return jax.nn.logsumexp(log_weight + inside, axis=-1)


class _Net(NamedTuple):
    """The network of `token_network`; see there."""

    classes: np.ndarray
    first: np.ndarray
    outputs: int
    width: int
    blocks: int
    rank: int
    numbers: Numbers
    scales: list[_Scale]

    def init(self, key: Key, start: Start | None) -> dict[str, Any]:
        _, rows = inputs_of(self.classes)
        p, k = len(self.scales), iter(jax.random.split(key, 2 * self.blocks + 3))
        columns, both = max(len(self.classes), 1), self.width + self.rank
        table = jax.random.normal(next(k), (rows, both)) * columns**-0.5
        say = jnp.zeros((both, self.outputs))
        bias = jnp.zeros(self.outputs)
        if start is not None:
            found = start.read.shape[1]
            table = table.at[:, self.width : self.width + found].set(start.read)
            say = say.at[self.width : self.width + found].set(start.say)
            bias = jnp.asarray(start.log_frequency, jnp.float32)
        params: dict[str, Any] = {"table": table, "say": say, "bias": bias}
        params["read"] = jnp.zeros(self.width)
        for i in range(self.blocks):
            scale = self.width**-0.5
            square = (self.width, self.width)
            params[f"in_{i}"] = jax.random.normal(next(k), square) * scale
            params[f"in_bias_{i}"] = jnp.zeros(self.width)
            params[f"out_{i}"] = jax.random.normal(next(k), square) * (0.3 * scale)
        if p:
            params["number"] = jax.random.normal(next(k), (p * FEATURES, both)) * columns**-0.5
            params["density"] = jnp.zeros((both, p * 3 * COMPONENTS))
            from scipy.special import ndtri

            centres = ndtri((np.arange(COMPONENTS) + 0.5) / COMPONENTS)
            one = np.stack([np.zeros(COMPONENTS), centres, np.full(COMPONENTS, np.log(0.6))])
            params["density_bias"] = jnp.asarray(np.tile(one.ravel(), p), jnp.float32)
            if start is not None:
                flat = self.with_masses(params, jnp.zeros(both), jnp.full(len(self.classes), -1))
                params["bias"] = bias - flat
        return params

    def apply(self, params: dict[str, Any], x: Array) -> Array:
        x = x.astype(jnp.int32)
        h = self.seen(params, x)
        h, skip = h[..., : self.width] + params["read"], h[..., self.width :]
        for i in range(self.blocks):
            u = _normed(h) @ params[f"in_{i}"] + params[f"in_bias_{i}"]
            h = h + jax.nn.silu(u) @ params[f"out_{i}"]
        h = jnp.concatenate([_normed(h), skip], axis=-1)
        logits = h @ params["say"] + params["bias"]
        if not self.scales:
            return logits
        free = np.ones(self.outputs, np.float32)
        for fine, cuts in zip(self.numbers.fine, self.numbers.cuts, strict=True):
            if fine >= 0:  # it is noise but for where the densities lie
                free[self.first[fine] : self.first[fine] + cuts] = 0.0
        return logits * free + self.with_masses(params, h, x)

    def seen(self, params: dict[str, Any], x: Array) -> Array:
        """[..., width + rank]: the sum of what is seen."""
        first, _ = inputs_of(self.classes)
        bits, others = np.flatnonzero(self.classes == 2), np.flatnonzero(self.classes != 2)
        table, h = params["table"], jnp.zeros((*x.shape[:-1], self.width + self.rank))
        if len(bits):
            hidden, no, yes = (table[first[bits] + i] for i in range(3))
            is_seen, is_one = (
                (x[..., bits] >= 0).astype(h.dtype),
                (x[..., bits] == 1).astype(h.dtype),
            )
            h = h + hidden.sum(0) + is_seen @ (no - hidden) + is_one @ (yes - no)
        if len(others):
            h = h + table[x[..., others] + 1 + first[others]].sum(-2)
        if not self.scales:
            return h
        found = [self.place(q, x) for q in range(len(self.scales))]
        z, on = (jnp.stack(each, axis=-1) for each in zip(*found, strict=True))
        features = _features(z) * on[..., None]
        return h + features.reshape(*features.shape[:-2], -1) @ params["number"]

    def place(self, q: int, x: Array) -> tuple[Array, Array]:
        """(where number q lies on its scale, as finely as it is seen; whether it is seen at all)"""
        coarse, fine = self.numbers.coarse[q], self.numbers.fine[q]
        valued = np.array(self.numbers.order[q]) >= 0
        token = jnp.maximum(x[..., coarse], 0)
        on = (x[..., coarse] >= 0) & jnp.asarray(valued)[token]
        ends = self.scales[q].cuts
        middle = ends.mean(axis=1)
        z = jnp.asarray(middle, jnp.float32)[token]
        if fine >= 0:
            inner = jnp.asarray((ends[:, 1:] + ends[:, :-1]) / 2, jnp.float32)
            finer = inner[token, jnp.maximum(x[..., fine], 0)]
            z = jnp.where(x[..., fine] >= 0, finer, z)
        return z, on

    def with_masses(self, params: dict[str, Any], h: Array, x: Array) -> Array:
        """[..., outputs]: what the densities of the numbers add to the logits."""
        said = h @ params["density"] + params["density_bias"]
        said = said.reshape(*said.shape[:-1], len(self.scales), 3, COMPONENTS)
        added, at = [], []
        for q, scale in enumerate(self.scales):
            weight = jax.nn.log_softmax(said[..., q, 0, :])
            mixture = said[..., q, 1, :], jnp.maximum(said[..., q, 2, :], FINEST), weight
            wide = tuple(part[..., None, :] for part in mixture)
            valued = np.array(self.numbers.order[q]) >= 0
            mass = _log_mass(jnp.asarray(scale.low), jnp.asarray(scale.high), *wide)
            added.append(jnp.where(valued, mass, 0.0))
            coarse, fine = self.numbers.coarse[q], self.numbers.fine[q]
            at.append(self.first[coarse] + np.arange(len(valued)))
            if fine >= 0:
                token = jnp.maximum(x[..., coarse], 0)
                ends = jnp.asarray(scale.cuts, jnp.float32)[token]
                mass = _log_mass(ends[..., :-1], ends[..., 1:], *wide)
                on = (x[..., coarse] >= 0) & jnp.asarray(valued)[token]
                added.append(jnp.where(on[..., None], mass, 0.0))
                at.append(self.first[fine] + np.arange(mass.shape[-1]))
        row = jnp.zeros((*h.shape[:-1], self.outputs))
        return row.at[..., np.concatenate(at)].set(jnp.concatenate(added, -1), unique_indices=True)


FINEST = -4.5  # log of the least scale of a density: about a thousandth of all


def _normed(h: Array) -> Array:
    """LayerNorm without weights, which the layer after it has."""
    h = h - h.mean(-1, keepdims=True)
    return h * jax.lax.rsqrt((h**2).mean(-1, keepdims=True) + 1e-6)
