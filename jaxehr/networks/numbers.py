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
    shares      for each the share of the values that every class has, 0 for a missing one
    cuts        how many finer intervals each coarse one has
    """

    coarse: tuple[int, ...] = ()
    fine: tuple[int, ...] = ()
    order: tuple[tuple[int, ...], ...] = ()
    shares: tuple[tuple[float, ...], ...] = ()
    cuts: tuple[int, ...] = ()


class Mixture(NamedTuple):
    """Of logistic densities, [..., number, 1, COMPONENTS] each: where they lie, and logarithms of scale and weight."""

    mean: Array
    log_scale: Array
    log_weight: Array


class Pairs(NamedTuple):
    """What each number that is seen says of each other: a normal distribution on the scale of that one, on which it has
    a precision of 1 where none is seen.

    mean        [seen, FEATURES + 1, said]: its mean is linear in the features of what is seen, and in 1
    log_gain    [seen, said]: log of the precision it adds
    log_slope   [seen, said]: log of how far the mean moves with what is seen, which may be known to an interval only
    """

    mean: Any
    log_gain: Any
    log_slope: Any

    @classmethod
    def none(cls, p: int) -> "Pairs":
        """Next to nothing."""
        little = np.full((p, p), np.log(LITTLE))
        return cls(np.zeros((p, FEATURES + 1, p)), little, np.zeros((p, p)))


class Scales(NamedTuple):
    """Of all numbers, padded to the most classes and cuts that one has.

    valued  [p, class] whether it is an interval: a missing value is none
    ends    [p, class, cut + 1] where it and its finer intervals begin and end; zeros where there is none
    coarse  [p, class]: mean and variance of a normal distribution inside the interval; finer [p, class, cut]: of those
            in it
    """

    numbers: Numbers
    valued: np.ndarray
    ends: np.ndarray
    coarse: tuple[np.ndarray, np.ndarray]
    finer: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, numbers: Numbers) -> "Scales":
        most = max(map(len, numbers.order), default=0)
        shape = len(numbers.order), most, max(numbers.cuts, default=1) + 1
        valued, ends = np.zeros(shape[:2], bool), np.zeros(shape, np.float32)
        each = zip(numbers.order, numbers.shares, numbers.cuts, strict=True)
        for q, (order, shares, cuts) in enumerate(each):
            own = _intervals(order, shares, cuts)
            valued[q, : len(order)] = np.asarray(order) >= 0
            ends[q, : len(order)] = own[:, -1:]
            ends[q, : len(order), : cuts + 1] = own
        coarse = _moments(ends[..., 0], ends[..., -1])
        return cls(numbers, valued, ends, coarse, _moments(ends[..., :-1], ends[..., 1:]))

    def features(self, x: Array, which: Any = slice(None)) -> Array:
        """[..., number, FEATURES]: of where these numbers lie; zeros where they are not seen."""
        z, on, _ = self.places(x, which)
        return features(z) * on[..., None]

    def places(self, x: Array, which: Any = slice(None)) -> tuple[Array, Array, Array]:
        """[..., number]: where these numbers lie on their scales, as finely as they are seen; whether they are; the
        variance that is left by an interval."""
        fine = jnp.asarray(self.numbers.fine)[which]
        at, on = self.rows(x, which)
        cut = jnp.where(fine >= 0, x[..., fine], -1)
        inner = at * self.finer[0].shape[-1] + jnp.maximum(cut, 0)
        z, variance = (
            jnp.where(cut >= 0, jnp.asarray(f.ravel())[inner], jnp.asarray(c.ravel())[at])
            for c, f in zip(self.coarse, self.finer, strict=True)
        )
        return z, on, variance

    def expected(self, pairs: Pairs, x: Array, which: Any = slice(None)) -> tuple[Array, Array]:
        """[..., number]: where these numbers should lie by all others that are seen, and log of how far from there.

        The one that says most counts most, by the square of what it adds: numbers that are seen are not independent,
        and what they say together the rest of the network has to learn.
        """
        z, on, variance = self.places(x)
        seen = jnp.concatenate([features(z), jnp.ones((*z.shape, 1))], axis=-1)
        mean = jnp.einsum("...kf,kfj->...kj", seen, pairs.mean[:, :, which])
        spread = jnp.exp(2 * pairs.log_slope[:, which]) * variance[..., None]
        other = 1.0 - np.eye(len(self.numbers.coarse))
        gain = on[..., None] / (jnp.exp(-pairs.log_gain[:, which]) + spread)
        gain = gain * jnp.asarray(other)[:, which]
        square = gain**2
        centre = (square * mean).sum(-2) / (square.sum(-2) + LITTLE)
        return centre, -0.5 * jnp.log1p(square.sum(-2) / (gain.sum(-2) + LITTLE))

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


def _intervals(order: Sequence[int], shares: Sequence[float], cuts: int) -> np.ndarray:
    """Each class has its share of a standard normal distribution, in the order of the values."""
    from scipy.special import ndtri

    place, valued = np.asarray(order), np.asarray(order) >= 0
    share = np.where(valued, np.maximum(shares, RAREST), 0.0)
    share = share / max(share.sum(), RAREST)
    below = (share[None, :] * (place[None, :] < place[:, None])).sum(1)
    ends = below[:, None] + share[:, None] * np.arange(cuts + 1) / cuts
    return np.where(valued[:, None], np.clip(ndtri(np.clip(ends, 0, 1)), -FAR, FAR), 0.0)


RAREST = 1e-5  # the least share of a class
FAR = 4.0  # the ends of the scale of a number
LITTLE = 1e-3  # precision that is as good as none


def features(z: Array) -> Array:
    """[..., FEATURES] of numbers on their scales."""
    waves = [f(np.pi * w * z) for w in (0.5, 1.0, 2.0) for f in (jnp.sin, jnp.cos)]
    return jnp.stack([z, z * z / 4 - 0.25, *waves], axis=-1)


FEATURES = 8


def _moments(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a standard normal distribution between its ends; zeros where these are one."""
    from scipy.special import ndtr

    low, high = low.astype(float), high.astype(float)
    dense_low, dense_high = (np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) for z in (low, high))
    mass = np.maximum(ndtr(high) - ndtr(low), 1e-12)
    mean = np.clip((dense_low - dense_high) / mass, low, high)
    square = 1 + (low * dense_low - high * dense_high) / mass
    wide = (high - low) ** 2 / 12
    exact = high - low > 0.05  # a difference of nearly equal numbers is none
    mean = np.where(exact, mean, (low + high) / 2)
    variance = np.where(exact, np.clip(square - mean**2, 0.0, wide), wide)
    return mean.astype(np.float32), variance.astype(np.float32)


def log_mass(low: Array, high: Array, mean: Array, log_scale: Array, log_weight: Array) -> Array:
    """log of what the mixture has in (low, high); the components are on the last axis, which goes."""
    narrow = jnp.exp(-log_scale)
    a, b = (high[..., None] - mean) * narrow, (low[..., None] - mean) * narrow
    apart = jnp.maximum(a - b, 1e-6)
    inside = jax.nn.log_sigmoid(a) + jax.nn.log_sigmoid(-b) + jnp.log1p(-jnp.exp(-apart))
    return jax.nn.logsumexp(log_weight + inside, axis=-1)
