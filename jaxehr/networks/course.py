"""A recurrent denoiser of series that is told the time, and what the whole course is like, in every layer."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxehr.networks.mlp import Embedding, linear
from jaxehr.networks.recurrence import GRU, BothWays
from jaxehr.networks.recurrent import over_series
from jaxehr.types import Network


def course_network(
    features: int, *, width: int, layers: int = 3, time_width: int = 128, embedding: Embedding
) -> Network:
    """Residual layers of a GRU that goes both ways, over the steps of a series.

        h = Linear(x)
        told = SiLU(Linear(embedding(t)) + Linear(mean over the steps of h))       # in each layer
        h = h + Linear(GRU(norm(h) * (1 + scale(told)) + shift(told)))
        h = norm(h) * (1 + scale(told)) + shift(told)
        out = Linear(h) + sum over k of Linear_k(h) * x at the step k later, k = -2 ... 2
                        + sum over w of Linear_w(h) * sqrt(steps) * mean of x over the steps within w, w = 6, all

    The last sums are feature by feature: what each feature is at the steps around passes by layers that are too narrow
    to hold all of them, weighed by what these say. Of what is carried on through a whole course, such as a weight, all
    copies together say the value where the noise of each is as large as the root of their number; without their mean
    patients differed too little (PhysioNet 2012: deviation of the mean potassium .39, of real stays .57).

    apply(params, x, t): x [*batch, step, feature], t a scalar or one for each record. A layer adds nothing at first,
    and nothing is said.
    """
    return over_series(_Course(features, width, layers, time_width, embedding), features)


NEAR, WITHIN = 2, 6  # steps


def _around(x: Array) -> list[Array]:
    """x [*batch, step, feature] at each of the steps around, 0 beyond the ends, then means over more and over all of
    them, with the deviation of one where all are independent; steps first."""
    x = jnp.moveaxis(x, -2, 0)
    padded = jnp.pad(x, [(WITHIN, WITHIN), *[(0, 0)] * (x.ndim - 1)])
    shifted = [padded[k : k + len(x)] for k in range(2 * WITHIN + 1)]
    step = np.arange(len(x))
    count = np.minimum(step + WITHIN, len(x) - 1) - np.maximum(step - WITHIN, 0) + 1
    within = sum(shifted) / jnp.sqrt(count.astype(np.float32)).reshape(-1, *[1] * (x.ndim - 1))
    whole = jnp.broadcast_to(x.sum(0) / len(x) ** 0.5, x.shape)
    return [*shifted[WITHIN - NEAR : WITHIN + NEAR + 1], within, whole]


class _Course(nn.Module):
    features: int
    width: int
    layers: int
    time_width: int
    embedding: Embedding

    @nn.compact
    def __call__(self, x, t):
        of_time = self.embedding(jnp.asarray(t, x.dtype))
        of_time = nn.silu(linear(self.time_width, of_time, "time_0")(of_time))
        h = jnp.moveaxis(linear(self.width, x, "read")(x), -2, 0)
        for i in range(self.layers):
            y = self._told(h, of_time, f"layer_{i}")
            y = BothWays(GRU, self.width // 2, name=f"gru_{i}")(y)
            h = h + nn.Dense(self.width, kernel_init=nn.initializers.zeros, name=f"add_{i}")(y)
        h, zeros = self._told(h, of_time, "head"), nn.initializers.zeros
        said = nn.Dense(self.features, kernel_init=zeros, name="say")(h)
        around = _around(x)
        weight = nn.Dense(self.features * len(around), kernel_init=zeros, name="around")(h)
        for each, near in zip(jnp.split(weight, len(around), -1), around, strict=True):
            said += each * near
        return jnp.moveaxis(said, 0, -2)

    def _told(self, h: Array, of_time: Array, name: str) -> Array:
        """h at unit variance, scaled and shifted by what the time and the mean over all steps say."""
        h_norm = nn.LayerNorm(use_bias=False, use_scale=False, name=f"{name}_norm")(h)
        whole = h_norm.mean(0)
        told = linear(self.time_width, of_time, f"{name}_time")(of_time)
        told = nn.silu(told + linear(self.time_width, whole, f"{name}_whole")(whole))
        film = nn.Dense(2 * self.width, kernel_init=nn.initializers.zeros, name=f"{name}_film")
        scale, shift = jnp.split(film(told), 2, axis=-1)
        return h_norm * (1 + scale) + shift
