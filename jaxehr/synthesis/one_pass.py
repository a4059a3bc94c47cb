"""The law of a record given the raw output of a decoder: what draws in one pass of a network shares."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxehr.synthesis.view import Layout
from jaxehr.types import Key, Params

# The raw output of a decoder has the columns of `matrix_view`: numbers are mapped into (0, 1), bits are logits, and
# each one-hot group has the logits of its categories.


def first_scale(layout: Layout) -> dict[str, Array]:
    """The parameter that holds the scale of each number, where there are numbers; TVAE begins with 0.1."""
    return {"log_scale": jnp.full((layout.numbers,), jnp.log(0.1))} if layout.numbers else {}


def groups(layout: Layout) -> Iterator[slice]:
    start = layout.numbers + layout.bits
    for k in layout.classes:
        yield slice(start, start + k)
        start += k


def log_likelihood(
    layout: Layout,
    params: Params,
    raw: Float[Array, "*batch column"],
    x: Float[Array, "*batch column"],
) -> Float[Array, "*batch"]:
    """log p(x | raw): Gaussian numbers with a scale for each column, Bernoulli bits, one-hot groups by softmax.

    A number that is missing has no part in it; its indicator has.
    """
    bit = _bits(layout)
    total = -optax.sigmoid_binary_cross_entropy(raw[..., bit], x[..., bit]).sum(-1)
    for group in groups(layout):
        total += (x[..., group] * jax.nn.log_softmax(raw[..., group])).sum(-1)
    if layout.numbers:
        number, scale = _numbers(layout), _scale(params)
        z = (x[..., number] - jax.nn.sigmoid(raw[..., number])) / scale
        each = -jnp.square(z) / 2 - jnp.log(scale) - jnp.log(2 * jnp.pi) / 2
        total += (each * present(layout, x)).sum(-1)
    return total


def drawn(
    layout: Layout, key: Key, raw: Float[Array, "*batch column"], params: Params | None = None
) -> Float[Array, "*batch column"]:
    """A record drawn from log_likelihood's law; without `params`, which hold the scale, numbers are the mean.

    Bits and categories are 0 and 1 and let gradients through as their probabilities would (straight through: Bengio et
    al. 2013).
    """
    number_key, bit_key, group_key = jax.random.split(key, 3)
    mean = jax.nn.sigmoid(raw[..., _numbers(layout)])
    if params is not None and layout.numbers:
        mean = mean + _scale(params) * jax.random.normal(number_key, mean.shape)
    p = jax.nn.sigmoid(raw[..., _bits(layout)])
    bits = (jax.random.uniform(bit_key, p.shape) < p).astype(p.dtype)
    parts = [mean, _through(bits, p)]
    for i, group in enumerate(groups(layout)):
        logits = raw[..., group]
        chosen = jax.random.categorical(jax.random.fold_in(group_key, i), logits)
        hot = jax.nn.one_hot(chosen, logits.shape[-1], dtype=p.dtype)
        parts.append(_through(hot, jax.nn.softmax(logits)))
    return jnp.concatenate(parts, axis=-1)


def _scale(params: Params) -> Array:
    """0.01 to 1, as TVAE's code has it: a column that can be told exactly would outweigh all others."""
    return jnp.exp(jnp.clip(params["log_scale"], jnp.log(0.01), 0.0))


def standard(layout: Layout, x: Float[Array, "*batch column"]) -> Float[Array, "*batch column"]:
    """What a network reads: numbers with mean 0 and variance 1, and 0 where one is missing; the rest as it is."""
    if not layout.numbers:
        return x
    number = _numbers(layout)
    mean, std = (jnp.asarray(row, x.dtype) for row in layout.scales)
    z = (x[..., number] - mean) / jnp.maximum(std, 1e-6) * present(layout, x)
    return jnp.concatenate([z, x[..., layout.numbers :]], axis=-1)


def present(layout: Layout, x: Array) -> Array:
    """1 where a number is there, 0 where its indicator says that it is missing."""
    shown = [
        jnp.ones_like(x[..., 0]) if bit < 0 else 1 - x[..., layout.numbers + bit]
        for bit in layout.indicators
    ]
    return jnp.stack(shown, axis=-1)


def _through(value: Array, soft: Array) -> Array:
    """`value`, with the gradient of `soft`."""
    return value + soft - jax.lax.stop_gradient(soft)


def _numbers(layout: Layout) -> slice:
    return slice(0, layout.numbers)


def _bits(layout: Layout) -> slice:
    return slice(layout.numbers, layout.numbers + layout.bits)
