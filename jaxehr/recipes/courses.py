"""Ours, for series: what is measured when, the values, and the static table in one diffusion of continuous time.

Composition     All is noised together by the process of EDM (Karras et al. 2022): numbers in normal scores, bits as -1
                and 1 (analog bits: Chen, Zhang, Hinton 2023), categories as one-hot. The network says of each number
                its value, preconditioned as in EDM, and of each bit and category the log odds given all else, to which
                Bayes' rule adds those of its own noisy value, so that whatever is drawn together is drawn jointly.
                Masked diffusion shows cells of one evaluation independently: fifty evaluations of 1,700 bits would
                tear apart what is measured together.
Carried         A number that is not measured stands at the last one before it, at the first where there is none, and
                weighs a fifth of one that is. That is how the network sees a course, never what comes out: what is
                drawn as not measured has no value. With 0 in its place a value had to be remembered over the hours
                between two measurements, and was not (PhysioNet 2012: the correlation of GCS with the next hour's was
                .51, of real stays .93). A bit beside each value says that it stands at the last one, measured or not:
                a weight that is carried on is the last one again in .99 of all measurements, drawn as a number in .13.
                What has no value, such as a diagnosis, has one that says that it has begun: it stays so.
Network         Residual GRU layers that go both ways, told in each the time and the mean over the steps. Columns of
                the static table stand at every step; what is said of one is the mean over the steps. A run of what is
                carried on is one value and not as many as it has steps: what its copies say of it, and it of the runs
                around, is given to the network as such (`jaxehr.networks.runs`). By means over steps alone a lab of
                years ago was less forgotten.
Loss            EDM's of the numbers, and the cross-entropy of bits and categories. A column of the static table counts
                as often as it is said, once for each step: as much as an entry that all steps have. Noise levels are
                higher than EDM's of single images: 48 copies of a carried value say it at seven times the noise.
Sampler         DPM-Solver++ (2M) of the probability flow, 50 steps of one evaluation. By solvers of the reverse SDE,
                with as many, patients lie too near to each other, and what is rare comes out too rarely (PhysioNet
                2012, one network: the spread of patients' means .83 of the real one by 2M of the SDE and .88 by this,
                measurements .90 and 1.00 of the real ones; with 150 steps .87 and 1.00).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.denoisers import edm_output
from jaxehr.losses import Times, edm_weight, log_normal
from jaxehr.networks import by_step, course_network, fourier
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import DPMpp2M, karras, probability_flow
from jaxehr.synthesis.carried import (
    carried_layout,
    carried_places,
    carried_stands,
    carried_view,
)
from jaxehr.synthesis.diffusion import categories, of_odds
from jaxehr.synthesis.draws import noise_to_data
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Layout
from jaxehr.types import Denoiser, Draw, Dynamics, Grid, Key, Known, Model, Network, Params, Time

CARRIED = 0.2  # weight of a number that stands at the last one


@in_float32
def courses(
    data: Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    width: int = 128,
    layers: int = 3,
    steps: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 1e-4,
    clip_norm: float = 1.0,
    ema_decay: float = 0.999,
    level_mean: float = 0.4,
    level_std: float = 1.7,
    sigma_min: float = 0.02,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    weight_of_bits: float = 6.0,
    sampling_steps: int = 50,
) -> Recipe:
    """Ours, for series: EDM diffusion of numbers, bits and categories of all steps with a recurrent network.

    data                    training records with a series, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    width, layers           of the network; half the width goes each way
    steps                   by default as many as the records need, at most 60,000
    level_mean, level_std   of the logarithm of the noise levels of training
    sigma_min, sigma_max    ends of the sampling grid, with `rho` and `sampling_steps`: as many evaluations
    weight_of_bits          of the cross-entropy of a bit or a category, beside the loss of a number

    Raises DataError for records without a series.
    """
    codec = codec_of(data, schema, Quantile, min_patients)
    steps = steps_for(codec, batch_size, steps, most=60_000)
    view, layout, places = carried_view(codec), carried_layout(codec), carried_places(codec)
    stands = carried_stands(codec)
    network = course_network(stands, width=width, layers=layers, embedding=fourier(16))
    model = courses_model(
        by_step(network, places, layout.columns),
        layout,
        often=np.bincount(places.ravel()),
        levels=partial(log_normal, mean=level_mean, std=level_std),
        weight_of_bits=weight_of_bits,
        grid=partial(karras, sigma_min=sigma_min, sigma_max=sigma_max, rho=rho),
        sampling_steps=sampling_steps,
    )
    rate = optax.warmup_cosine_decay_schedule(0.0, learning_rate, min(500, steps // 10), steps)
    adam = optax.adamw(rate, weight_decay=weight_decay)
    clipped = optax.chain(optax.clip_by_global_norm(clip_norm), adam)
    stage = Stage("denoiser", model, clipped, steps, ema_decay)
    return recipe_of(courses, locals(), codec, view, stage)


def courses_model(
    network: Network,
    layout: Layout,
    *,
    often: Int[np.ndarray, "column"],
    levels: Times,
    weight_of_bits: float,
    grid: Callable[[int], Grid],
    sampling_steps: int,
) -> Model:
    """Of rows of `carried_view`; inside, all lies around 0 with a deviation of 1.

    network     apply(params, noisy row, sigma) -> numbers as EDM preconditions them; log odds given all else
    often       at how many steps the network says each column: so often its loss counts
    """
    process, numbers = Gaussian(edm()), layout.numbers
    firsts = np.cumsum([numbers + layout.bits, *layout.classes])[:-1]
    counts = np.concatenate([often[: numbers + layout.bits], often[firsts]]).astype(np.float32)
    sampler = probability_flow(DPMpp2M())
    walk = noise_to_data(
        process, (layout.columns,), sampler=sampler, grid=grid, steps=sampling_steps
    )
    value_of = edm_output(1.0)

    def said(params: Params, x: Array, t: Array) -> tuple[Array, Array]:
        """(values, log odds given all else)."""
        found: Any = network.apply(params, x, t)
        value = value_of.to_x0(process, found[..., :numbers], x[..., :numbers], t)
        return value, found[..., numbers:]

    def denoise_with(params: Params) -> Denoiser:
        def denoise(x: Any, t: Time) -> Array:
            t = jnp.asarray(t, x.dtype)
            value, log_odds = said(params, x, t)
            rest = of_odds(process, layout, log_odds, x[..., numbers:], t, low=-1.0)
            return jnp.concatenate([value, rest], axis=-1)

        return denoise

    def loss(params: Params, key: Key, x0: Float[Array, "batch column"]) -> Float[Array, "batch"]:
        time_key, noise_key = jax.random.split(key)
        x0 = 2 * x0.astype(jnp.float32) - 1
        t = levels(time_key, x0.shape[:1])
        x = x0 + t[:, None] * jax.random.normal(noise_key, x0.shape)
        value, log_odds = said(params, x, t)
        weight = edm_weight(1.0)(t)[:, None] * jnp.where(_stands(layout, x0), CARRIED, 1.0)
        square = weight * jnp.square(value - x0[:, :numbers])
        entropy = _entropy(layout, log_odds, x[:, numbers:], x0[:, numbers:], t)
        each = jnp.concatenate([square, weight_of_bits * entropy], axis=-1)
        return each @ (counts / counts.sum())

    def draw(params: Params, key: Key, *, known: Known | None = None, **asked: Any) -> Draw:
        prior_key, path_key = jax.random.split(key)
        held = None if known is None else known._replace(x0=2 * jnp.asarray(known.x0) - 1)
        found, nfe, _ = walk((prior_key, path_key), denoise_with(params), known=held, **asked)
        x = (jnp.asarray(found) + 1) / 2
        return Draw(x if known is None else jnp.where(known.mask, known.x0, x), nfe)

    def dynamics(params: Params) -> Dynamics:
        return Dynamics(denoise_with(params), process, layout.columns, 0.0)

    return Model(network.init, loss, draw, grid, dynamics, process)


def _stands(layout: Layout, x0: Array) -> Bool[Array, "batch number"]:
    """Which numbers of whole records stand at the last one, as -1 and 1 of their indicators say."""
    indicators = np.array(layout.indicators, int)
    if (indicators < 0).all():
        return jnp.zeros((len(x0), layout.numbers), bool)
    return jnp.asarray(indicators >= 0) & (x0[:, layout.numbers + np.maximum(indicators, 0)] > 0)


def _entropy(
    layout: Layout, log_odds: Array, noisy: Array, clean: Array, t: Array
) -> Float[Array, "batch entry"]:
    """-log P(clean | noisy, all else) of each bit and category. An entry's own x_t adds 2 x_t / t^2 to its log odds:
    `denoisers.of_bits` of -1 and 1."""
    logits, bits = log_odds + 2 * noisy / jnp.square(t)[:, None], layout.bits
    found = [jax.nn.softplus(-logits[:, :bits] * clean[:, :bits])]
    for group, is_class in zip(categories(layout, logits), categories(layout, clean), strict=True):
        found.append(-(jax.nn.log_softmax(group) * (is_class > 0)).sum(-1))
    return jnp.concatenate(found, axis=-1)
