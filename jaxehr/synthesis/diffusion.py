"""A diffusion model: a process, a network, a denoiser, a loss, a sampler and a grid, made into a Model."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.denoisers import EPS, of_bits, of_one_hot
from jaxehr.losses import denoising_loss, noise_weight
from jaxehr.processes import Gaussian
from jaxehr.synthesis.draws import noise_to_data
from jaxehr.synthesis.view import Layout
from jaxehr.types import (
    Denoiser,
    Draw,
    Dynamics,
    Grid,
    Key,
    Known,
    Model,
    Network,
    Params,
    Sampler,
    Time,
)


def diffusion_model(
    process: Gaussian,
    network: Network,
    denoiser: Callable[[Callable], Denoiser],
    **options: Any,
) -> Model:
    """A Model on the rows of `matrix_view`: `denoising_model` of a network that reads a record and its time alone.

    denoiser    makes a denoiser of x -> raw network output
    options     of `denoising_model`
    """

    def denoise_with(params: Params) -> Denoiser:
        return denoiser(lambda x, t: network.apply(params, x, t))

    return denoising_model(process, network.init, denoise_with, **options)


def denoising_model(
    process: Gaussian,
    init: Callable[[Key], Params],
    denoise_with: Callable[[Any], Denoiser],
    *,
    layout: Layout,
    times: Callable[[Key, tuple[int, ...]], Array],
    weight: Callable[[Array], Array] | None = None,
    sampler: Sampler,
    grid: Callable[[int], Grid],
    steps: int,
    finish: Callable[[Key, Denoiser, Array, float], Array] | None = None,
    centred: bool = False,
    clipped: bool = False,
) -> Model:
    """A Model on the rows of `matrix_view`.

    denoise_with    (params) -> the denoiser
    times           (key, shape) -> the noise levels of a training batch
    weight          (times) -> the weight of their losses; None is that of the noise, L_simple's
    steps           of the recipe's own grid
    finish          (key, denoise, x at grid[-1], grid[-1]) -> the record; None leaves x as it is
    centred         the process works on 2 x - 1: bits are -1 and 1
    clipped         draws hold the denoised value in the range of the data, as DDPM's code does
    """

    columns, weight = layout.columns, noise_weight(process) if weight is None else weight
    walk = noise_to_data(process, (columns,), sampler=sampler, grid=grid, steps=steps)

    ends = np.zeros((2, columns), np.float32)
    ends[1] = 1.0
    ends[:, : layout.numbers] = layout.ends
    low, high = 2 * ends - 1 if centred else ends

    def within(denoise: Denoiser) -> Denoiser:
        return lambda x, t: jnp.clip(jnp.asarray(denoise(x, t)), low, high)

    def dynamics(params: Params) -> Dynamics:
        denoise = denoise_with(params)
        middle = 0.0 if centred else 0.5
        return Dynamics(within(denoise) if clipped else denoise, process, columns, middle)

    def loss(params: Params, key: Key, x0: Float[Array, "batch column"]) -> Array:
        time_key, noise_key = jax.random.split(key)
        x0, observed = without_missing(jax.random.fold_in(key, 2), x0, layout)
        x0 = 2 * x0 - 1 if centred else x0
        t = times(time_key, x0.shape[:1])
        eps = jax.random.normal(noise_key, x0.shape)
        return denoising_loss(
            denoise_with(params), process, x0, t, eps, weight=weight, observed=observed
        )

    def draw(params: Params, key: Key, *, known: Known | None = None, **asked: Any) -> Draw:
        prior_key, path_key, finish_key = jax.random.split(key, 3)
        denoise, held = dynamics(params).denoise, known
        if known is not None and centred:
            held = known._replace(x0=2 * known.x0 - 1)
        x, nfe, end = walk((prior_key, path_key), denoise, known=held, **asked)
        x = (jnp.asarray(x) + 1) / 2 if centred else jnp.asarray(x)
        if finish is not None:
            x = finish(finish_key, denoise, x, end)
            nfe += int(end > 0)
        return Draw(x if known is None else jnp.where(known.mask, known.x0, x), nfe)

    return Model(init, loss, draw, grid, dynamics, process)


def noise_and_odds(
    process: Gaussian, layout: Layout, *, centred: bool = False
) -> Callable[[Callable], Denoiser]:
    """Makes a denoiser of a network that says, for a row of `matrix_view`, the noise of each number, and the log odds
    of each bit and category given all else.

    The noise of a bit follows from these: a steep function of its own noisy value, another in each column, which layers
    narrower than the row cannot hold. Where the noise was predicted for all of 827 diagnoses and drugs, draws had 8% of
    them after four minutes of training; this way they have more than 90%.
    """
    low = -1.0 if centred else 0.0
    numbers = layout.numbers

    def denoiser(network: Callable[[Array, Array], Array]) -> Denoiser:
        def denoise(x: Float[Array, "*batch column"], t: Time) -> Float[Array, "*batch column"]:
            t = jnp.asarray(t, x.dtype)
            said = network(x, t)
            number = EPS.to_x0(process, said[..., :numbers], x[..., :numbers], t)
            rest = of_odds(process, layout, said[..., numbers:], x[..., numbers:], t, low=low)
            return jnp.concatenate([number, rest], axis=-1)

        return denoise

    return denoiser


def of_odds(
    process: Gaussian, layout: Layout, log_odds: Array, noisy: Array, t: Time, *, low: float
) -> Float[Array, "*batch column"]:
    """Bits, and behind them categories one-hot, as denoised: of their log odds given all else, and their own noisy
    values.

    low     of a bit that is 0, and a class that is not the category's; the others are 1
    """
    bits = slice(0, layout.bits)
    parts = [of_bits(process, log_odds[..., bits], noisy[..., bits], t, low=low)]
    groups = zip(categories(layout, log_odds), categories(layout, noisy), strict=True)
    for logits, x in groups:
        group = of_one_hot(process, logits, x, t, low=low)
        parts.append(group.reshape(*noisy.shape[:-1], -1))
    return jnp.concatenate(parts, axis=-1)


def categories(layout: Layout, row: Array) -> Iterator[Float[Array, "*batch category class"]]:
    """Of a row that begins with the bits; neighbours of as many classes at once."""
    start = layout.bits
    for k, alike in groupby(layout.classes):
        end = start + k * len(list(alike))
        yield row[..., start:end].reshape(*row.shape[:-1], -1, k)
        start = end


def without_missing(
    key: Key, x0: Float[Array, "batch column"], layout: Layout
) -> tuple[Array, Array | None]:
    """(x_0 with a draw of N(mean, std) in the place of each missing number, 1 where a number is not missing).

    A loss without the missing entries teaches nothing about them, and with fresh noise there the network meets in
    training what it meets in sampling: any value beside an indicator that says to ignore it.
    """
    x0 = x0.astype(jnp.float32)
    optional = [j for j, bit in enumerate(layout.indicators) if bit >= 0]
    if not optional:
        return x0, None
    bits = [layout.numbers + layout.indicators[j] for j in optional]
    missing = jnp.zeros(x0.shape, x0.dtype).at[:, optional].set(x0[:, bits])
    mean, std = (jnp.asarray(row, jnp.float32) for row in layout.scales)
    noise = mean + std * jax.random.normal(key, (len(x0), layout.numbers))
    filled = jnp.where(missing[:, : layout.numbers] > 0, noise, x0[:, : layout.numbers])
    return x0.at[:, : layout.numbers].set(filled), 1 - missing


def posterior_draw(
    layout: Layout, skip: Callable[[float], Array | float] | None = None
) -> Callable[[Key, Denoiser, Array, float], Array]:
    """Reads the denoised value as what it is, the posterior mean, and draws from it.

    A denoised bit is P(bit = 1 | x_t), a denoised one-hot group the probabilities of its categories; numbers stay as
    they are. Rounding keeps only what is more likely than not, which no rare code ever is while noise is left.

    skip    c(t), for a network narrower than its data: D = c x + (1 - c) h, and h is read instead of D. Such a network
            cannot hand each column its own value through, nor take its noise out of the c x that passes by it, so
            D has the noise c sigma in every column, and cut off at 0 that noise makes codes: 8.3 a patient instead of
            5.0 as measured at sigma 0.5. E[x_0 | h] = h wherever h is free of the column's own noise.
    """
    discrete = layout.numbers + layout.bits

    def finish(key: Key, denoise: Denoiser, x: Array, t: float) -> Array:
        mean = denoise(x, jnp.asarray(t, x.dtype)) if t > 0 else x
        c = skip(t) if skip and t > 0 else 0.0
        likely = (mean - c * x) / (1 - c)
        bit_key, group_key = jax.random.split(key)
        probability = likely[layout.numbers : discrete]
        bits = jax.random.uniform(bit_key, probability.shape) < probability
        parts = [mean[: layout.numbers], bits.astype(x.dtype)]
        start = discrete
        for i, k in enumerate(layout.classes):
            logits = jnp.log(jnp.clip(likely[start : start + k], 1e-6))
            chosen = jax.random.categorical(jax.random.fold_in(group_key, i), logits)
            parts.append(jax.nn.one_hot(chosen, k, dtype=x.dtype))
            start += k
        return jnp.concatenate(parts)

    return finish
