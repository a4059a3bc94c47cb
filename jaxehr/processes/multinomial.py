"""Multinomial diffusion: Hoogeboom et al., "Argmax Flows and Multinomial Diffusion", NeurIPS 2021.

A category is kept with probability a(t) = alpha(t)^2 and else drawn anew, uniformly over its K classes:

    q(x_t | x_0) = Cat(a_t x_0 + (1 - a_t) / K)
    q(x_s | x_t, x_0) ~ [a_s x_0 + (1 - a_s) / K] [a_ts x_t + (1 - a_ts) / K],        a_ts = a_t / a_s

Any number of columns with any numbers of classes: classes are padded to the largest K, with log-probability LOW. All is
in log space, and normalised column by column.

The convention. Samplers plug what the denoiser says into the second line in the place of x_0. That line contains the
likelihood of x_t; so does Bayes' p(x_0 | x_t), and plugging that in would count it twice (frequencies of .60 .25 .10
.05 come out as .43 .27 .18 .13). A network trained with the bound below learns to leave it out. A denoiser that is
p(x_0 | x_t) goes through `Multinomial.without_likelihood` first, and the chain is then exact.
"""

from itertools import accumulate
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxehr.processes.schedules import Schedule
from jaxehr.types import Key, Noise, Time

LOW = -1e4  # the logarithm of nothing: exp(LOW) is 0, and LOW - LOW is not NaN

Categories = Int[Array, "*batch column"]
Logits = Float[Array, "*batch column class"]


