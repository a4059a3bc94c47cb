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

import numpy as np
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import between
from jaxehr.networks import exploding_mlp, mlp, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, Schedule, sub_vp, ve, vp
from jaxehr.samplers import geometric, predictor_corrector, uniform
from jaxehr.synthesis.diffusion import diffusion_model, noise_and_odds
from jaxehr.synthesis.encoded import encoded, largest_distance
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import layout_of, matrix_view
from jaxehr.types import Grid, Key

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
    return _bounded(score_sde, data, schema, locals(), vp(beta_min=beta_min, beta_max=beta_max))


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
    return _bounded(
        score_sde_sub_vp, data, schema, locals(), sub_vp(beta_min=beta_min, beta_max=beta_max)
    )


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
    codec = codec_of(data, schema, Quantile, min_patients)
    rows = None
    if sigma_max is None:
        x, rows = encoded(data, codec, matrix_view(codec, even=True), "sigma_max")
        sigma_max = largest_distance(x)
    high, layout = sigma_max, layout_of(codec, even=True)

    def times(key: Key, shape: tuple[int, ...]) -> Array:
        return sigma_min * (high / sigma_min) ** between(TRAIN_MIN)(key, shape)

    def grid(n: int) -> Grid:
        return geometric(max(n - 1, 1), first=high, last=sigma_min, to_data=True)

    network = exploding_mlp(
        layout.columns, width=tuple(width), time_width=time_width, skip=layout.numbers
    )
    parts = Gaussian(ve()), network, times, grid
    return _recipe(score_sde_ve, codec, locals(), *parts, centred=False, rows=rows)


def _bounded(function, data, schema, chosen: dict[str, Any], schedule: Schedule) -> Recipe:
    """VP and sub-VP: time runs in [0, 1], the data is brought to [-1, 1]."""
    codec = codec_of(data, schema, Quantile, chosen["min_patients"])
    layout, embed = layout_of(codec, even=True), sinusoidal(chosen["time_width"])

    def grid(n: int) -> Grid:
        return np.append(uniform(max(n - 1, 1), first=1.0, last=TIME_MIN), 0.0)

    network = mlp(
        layout.columns,
        width=tuple(chosen["width"]),
        time_width=chosen["time_width"],
        embedding=lambda t: embed(999 * t),
        skip=layout.numbers,
    )
    parts = Gaussian(schedule), network, between(TRAIN_MIN), grid
    return _recipe(function, codec, chosen, *parts, centred=True)


def _recipe(
    function, codec, chosen: dict[str, Any], process, network, times, grid, *, centred, rows=None
) -> Recipe:
    layout = layout_of(codec, even=True)
    model = diffusion_model(
        process,
        network,
        noise_and_odds(process, layout, centred=centred),
        layout=layout,
        times=times,
        sampler=predictor_corrector(snr=chosen["snr"]),
        grid=grid,
        steps=chosen["sampling_steps"],
        centred=centred,
    )
    steps = steps_for(codec, chosen["batch_size"], chosen["steps"], most=50_000)
    stage = Stage("score", model, optax.adam(chosen["learning_rate"]), steps, chosen["ema_decay"])
    chosen = {**chosen, "width": tuple(chosen["width"]), "steps": steps}
    return recipe_of(function, chosen, codec, matrix_view(codec, even=True), stage, rows=rows)
