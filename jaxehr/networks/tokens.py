"""A residual network from partly hidden categories to the logits of all."""

from collections.abc import Iterator, Sequence
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
    net = _Net(sizes, first, outputs, width, blocks, rank, numbers, _Scales.of(numbers))

    def init(key: Key) -> dict[str, Any]:
        return net.init(key, start)

    def apply(
        params, x: Int[Array, "*batch column"], t: Float[Array, "..."] | None = None
    ) -> Float[Array, "*batch class"]:
        return net.apply(params, x)

    return Network(init, apply)


class _Scales(NamedTuple):
    """Of all numbers, padded to the most classes and cuts that one has.

    valued  [p, class] whether it is an interval: a missing value is none
    ends    [p, class, cut + 1] where it and its finer intervals begin and end; zeros where there is none
    """

    valued: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, numbers: Numbers) -> "_Scales":
        most = max(map(len, numbers.order), default=0)
        shape = len(numbers.order), most, max(numbers.cuts, default=1) + 1
        scales = cls(np.zeros(shape[:2], bool), np.zeros(shape, np.float32))
        for q, (order, cuts) in enumerate(zip(numbers.order, numbers.cuts, strict=True)):
            ends = _intervals(order, cuts)
            scales.valued[q, : len(order)] = np.asarray(order) >= 0
            scales.ends[q, : len(order)] = ends[:, -1:]
            scales.ends[q, : len(order), : cuts + 1] = ends
        return scales


def _intervals(order: Sequence[int], cuts: int) -> np.ndarray:
    """Each class has as much of a standard normal distribution as any other, in the order of the values."""
    from scipy.special import ndtri

    place, valued = np.asarray(order), np.asarray(order) >= 0
    share = (np.clip(place, 0, None)[:, None] + np.arange(cuts + 1) / cuts) / max(valued.sum(), 1)
    return np.where(valued[:, None], np.clip(ndtri(share), -FAR, FAR), 0.0)


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


class Mixture(NamedTuple):
    """Of logistic densities, [..., number, 1, COMPONENTS] each: where they lie, and logarithms of scale and weight."""

    mean: Array
    log_scale: Array
    log_weight: Array