class Multinomial(NamedTuple):
    """The process of a variance-preserving schedule (alpha^2 + sigma^2 = 1) for columns of `classes` values."""

    schedule: Schedule
    classes: tuple[int, ...]

    @property
    def valid(self) -> Bool[np.ndarray, "column class"]:
        """Which classes a column has; the rest is padding."""
        return np.arange(max(self.classes)) < np.array(self.classes)[:, None]

    def prior(self, key: Key, shape: tuple[int, ...], t: Time) -> Categories:
        """Uniform over the classes of each column; shape ends in `column`."""
        return jax.random.randint(key, shape, 0, np.array(self.classes))

    def corrupt(self, key: Key, x: Categories, t: Time, s: Time | None = None) -> Categories:
        """One draw of q(x_t | x_s), s < t; None is the data, s = 0."""
        keep_key, new_key = jax.random.split(key)
        log_kept, _ = self._log_between(t, 0.0 if s is None else s, x.ndim)
        keep = jax.random.uniform(keep_key, x.shape) < jnp.exp(log_kept)
        return jnp.where(keep, x, self.prior(new_key, x.shape, t).astype(x.dtype))

    def pinned(self, key: Key, x0: Categories, t: Time) -> Categories:
        """Cells at time t whose clean value is known: noised like any other."""
        return self.corrupt(key, x0, t)

    def posterior(
        self, key: Noise, x0: Logits, x: Categories, t: Time, s: Time, eta: float = 1.0
    ) -> Categories:
        """One draw of q(x_s | x_t, x_0) with the denoiser's logits plugged in for x_0.

        key     also Gumbel noise of the shape of x0
        eta     has no meaning here: there is no chain with less noise and the same marginals
        """
        del eta
        if jnp.issubdtype(key.dtype, jnp.inexact):
            logp = self.log_posterior(self.normalised(x0), x, t, s)
            return jnp.argmax(logp + key, axis=-1).astype(x.dtype)
        # The same in proportion, with one exponential a class and nothing normalised.
        ndim, k = x0.ndim, np.array(self.classes, np.float32)[:, None]
        a_s, lost_s = (jnp.exp(level) for level in self._log_between(s, 0.0, ndim))
        a_ts, lost_ts = (jnp.exp(level) for level in self._log_between(t, s, ndim))
        here = jax.nn.one_hot(x, max(self.classes), dtype=bool)
        logits = jnp.where(self.valid, jnp.maximum(x0, LOW), LOW)
        belief = jnp.exp(logits - logits.max(axis=-1, keepdims=True))
        fresh = belief.sum(axis=-1, keepdims=True) * (lost_s / k)
        weight = (a_s * belief + fresh) * (lost_ts / k + a_ts * here)
        return drawn(key, jnp.where(self.valid, weight, 0.0)).astype(x.dtype)

    def normalised(self, logits: Logits) -> Logits:
        """Log-probabilities of each column; padding LOW."""
        valid = self.valid
        logp = jax.nn.log_softmax(jnp.where(valid, jnp.maximum(logits, LOW), LOW), axis=-1)
        return jnp.where(valid, jnp.maximum(logp, LOW), LOW)

    def one_hot(self, x: Categories) -> Logits:
        """Log-probabilities of what is known: 0 for the class, LOW elsewhere."""
        return jnp.where(jax.nn.one_hot(x, max(self.classes), dtype=bool), 0.0, LOW)

    def log_forward(self, log_x0: Logits, t: Time) -> Logits:
        """log q(x_t | x_0) of every class."""
        return self._mixed(log_x0, *self._log_between(t, 0.0, log_x0.ndim))

    def log_posterior(self, log_x0: Logits, x: Categories, t: Time, s: Time) -> Logits:
        """log q(x_s | x_t, x_0) of every class."""
        return self.normalised(self.log_forward(log_x0, s) + self._log_likelihood(x, t, s))

    def without_likelihood(self, logits: Logits, x: Categories, t: Time) -> Logits:
        """Logits of p(x_0 | x_t) / q(x_t | x_0), which plugged into the posterior give the mixture
        sum_k p(x_0 = k | x_t) q(x_s | x_t, x_0 = k): the exact reverse chain of an exact p(x_0 | x_t)."""
        # q(x_t = x | x_0 = k) of every k is q(x_t = k | x_0 = x): the kernel is symmetric.
        return self.normalised(logits) - self.log_forward(self.one_hot(x), t)

    def kl(self, x0: Categories, log_x0_hat: Logits, x: Categories, t: Time, s: Time) -> Array:
        """KL(q(x_s | x_t, x_0) || q(x_s | x_t, x_0_hat)) of each column; at s = 0 the decoder's -log p(x_0 | x_t).

        Both have the factor of x_t, which cancels in their ratio, and all classes but x_0 and x_t are alike in the
        first: with r = a_s x_0_hat + b_s, one logarithm of each class is all it takes.
        """
        k = np.array(self.classes, np.float32)
        a_s, lost_s = (jnp.exp(level) for level in self._log_between(s, 0.0, x.ndim))
        a_ts, lost_ts = (jnp.exp(level) for level in self._log_between(t, s, x.ndim))
        b_s, c = jnp.maximum(lost_s / k, jnp.finfo(jnp.float32).tiny), lost_ts / k

        def at(values: Array, index: Array) -> Array:
            return jnp.take_along_axis(values, index[..., None].astype(int), axis=-1)[..., 0]

        r = jnp.expand_dims(a_s, -1) * jnp.exp(log_x0_hat) + b_s[..., None]
        apart = jnp.where(self.valid, jnp.log(b_s)[..., None] - jnp.log(r), 0.0)
        r_x, same = at(r, x), x == x0
        w_x0 = (a_s + b_s) * jnp.where(same, a_ts + c, c)
        w_x = jnp.where(same, 0.0, b_s * (a_ts + c))
        others = jnp.sum(apart, axis=-1) - at(apart, x0) - jnp.where(same, 0.0, at(apart, x))
        n_others = k - jnp.where(same, 1, 2)
        z_q = w_x0 + w_x + n_others * b_s * c
        z_p = c + a_ts * r_x
        mean = (
            w_x0 * (jnp.log(a_s + b_s) - jnp.log(at(r, x0))) + w_x * at(apart, x) + b_s * c * others
        )
        return mean / z_q - jnp.log(z_q) + jnp.log(z_p)

    def prior_kl(self, x0: Categories, t: Time) -> Array:
        """KL(q(x_t | x_0) || uniform) of each column: what is left of the data at the last time."""
        logp = self.log_forward(self.one_hot(x0), t)
        return _kl(logp, jnp.where(self.valid, -self._log_classes, jnp.full_like(logp, LOW)))

    @property
    def _log_classes(self) -> Float[np.ndarray, "column 1"]:
        return np.log(np.array(self.classes, np.float32))[:, None]

    def _log_likelihood(self, x: Categories, t: Time, s: Time) -> Logits:
        """log q(x_t | x_s) of every class of x_s."""
        return self._mixed(self.one_hot(x), *self._log_between(t, s, x.ndim + 1))

    def _log_between(self, t: Time, s: Time, ndim: int) -> tuple[Array, Array]:
        """log a_ts and log (1 - a_ts), shaped to broadcast against arrays of `ndim` axes; s = 0 is the data."""
        tiny = float(np.finfo(np.float32).tiny)
        lost = jnp.clip(self.schedule.lost(t, s), tiny, -np.log(tiny))
        return rows(-lost, ndim), rows(jnp.log(-jnp.expm1(-lost)), ndim)

    def _mixed(self, logp: Logits, kept: Array, lost: Array) -> Logits:
        return jnp.where(self.valid, jnp.logaddexp(kept + logp, lost - self._log_classes), LOW)


def _kl(log_p: Logits, log_q: Logits) -> Array:
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)


def rows(value: Time, ndim: int) -> Array:
    """A value per row, shaped to broadcast against arrays of `ndim` axes; a scalar stays one."""
    value = jnp.asarray(value)
    return value.reshape(value.shape + (1,) * (ndim - value.ndim)) if value.ndim else value


def drawn(key: Key, weight: Float[Array, "*batch column class"]) -> Int[Array, "*batch column"]:
    """A class of each column in proportion to its weight: one uniform number a column, where Gumbel noise would take
    one for each class."""
    return chosen(jax.random.uniform(key, weight.shape[:-1]), weight)


def chosen(
    u: Float[Array, "*batch column"], weight: Float[Array, "*batch column class"]
) -> Int[Array, "*batch column"]:
    """The class in which u lies, where each takes as much of [0, 1) as its weight is of all."""
    classes = weight.shape[-1]
    # Written out, a running sum costs a fifth of XLA's own on a CPU; longer ones compile slowly.
    if classes <= 32:
        *below, total = accumulate(weight[..., k] for k in range(classes))
        return sum(((edge <= u * total).astype(int) for edge in below), jnp.zeros(u.shape, int))
    edges = jnp.cumsum(weight, axis=-1)
    found = jnp.sum(edges <= (u * edges[..., -1])[..., None], axis=-1)
    return jnp.minimum(found, classes - 1)
