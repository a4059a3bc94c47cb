"""DDPM: Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020; and its draws by DDIM,
Song, Meng and Ermon, "Denoising Diffusion Implicit Models", ICLR 2021.

Composition     1,000 linear betas from 1e-4 to 0.02, the noise predicted, L_simple, Adam 2e-4, x_0 clipped to the
                range of the data; draws by the ancestral chain with variance beta tilde (DDPM), or 100 deterministic
                steps (DDIM).
Differences     An MLP over one row of numbers per patient (theirs: a U-Net over pixels), with a skip from input to
                output for numbers, which are in normal scores of the variance of an even bit. Of bits and
                categories the noise is predicted through their log odds given all else; they are rounded at the end.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.networks import mlp, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian
from jaxehr.processes import ddpm as betas
from jaxehr.samplers import ancestral, uniform
from jaxehr.samplers import ddim as ddim_sampler
from jaxehr.synthesis.diffusion import diffusion_model, noise_and_odds
from jaxehr.synthesis.recipe import Recipe, Stage, steps_for
from jaxehr.synthesis.view import layout_of, matrix_view
from jaxehr.types import Key, Sampler


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
    settings = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    return _recipe("ddpm", data, schema, ancestral(), settings, timesteps)


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
    settings = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    return _recipe("ddim", data, schema, ddim_sampler(eta), settings, sampling_steps)


def _recipe(
    name: str,
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None,
    sampler: Sampler,
    settings: dict[str, Any],
    sampling_steps: int,
) -> Recipe:
    codec = codec_of(data, schema, Quantile, settings["min_patients"])
    timesteps, batch_size = settings["timesteps"], settings["batch_size"]
    settings["steps"] = steps_for(codec, batch_size, settings["steps"], most=50_000)
    layout = layout_of(codec, even=True)
    settings["width"] = tuple(settings["width"])
    process = Gaussian(
        betas(timesteps, beta_first=settings["beta_first"], beta_last=settings["beta_last"])
    )

    def times(key: Key, shape: tuple[int, ...]) -> Array:
        return jax.random.randint(key, shape, 1, timesteps + 1).astype(jnp.float32)

    model = diffusion_model(
        process,
        mlp(
            layout.columns,
            width=settings["width"],
            time_width=settings["time_width"],
            embedding=sinusoidal(settings["time_width"]),
            skip=layout.numbers,
        ),
        noise_and_odds(process, layout, centred=True),
        layout=layout,
        times=times,
        weight=lambda t: jnp.square(process.alpha(t) / process.sigma(t)),
        sampler=sampler,
        grid=partial(uniform, first=float(timesteps)),
        steps=settings["sampling_steps"] or sampling_steps,
        centred=True,
        clipped=True,
    )
    optimizer = optax.adam(settings["learning_rate"])
    stage = Stage("denoiser", model, optimizer, settings["steps"], settings["ema_decay"])
    return Recipe(name, settings, codec, matrix_view(codec, even=True), (stage,), batch_size)
