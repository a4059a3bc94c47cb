"""A recurrent denoiser of series that is told the time, and what the whole course is like, in every layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from jaxehr.networks.mlp import Embedding, linear
from jaxehr.networks.recurrence import GRU, BothWays
from jaxehr.networks.recurrent import over_series
from jaxehr.networks.runs import runs_of
from jaxehr.types import Network


def course_network(
    stands: Int[np.ndarray, " feature"],
    *,
    width: int,
    layers: int = 3,
    time_width: int = 128,
    embedding: Embedding,
) -> Network:
    """Residual layers of a GRU that goes both ways, over the steps of a series with noise of sigma.

        u = x / sqrt(sigma^2 + 1)
        told = SiLU(Linear(embedding(log(sigma) / 4)))
        h = Linear(u)
        whole = SiLU(Linear(told) + Linear(mean over the steps of norm(h)))        # in each layer
        h = h + Linear(GRU(norm(h) * (1 + scale(whole)) + shift(whole)))
        h = norm(h) * (1 + scale(whole)) + shift(whole)
        out = Linear(h) + sum over k of Linear_k(h) * u at the step k later, k = -2 ... 2
                        + sum over w of Linear_w(h) * sqrt(steps) * mean of u over the steps within w, w = 6, all
                        + sum over r of Linear_r(h) * r, of what is carried on, by runs_of(x, P(stands | all), sigma):
                          r = own, doubted, course, and open * each of before, after, past, future

    The sums are feature by feature: what each feature is at the steps around passes by layers that are too narrow to
    hold all of them, weighed by what these say. Of what is carried on through a whole course, such as a weight, all
    copies together say the value where the noise of each is as large as the root of their number; without their mean
    patients differed too little (PhysioNet 2012: deviation of the mean potassium .39, of real stays .57). By means over
    steps alone, whatever was measured in these, a value of years ago was less forgotten (`runs_of`).

    stands  which feature, a bit of -1 and 1, says of each that it stands at the value of the step before; -1 for what
            is not carried on. What is said of a bit are its log odds given all else

    apply(params, x, sigma): x [*batch, step, feature], sigma a scalar or one for each record. A layer adds nothing at
    first, and nothing is said.
    """
    module = _Course(tuple(stands.tolist()), width, layers, time_width, embedding)
    return over_series(module, len(stands))


NEAR, WITHIN = 2, 6  # steps


def _around(x: Array) -> list[Array]:
    """x [step, *batch, feature] at each of the steps around, 0 beyond the ends, then means over more and over all of
    them, with the deviation of one where all are independent."""
    padded = jnp.pad(x, [(WITHIN, WITHIN), *[(0, 0)] * (x.ndim - 1)])
    shifted = [padded[k : k + len(x)] for k in range(2 * WITHIN + 1)]
    step = np.arange(len(x))
    count = np.minimum(step + WITHIN, len(x) - 1) - np.maximum(step - WITHIN, 0) + 1
    within = sum(shifted) / jnp.sqrt(count.astype(np.float32)).reshape(-1, *[1] * (x.ndim - 1))
    whole = jnp.broadcast_to(x.sum(0) / len(x) ** 0.5, x.shape)
    return [*shifted[WITHIN - NEAR : WITHIN + NEAR + 1], within, whole]


class _Course(nn.Module):
    stands: tuple[int, ...]
    width: int
    layers: int
    time_width: int
    embedding: Embedding

    @nn.compact
    def __call__(self, x, sigma):
        sigma = jnp.asarray(sigma, x.dtype)
        level = sigma[..., None] if sigma.ndim else sigma  # of batch and feature, steps first
        of_time = self.embedding(jnp.log(sigma) / 4)
        of_time = nn.silu(linear(self.time_width, of_time, "time_0")(of_time))
        x = jnp.moveaxis(x, -2, 0)
        u = x / jnp.sqrt(jnp.square(level) + 1)
        h = linear(self.width, u, "read")(u)
        for i in range(self.layers):
            y = self._told(h, of_time, f"layer_{i}")
            y = BothWays(GRU, self.width // 2, name=f"gru_{i}")(y)
            h = h + nn.Dense(self.width, kernel_init=nn.initializers.zeros, name=f"add_{i}")(y)
        h = self._told(h, of_time, "head")
        said = nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros, name="say")(h)
        said += self._weighed(h, _around(u), "around")
        carried = np.flatnonzero(np.array(self.stands) >= 0)
        if carried.size:
            bits = np.array(self.stands)[carried]
            stands = nn.sigmoid(said[..., bits] + 2 * x[..., bits] / jnp.square(level))
            runs = runs_of(x[..., carried], jax.lax.stop_gradient(stands), level)
            others = runs.before, runs.after, *runs.past, *runs.future
            seen = [runs.own, runs.doubted, runs.course, *(runs.open * each for each in others)]
            said = said.at[..., carried].add(self._weighed(h, seen, "runs"))
        return jnp.moveaxis(said, 0, -2)

    def _weighed(self, h: Array, seen: list[Array], name: str) -> Array:
        """The sum of what is seen, weighed feature by feature by what h says; nothing at first."""
        features = seen[0].shape[-1]
        weigh = nn.Dense(features * len(seen), kernel_init=nn.initializers.zeros, name=name)
        weights = jnp.split(weigh(h), len(seen), -1)
        return sum((w * each for w, each in zip(weights, seen, strict=True)), jnp.zeros(()))

    def _told(self, h: Array, of_time: Array, name: str) -> Array:
        """h at unit variance, scaled and shifted by what the time and the mean over all steps say."""
        h_norm = nn.LayerNorm(use_bias=False, use_scale=False, name=f"{name}_norm")(h)
        whole = h_norm.mean(0)
        told = linear(self.time_width, of_time, f"{name}_time")(of_time)
        told = nn.silu(told + linear(self.time_width, whole, f"{name}_whole")(whole))
        film = nn.Dense(2 * self.width, kernel_init=nn.initializers.zeros, name=f"{name}_film")
        scale, shift = jnp.split(film(told), 2, axis=-1)
        return h_norm * (1 + scale) + shift
