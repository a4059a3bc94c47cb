"""Numbers as a network of tokens has them: where their intervals lie, and what densities have in these."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


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


class Mixture(NamedTuple):
    """Of logistic densities, [..., number, 1, COMPONENTS] each: where they lie, and logarithms of scale and weight."""

    mean: Array
    log_scale: Array
    log_weight: Array


class Scales(NamedTuple):
    """Of all numbers, padded to the most classes and cuts that one has.

    valued  [p, class] whether it is an interval: a missing value is none
    ends    [p, class, cut + 1] where it and its finer intervals begin and end; zeros where there is none
    """

    numbers: Numbers
    valued: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, numbers: Numbers) -> "Scales":
        most = max(map(len, numbers.order), default=0)
        shape = len(numbers.order), most, max(numbers.cuts, default=1) + 1
        scales = cls(numbers, np.zeros(shape[:2], bool), np.zeros(shape, np.float32))
        for q, (order, cuts) in enumerate(zip(numbers.order, numbers.cuts, strict=True)):
            ends = _intervals(order, cuts)
            scales.valued[q, : len(order)] = np.asarray(order) >= 0
            scales.ends[q, : len(order)] = ends[:, -1:]
            scales.ends[q, : len(order), : cuts + 1] = ends
        return scales

    def features(self, x: Array, which: Any = slice(None)) -> Array:
        """[..., number, FEATURES]: of where these numbers lie; zeros where they are not seen."""
        z, on = self.places(x, which)
        return _features(z) * on[..., None]

    def places(self, x: Array, which: Any = slice(None)) -> tuple[Array, Array]:
        """[..., number]: where these numbers lie on their scales, as finely as they are seen; whether they are."""
        fine = jnp.asarray(self.numbers.fine)[which]
        at, on = self.rows(x, which)
        ends = self.ends.reshape(-1, self.ends.shape[-1])
        first, last = ends[:, 0], ends[:, -1]
        z = jnp.asarray((first + last) / 2)[at]
        middle = (ends[:, 1:] + ends[:, :-1]) / 2
        cut = jnp.where(fine >= 0, x[..., fine], -1)
        inner = jnp.asarray(middle.ravel())[at * middle.shape[1] + jnp.maximum(cut, 0)]
        return jnp.where(cut >= 0, inner, z), on

    def rows(self, x: Array, which: Any = slice(None)) -> tuple[Array, Array]:
        """[..., number]: of these numbers the row of the class among those of all numbers, of a hidden one its first;
        whether it is seen, and is an interval."""
        token = x[..., jnp.asarray(self.numbers.coarse)[which]]
        first = jnp.arange(len(self.numbers.coarse))[which] * self.valued.shape[1]
        at = jnp.maximum(token, 0) + first
        return at, (token >= 0) & jnp.asarray(self.valued.ravel())[at]

    def masses(self, mixture: Mixture, which: Any = slice(None)) -> Array:
        """[..., number, class]: log of what the mixture of each has in its classes; 0 for a missing value."""
        ends, valued = jnp.asarray(self.ends)[which], jnp.asarray(self.valued)[which]
        return jnp.where(valued, log_mass(ends[..., 0], ends[..., -1], *mixture), 0.0)

    def finer_masses(self, mixture: Mixture, x: Array, which: Any) -> Array:
        """[..., number, cut]: the same of the finer intervals of the class that is seen; 0 where none is."""
        row_of, seen = self.rows(x, which)
        ends = jnp.asarray(self.ends.reshape(-1, self.ends.shape[-1]))[row_of]
        mass = log_mass(ends[..., :-1], ends[..., 1:], *mixture)
        return jnp.where(seen[..., None], mass, 0.0)


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


def log_mass(low: Array, high: Array, mean: Array, log_scale: Array, log_weight: Array) -> Array:
    """log of what the mixture has in (low, high); the components are on the last axis, which goes."""
    narrow = jnp.exp(-log_scale)
    a, b = (high[..., None] - mean) * narrow, (low[..., None] - mean) * narrow
    apart = jnp.maximum(a - b, 1e-6)
    inside = jax.nn.log_sigmoid(a) + jax.nn.log_sigmoid(-b) + jnp.log1p(-jnp.exp(-apart))
    return jax.nn.logsumexp(log_weight + inside, axis=-1)
