"""The multilayer perceptron of EHRDiff, with the time in every block."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.types import Key, Network, Time

Embedding = Callable[[Array], Array]  # a number [...] -> its features [..., feature]


def sinusoidal(features: int) -> Embedding:
    """sin and cos of t at features // 2 frequencies falling from 1 to 1e-4 (Vaswani et al. 2017).

    Raises ValueError if features < 4: two frequencies are the least that have a spacing.
    """
    half = features // 2
    if half < 2:
        raise ValueError(f"a sinusoidal embedding needs at least 4 features; got {features}")
    frequency = np.exp(-np.log(10_000) * np.arange(half) / (half - 1)).astype(np.float32)

    def embed(t: Array) -> Array:
        angle = t[..., None] * frequency
        return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)

    return embed


def timestep(features: int) -> Embedding:
    """cos and then sin of t at features // 2 frequencies from 1 to just above 1e-4, as OpenAI's and TabDDPM's code.

    Raises ValueError if features < 2.
    """
    half = features // 2
    if half < 1:
        raise ValueError(f"a time embedding needs at least 2 features; got {features}")
    frequency = np.exp(-np.log(10_000) * np.arange(half) / half).astype(np.float32)

    def embed(t: Array) -> Array:
        angle = t[..., None] * frequency
        return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    return embed


def fourier(frequencies: int = 16, *, seed: int = 0) -> Embedding:
    """t, then sin and cos of 2 pi w t with fixed w ~ N(0, 1): 2 frequencies + 1 features.

    EHRDiff draws w once and stores it with the weights; here it follows from the seed.
    """
    w = np.random.default_rng(seed).normal(size=frequencies).astype(np.float32)

    def embed(t: Array) -> Array:
        angle = 2 * np.pi * t[..., None] * w
        return jnp.concatenate([t[..., None], jnp.sin(angle), jnp.cos(angle)], axis=-1)

    return embed


def mlp(
    columns: int,
    *,
    width: tuple[int, ...],
    time_width: int,
    embedding: Embedding,
    skip: int = 0,
    labels: int = 0,
) -> Network:
    """EHRDiff's network (Yuan et al. 2024; the authors' LinearModel).

        time  = Linear(SiLU(Linear(embedding(t))))
        block = Linear(ReLU(x + Linear(time)))           # the time is added before the ReLU, in the input's width

    One block from `columns` to width[0], one between neighbours, one back to `columns`; no norm, no residual.
    Weights and biases start uniform in +-1/sqrt(fan in), as PyTorch's do.

    skip    the first so many columns have x * (1 + Linear(time)) added, from x: what a U-Net's outermost skip is for.
            Noise has as many dimensions as x, and does not pass through layers that have fewer
    labels  number of labels, each with a row that is added to the time: apply(params, x, t, label), where -1 and None
            stand for one that is not said

    A scalar time is embedded once for all rows, which is what makes sampling cheap.
    """
    module = _MLP((*width, columns), time_width, embedding, skip, labels)
    return told_a_label(module, columns, labels)


def told_a_label(module: nn.Module, columns: int, labels: int) -> Network:
    """apply(params, x, t, label) of a module over so many columns; 0 labels are none."""

    def init(key: Key) -> dict[str, Any]:
        label = jnp.zeros((), int) if labels else None
        return module.init(key, jnp.zeros((1, columns)), jnp.zeros(()), label)["params"]

    def apply(
        params,
        x: Float[Array, "*batch column"],
        t: Float[Array, "..."],
        label: Int[Array, "..."] | None = None,
    ) -> Array:
        return jnp.asarray(module.apply({"params": params}, x, t, label))

    return Network(init, apply)


class _MLP(nn.Module):
    width: tuple[int, ...]
    time_width: int
    embedding: Embedding
    skip: int
    labels: int

    @nn.compact
    def __call__(self, x, t, label=None):
        read = x
        features = self.embedding(t)
        hidden = linear(self.time_width, features, "time_in")(features)
        time = linear(self.time_width, hidden, "time_out")(nn.silu(hidden))
        if label is not None:
            of_label = nn.Embed(self.labels, self.time_width, name="label")(jnp.maximum(label, 0))
            time = time + jnp.where((label >= 0)[..., None], of_label, 0.0)
        for i, width in enumerate(self.width):
            h = nn.relu(x + linear(x.shape[-1], time, f"time_{i}")(time))
            x = linear(width, h, f"block_{i}")(h)
        if not self.skip:
            return x
        gain = nn.Dense(self.skip, kernel_init=nn.initializers.zeros_init(), name="skip")(time)
        return x.at[..., : self.skip].add(read[..., : self.skip] * (1 + gain))


def exploding_mlp(columns: int, *, width: tuple[int, ...], time_width: int, skip: int) -> Network:
    """The same for a process whose noise explodes, at unit variance and with the Fourier features of ln sigma."""
    embedding = fourier()
    return at_unit_variance(
        mlp(columns, width=width, time_width=time_width, embedding=embedding, skip=skip)
    )


def at_unit_variance(network: Network) -> Network:
    """The network sees x / sqrt(1 + sigma^2) and ln sigma: of about unit variance at any level of the VE process."""

    def apply(params, x: Float[Array, "*batch column"], sigma: Time) -> Array:
        sigma = jnp.asarray(sigma, x.dtype)
        column = sigma[..., None] if sigma.ndim else sigma
        return network.apply(params, x / jnp.sqrt(1 + column**2), jnp.log(sigma))

    return network._replace(apply=apply)


def linear(width: int, x: Array, name: str) -> nn.Dense:
    bound = x.shape[-1] ** -0.5

    def uniform(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nn.Dense(width, kernel_init=uniform, bias_init=uniform, name=name)
