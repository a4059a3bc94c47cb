"""DDPM: Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020; and its draws by DDIM,
Song, Meng and Ermon, "Denoising Diffusion Implicit Models", ICLR 2021.

Composition     1,000 linear betas from 1e-4 to 0.02, the noise predicted, L_simple, Adam 2e-4, x_0 clipped to the
                range of the data; draws by the ancestral chain with variance beta tilde (DDPM), or 100 deterministic
                steps (DDIM).
Differences     An MLP over one row of numbers per patient (theirs: a U-Net over pixels), with a skip from input to
                output for numbers, which are in normal scores of the variance of an even bit. Of bits and
                categories the noise is predicted through their log odds given all else; they are rounded at the end.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import optax
import pandas as pd

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import whole
from jaxehr.networks import mlp, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian
from jaxehr.processes import ddpm as betas
from jaxehr.samplers import ancestral, uniform
from jaxehr.samplers import ddim as ddim_sampler
from jaxehr.synthesis.diffusion import diffusion_model, noise_and_odds
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import layout_of, matrix_view
from jaxehr.types import Sampler


@in_float32
def ddpm(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    timesteps: int = 1000,
    beta_first: float = 1e-4,
    beta_last: float = 0.02,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.9999,
    sampling_steps: int | None = None,
) -> Recipe:
    """DDPM (Ho et al. 2020): the noise predicted over 1,000 steps, drawn step by step.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    timesteps, beta_*       the noise table, linear
    steps                   by default as many as the records need, at most 50,000
    sampling_steps          of the chain; by default all timesteps
    """
    return _recipe(ddpm, data, schema, locals(), ancestral())


@in_float32
def ddim(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    timesteps: int = 1000,
    beta_first: float = 1e-4,
    beta_last: float = 0.02,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.9999,
    eta: float = 0.0,
    sampling_steps: int = 100,
) -> Recipe:
    """DDIM (Song, Meng and Ermon 2021): DDPM's training, drawn in fewer steps without noise.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    timesteps, beta_*       the noise table, linear
    steps                   by default as many as the records need, at most 50,000
    eta                     share of the chain's noise; 1 is DDPM
    """
    return _recipe(ddim, data, schema, locals(), ddim_sampler(eta))


def _recipe(
    function: Callable[..., Recipe],
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None,
    chosen: dict[str, Any],
    sampler: Sampler,
) -> Recipe:
    codec = codec_of(data, schema, Quantile, chosen["min_patients"])
    layout, timesteps, width = layout_of(codec, even=True), chosen["timesteps"], chosen["width"]
    steps = steps_for(codec, chosen["batch_size"], chosen["steps"], most=50_000)
    process = Gaussian(
        betas(timesteps, beta_first=chosen["beta_first"], beta_last=chosen["beta_last"])
    )
    model = diffusion_model(
        process,
        mlp(
            layout.columns,
            width=tuple(width),
            time_width=chosen["time_width"],
            embedding=sinusoidal(chosen["time_width"]),
            skip=layout.numbers,
        ),
        noise_and_odds(process, layout, centred=True),
        layout=layout,
        times=whole(timesteps),
        sampler=sampler,
        grid=partial(uniform, first=float(timesteps)),
        steps=chosen["sampling_steps"] or timesteps,
        centred=True,
        clipped=True,
    )
    adam = optax.adam(chosen["learning_rate"])
    stage = Stage("denoiser", model, adam, steps, chosen["ema_decay"])
    chosen = {**chosen, "width": tuple(width), "steps": steps}
    return recipe_of(function, chosen, codec, matrix_view(codec, even=True), stage)
