"""NCSN: Song and Ermon, "Generative Modeling by Estimating Gradients of the Data Distribution", NeurIPS 2019, with the
choices of their "Improved Techniques for Training Score-Based Generative Models", NeurIPS 2020.

Composition     Geometric noise levels, the largest the largest distance between records, the score predicted as
                -network / sigma, lambda(sigma) = sigma^2, Adam 1e-4, draws by annealed Langevin dynamics with a last
                denoising step.
Differences     An MLP over one row of numbers per patient (theirs: a RefineNet over pixels), whose input is brought to
                unit variance level by level, since it has no normalising layers, with a skip from input to output
                for numbers, which are in normal scores of the variance of an even bit. Of bits and categories the
                score is predicted through their log odds given all else.
"""

from functools import partial

import jax.numpy as jnp
import optax
import pandas as pd

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import one_of
from jaxehr.networks import exploding_mlp
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, ve
from jaxehr.samplers import geometric, langevin
from jaxehr.synthesis.diffusion import diffusion_model, noise_and_odds
from jaxehr.synthesis.encoded import encoded, largest_distance
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import layout_of, matrix_view


@in_float32
def ncsn(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    sigma_max: float | None = None,
    sigma_min: float = 0.01,
    levels: int = 200,
    langevin_steps: int = 5,
    epsilon: float = 0.1,
    width: tuple[int, ...] = (512, 512, 512),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 1e-4,
    ema_decay: float = 0.999,
) -> Recipe:
    """NCSN (Song and Ermon 2019, 2020): the score at many noise levels, drawn by annealed Langevin dynamics.

    data                    training records, or the codec of an earlier fit (then sigma_max must be given)
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    sigma_max               the highest level; by default the largest distance between 1,000 of the records, rounded up
    levels                  in a constant ratio from sigma_max to sigma_min
    langevin_steps          at each level, with a step of epsilon sigma^2
    steps                   by default as many as the records need, at most 50,000
    """
    codec = codec_of(data, schema, Quantile, min_patients)
    view, rows = matrix_view(codec, even=True), None
    if sigma_max is None:
        x, rows = encoded(data, codec, view, "sigma_max")
        sigma_max = largest_distance(x)
    if levels < 2:
        raise ValueError(f"levels must be at least 2; got {levels}")
    width, steps = tuple(width), steps_for(codec, batch_size, steps, most=50_000)
    process, layout = Gaussian(ve()), layout_of(codec, even=True)
    falling = partial(geometric, first=sigma_max, last=sigma_min)
    model = diffusion_model(
        process,
        exploding_mlp(layout.columns, width=width, time_width=time_width, skip=layout.numbers),
        noise_and_odds(process, layout),
        layout=layout,
        times=one_of(falling(levels - 1)),
        weight=lambda sigma: 1 / jnp.square(sigma),
        sampler=langevin(steps=langevin_steps, epsilon=epsilon),
        grid=lambda n: falling(max(n - 1, 1), to_data=True),
        steps=levels,
    )
    stage = Stage("score", model, optax.adam(learning_rate), steps, ema_decay)
    return recipe_of(ncsn, locals(), codec, view, stage, rows=rows)