class _Net(NamedTuple):
    """The network of `token_network`; see there."""

    classes: np.ndarray
    first: np.ndarray
    outputs: int
    width: int
    blocks: int
    rank: int
    numbers: Numbers
    scales: _Scales

    def init(self, key: Key, start: Start | None) -> dict[str, Any]:
        _, rows = inputs_of(self.classes)
        p, k = len(self.numbers.coarse), iter(jax.random.split(key, 2 * self.blocks + 3))
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
        params |= residual_blocks(k, self.width, self.blocks)
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
        h = jnp.concatenate([through_blocks(params, h, self.blocks), skip], axis=-1)
        logits = h @ params["say"] + params["bias"]
        if not self.numbers.coarse:
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
        table, h = jnp.asarray(params["table"]), jnp.zeros((*x.shape[:-1], self.width + self.rank))
        if len(bits):
            hidden, no, yes = (table[first[bits] + i] for i in range(3))
            is_seen, is_one = (
                (x[..., bits] >= 0).astype(h.dtype),
                (x[..., bits] == 1).astype(h.dtype),
            )
            h = h + hidden.sum(0) + is_seen @ (no - hidden) + is_one @ (yes - no)
        if len(others):
            h = h + table[x[..., others] + 1 + first[others]].sum(-2)
        if not self.numbers.coarse:
            return h
        z, on = self.places(x)
        features = _features(z) * on[..., None]
        return h + features.reshape(*features.shape[:-2], -1) @ params["number"]

    def places(self, x: Array) -> tuple[Array, Array]:
        """[..., p]: where each number lies on its scale, as finely as it is seen; whether it is seen at all."""
        fine = np.array(self.numbers.fine)
        at, on = self.rows(x)
        ends = self.scales.ends.reshape(-1, self.scales.ends.shape[-1])
        first, last = ends[:, 0], ends[:, -1]
        z = jnp.asarray((first + last) / 2)[at]
        middle = (ends[:, 1:] + ends[:, :-1]) / 2
        cut = jnp.where(fine >= 0, x[..., fine], -1)
        inner = jnp.asarray(middle.ravel())[at * middle.shape[1] + jnp.maximum(cut, 0)]
        return jnp.where(cut >= 0, inner, z), on

    def rows(self, x: Array) -> tuple[Array, Array]:
        """[..., p]: of each number the row of its class among those of all numbers, of a hidden one its first; whether
        it is seen, and is an interval."""
        token = x[..., np.array(self.numbers.coarse)]
        first = np.arange(len(self.numbers.coarse)) * self.scales.valued.shape[1]
        at = jnp.maximum(token, 0) + first
        return at, (token >= 0) & jnp.asarray(self.scales.valued.ravel())[at]

    def mixture(self, params: dict[str, Any], h: Array, which: Any = slice(None)) -> Mixture:
        """Of these numbers, by their place in `numbers`."""
        p = len(self.numbers.coarse)
        density = params["density"].reshape(-1, p, 3 * COMPONENTS)[:, which]
        said = jnp.tensordot(h, density, 1) + params["density_bias"].reshape(p, -1)[which]
        weight, mean, log_scale = jnp.split(said[..., None, :], 3, axis=-1)
        return Mixture(mean, jnp.maximum(log_scale, FINEST), jax.nn.log_softmax(weight))

    def masses(self, mixture: Mixture, which: Any = slice(None)) -> Array:
        """[..., number, class]: log of what the mixture of each has in its classes; 0 for a missing value."""
        ends, valued = jnp.asarray(self.scales.ends)[which], jnp.asarray(self.scales.valued)[which]
        return jnp.where(valued, _log_mass(ends[..., 0], ends[..., -1], *mixture), 0.0)

    def finer_masses(self, mixture: Mixture, x: Array, which: Any) -> Array:
        """[..., number, cut]: the same of the finer intervals of the class that is seen; 0 where none is."""
        row_of, seen = self.rows(x)
        ends = jnp.asarray(self.scales.ends.reshape(-1, self.scales.ends.shape[-1]))
        ends = ends[row_of[..., which]]
        mass = _log_mass(ends[..., :-1], ends[..., 1:], *mixture)
        return jnp.where(seen[..., which, None], mass, 0.0)

    def with_masses(self, params: dict[str, Any], h: Array, x: Array) -> Array:
        """[..., outputs]: what the densities of the numbers add to the logits."""
        coarse, fine = np.array(self.numbers.coarse), np.array(self.numbers.fine)
        mixture = self.mixture(params, h)
        real = np.arange(self.scales.valued.shape[1]) < self.classes[coarse][:, None]
        at = (self.first[coarse][:, None] + np.arange(real.shape[1]))[real]
        mass = self.masses(mixture).reshape(*h.shape[:-1], -1)
        row = jnp.zeros((*h.shape[:-1], self.outputs)).at[..., at].set(mass[..., real.ravel()])
        halves = np.flatnonzero(fine >= 0)
        if not len(halves):
            return row
        real = np.arange(self.scales.ends.shape[-1] - 1) < np.array(self.numbers.cuts)[halves, None]
        at = (self.first[fine[halves]][:, None] + np.arange(real.shape[1]))[real]
        part = Mixture(*(each[..., halves, :, :] for each in mixture))
        mass = self.finer_masses(part, x, halves).reshape(*h.shape[:-1], -1)
        return row.at[..., at].set(mass[..., real.ravel()])


FINEST = -4.5  # log of the least scale of a density: about a thousandth of all


def residual_blocks(keys: Iterator[Key], width: int, blocks: int) -> dict[str, Array]:
    """The parameters of `through_blocks`; takes two keys for each block."""
    params, scale = {}, width**-0.5
    for i in range(blocks):
        params[f"in_{i}"] = jax.random.normal(next(keys), (width, width)) * scale
        params[f"in_bias_{i}"] = jnp.zeros(width)
        params[f"out_{i}"] = jax.random.normal(next(keys), (width, width)) * (0.3 * scale)
    return params


def through_blocks(params: dict[str, Any], h: Array, blocks: int) -> Array:
    """h = h + Linear(SiLU(Linear(LayerNorm(h)))) so often, and LayerNorm at the end."""
    for i in range(blocks):
        u = normed(h) @ params[f"in_{i}"] + params[f"in_bias_{i}"]
        h = h + jax.nn.silu(u) @ params[f"out_{i}"]
    return normed(h)


def normed(h: Array) -> Array:
    """LayerNorm without weights, which the layer after it has."""
    h = h - h.mean(-1, keepdims=True)
    return h * jax.lax.rsqrt((h**2).mean(-1, keepdims=True) + 1e-6)
