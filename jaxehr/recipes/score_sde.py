"""Score SDE: Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", ICLR 2021.

Composition     One of the three SDEs (VP, VE, sub-VP) in continuous time, the noise predicted, lambda(t) = sigma(t)^2,
                Adam 2e-4, draws by the predictor-corrector sampler: reverse diffusion with one Langevin step of
                signal-to-noise 0.16, 1,000 steps, and a last denoising step.
Differences     An MLP over one row of numbers per patient (theirs: U-Nets over pixels), with a skip from input to
                output for numbers, which are in normal scores of the variance of an even bit. Of bits and
                categories the noise is predicted through their log odds given all else. VE's network sees its input at
                unit variance. VE's sigma_max is the largest distance between records, as in their NCSN papers.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Float

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.networks import fourier, mlp, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, Schedule, sub_vp, ve, vp
from jaxehr.samplers import geometric, predictor_corrector, uniform
from jaxehr.synthesis.diffusion import diffusion_model, noise_and_odds
from jaxehr.synthesis.recipe import Recipe, Stage, steps_for
from jaxehr.synthesis.view import Layout, layout_of, matrix_view
from jaxehr.types import Grid, Key, Network, Time

TIME_MIN, TRAIN_MIN = 1e-3, 1e-5  # where draws end, and training begins: the paper's appendix C


@in_float32
def score_sde(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    beta_min: float = 0.1,
    beta_max: float = 20.0,
    snr: float = 0.16,
    sampling_steps: int = 1000,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.999,
) -> Recipe:
    """Score SDE, variance preserving (Song et al. 2021, eq. 11): the continuous limit of DDPM.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    beta_min, beta_max      beta(t) is linear between them, t in [0, 1]
    steps                   by default as many as the records need, at most 50,000
    snr                     of the corrector's Langevin step
    """
    settings = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    schedule = vp(beta_min=beta_min, beta_max=beta_max)
    return _bounded("score_sde", data, schema, schedule, settings)


@in_float32
def score_sde_sub_vp(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    beta_min: float = 0.1,
    beta_max: float = 20.0,
    snr: float = 0.16,
    sampling_steps: int = 1000,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.999,
) -> Recipe:
    """Score SDE, sub-VP (Song et al. 2021, eq. 13): VP with less noise on the way, made for likelihoods.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    beta_min, beta_max      beta(t) is linear between them, t in [0, 1]
    steps                   by default as many as the records need, at most 50,000
    snr                     of the corrector's Langevin step
    """
    settings = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    schedule = sub_vp(beta_min=beta_min, beta_max=beta_max)
    return _bounded("score_sde_sub_vp", data, schema, schedule, settings)


@in_float32
def score_sde_ve(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    sigma_max: float | None = None,
    sigma_min: float = 0.01,
    snr: float = 0.16,
    sampling_steps: int = 1000,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.999,
) -> Recipe:
    """Score SDE, variance exploding (Song et al. 2021, eq. 9): the continuous limit of NCSN.

    data                    training records, or the codec of an earlier fit (then sigma_max must be given)
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    sigma_max               the highest noise; by default the largest distance between 1,000 of the records, rounded up
    steps                   by default as many as the records need, at most 50,000
    snr                     of the corrector's Langevin step
    """
    settings = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    codec = codec_of(data, schema, Quantile, min_patients)
    high = measured_sigma_max(data, codec) if sigma_max is None else sigma_max
    settings["sigma_max"] = high

    def times(key: Key, shape: tuple[int, ...]) -> Array:
        u = jax.random.uniform(key, shape, minval=TRAIN_MIN)
        return sigma_min * (high / sigma_min) ** u

    def grid(n: int) -> Grid:
        return geometric(max(n - 1, 1), first=high, last=sigma_min, to_data=True)

    layout = layout_of(codec, even=True)
    network = exploding_network(layout, width=width, time_width=time_width)
    parts = Gaussian(ve()), network, layout
    return _recipe("score_sde_ve", codec, parts, times, grid, settings, centred=False)


def exploding_network(layout: Layout, *, width: tuple[int, ...], time_width: int) -> Network:
    """The network of a VE process: NCSN's and this one's."""
    return at_unit_variance(
        mlp(
            layout.columns,
            width=tuple(width),
            time_width=time_width,
            embedding=fourier(),
            skip=layout.numbers,
        )
    )


def at_unit_variance(network: Network) -> Network:
    """The network sees x / sqrt(1 + sigma^2) and ln sigma: of about unit variance at any level of the VE process."""

    def apply(params, x: Float[Array, "*batch column"], sigma: Time) -> Array:
        sigma = jnp.asarray(sigma, x.dtype)
        column = sigma[..., None] if sigma.ndim else sigma
        return network.apply(params, x / jnp.sqrt(1 + column**2), jnp.log(sigma))

    return network._replace(apply=apply)


def measured_sigma_max(data: pd.DataFrame | Records | Codec, codec: Codec) -> float:
    """The largest distance between 1,000 of the records (Song and Ermon 2020, Technique 1), rounded up to a quarter of
    an octave: a run holds this number, and the distance itself would be that of two patients.

    Raises ValueError for a codec, which holds no records.
    """
    if isinstance(data, Codec):
        raise ValueError("sigma_max is measured on records, and there are none here: give it")
    apart = largest_distance(matrix_view(codec, even=True).to_x(codec.encode(data)))
    return float(2 ** (np.ceil(4 * np.log2(apart)) / 4))


def largest_distance(table: np.ndarray, rows: int = 1000) -> float:
    """The largest Euclidean distance between `rows` of the rows."""
    some = np.random.default_rng(0).permutation(len(table))[:rows]
    x = table[some].astype(np.float64)
    square = (x**2).sum(1)
    apart = square[:, None] + square - 2 * x @ x.T
    return max(float(np.sqrt(max(apart.max(), 0.0))), 1.0)


def _bounded(
    name: str,
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None,
    schedule: Schedule,
    settings: dict[str, Any],
) -> Recipe:
    """VP and sub-VP: time runs in [0, 1], the data is brought to [-1, 1]."""
    codec = codec_of(data, schema, Quantile, settings["min_patients"])
    process, embed = Gaussian(schedule), sinusoidal(settings["time_width"])

    def times(key: Key, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, minval=TRAIN_MIN)

    def grid(n: int) -> Grid:
        return np.append(uniform(max(n - 1, 1), first=1.0, last=TIME_MIN), 0.0)

    layout = layout_of(codec, even=True)
    network = mlp(
        layout.columns,
        width=tuple(settings["width"]),
        time_width=settings["time_width"],
        embedding=lambda t: embed(999 * t),
        skip=layout.numbers,
    )
    parts = process, network, layout
    return _recipe(name, codec, parts, times, grid, settings, centred=True)


def _recipe(name, codec, parts, times, grid, settings: dict[str, Any], *, centred: bool) -> Recipe:
    process, network, layout = parts
    settings["width"] = tuple(settings["width"])
    model = diffusion_model(
        process,
        network,
        noise_and_odds(process, layout, centred=centred),
        layout=layout,
        times=times,
        weight=lambda t: jnp.square(process.alpha(t) / process.sigma(t)),
        sampler=predictor_corrector(snr=settings["snr"]),
        grid=grid,
        steps=settings["sampling_steps"],
        centred=centred,
    )
    optimizer = optax.adam(settings["learning_rate"])
    settings["steps"] = steps_for(codec, settings["batch_size"], settings["steps"], most=50_000)
    stage = Stage("score", model, optimizer, settings["steps"], settings["ema_decay"])
    return Recipe(
        name, settings, codec, matrix_view(codec, even=True), (stage,), settings["batch_size"]
    )
