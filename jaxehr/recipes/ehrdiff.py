"""EHRDiff: Yuan, Zhou and Yu, "EHRDiff: Exploring Realistic EHR Synthesis with Diffusion Models", TMLR 2024.

Composition     EDM preconditioning and noise levels (Karras et al. 2022) over one row of numbers per patient,
                a six-block MLP, AdamW with warm-up and cosine, an exponential moving average, Heun on 32 Karras steps
                (63 evaluations), clip and round.
Differences     sigma_data is measured from the data (the authors set 0.14, 0.03, 0.003 by hand). Rows of a batch are
                drawn with replacement (theirs: shuffled epochs). The sampler's state is float32 (theirs: float64).
                The warm-up is at most a tenth of all steps. Missing numbers have an indicator column.
                `posterior_sigma` is ours.
Faster          UniPC-2 with 20 evaluations stands for Heun's 63 (experiments/fast_sampling.py): on the command line
                `--sampler unipc --nfe 20`, in Python sampler=probability_flow(UniPC2()) with a grid of 20 steps.
Expected        MIMIC-III, 1,782 codes: prevalence Pearson about 0.99, slope about 1.00.
"""

from functools import partial
from typing import NamedTuple

import optax
import pandas as pd

from jaxehr import denoisers
from jaxehr.codecs import MIN_PATIENTS, Codec, Number, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import edm_weight, log_normal
from jaxehr.networks import fourier, mlp, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import diffusion_model, posterior_draw
from jaxehr.synthesis.encoded import encoded, standard_deviation
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import layout_of, matrix_view


class Sizes(NamedTuple):
    width: tuple[int, ...]
    time_width: int
    batch_size: int


CODES = Sizes((1024, 384, 384, 384, 1024), 384, 1024)  # the authors' MIMIC configuration
TABLE = Sizes((512, 768, 1024, 768, 512), 128, 256)  # the authors' CinC and ECG configurations


@in_float32
def ehrdiff(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    sigma_data: float | None = None,
    width: tuple[int, ...] | None = None,
    time_width: int | None = None,
    fourier_frequencies: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float = 3e-4,
    warmup: int | None = None,
    ema_decay: float = 0.999,
    sigma_min: float = 0.02,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    sampling_steps: int = 32,
    posterior_sigma: float | None = None,
    quantile: bool = False,
) -> Recipe:
    """EHRDiff (Yuan et al. 2024): EDM diffusion of codes or tables with an MLP.

    data                    training records, or the codec of an earlier fit (then sigma_data must be given)
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    sigma_data              standard deviation of the encoded training matrix; measured if not given
    width, time_width       of the MLP; the authors' MIMIC sizes for codes, their CinC sizes for tables
    fourier_frequencies     random Fourier features of the noise level; 0 is the sinusoidal embedding as wide as the
                            data. By default 0 for codes and 16 for tables, as the authors have it
    steps                   by default as many as the records need; 5,000 epochs were published
    warmup                  by default 20,000, but at most a tenth of the steps
    sigma_min, sigma_max    ends of the sampling grid, with `rho` and `sampling_steps`
    posterior_sigma         None rounds, as published. A noise level (0.3 is good for codes) stops the sampler there
                            and draws bits and categories from the denoised value, which is their posterior probability
    quantile                False holds numbers in [0, 1] by their range, as published. True by their normal scores:
                            what many patients share comes back as itself, and nothing piles up at the ends
    """
    codec = codec_of(data, schema, Quantile if quantile else Number, min_patients)
    layout, view, rows = layout_of(codec), matrix_view(codec), None
    if sigma_data is None:
        x, rows = encoded(data, codec, view, "sigma_data")
        sigma_data = standard_deviation(x)
    sizes = CODES if codec.codes else TABLE
    width = sizes.width if width is None else tuple(width)
    time_width = sizes.time_width if time_width is None else time_width
    batch_size = sizes.batch_size if batch_size is None else batch_size
    if fourier_frequencies is None:
        fourier_frequencies = 0 if sizes is CODES and layout.columns >= 4 else 16
    if batch_size < 1 or (steps is not None and steps < 1) or not learning_rate > 0:
        raise ValueError(
            f"steps, batch_size and learning_rate must be above 0; "
            f"got {steps}, {batch_size} and {learning_rate}"
        )
    published = (codec.rows // batch_size + 1) * 5000
    steps = steps_for(codec, batch_size, steps, most=published)
    warmup = min(20_000, steps // 10) if warmup is None else warmup

    embedding = fourier(fourier_frequencies) if fourier_frequencies else sinusoidal(layout.columns)
    grid = partial(karras, sigma_min=sigma_min, sigma_max=sigma_max, rho=rho)
    finish = None
    if posterior_sigma is not None:  # the grid ends there, not at 0
        grid = partial(grid, sigma_min=posterior_sigma, last=posterior_sigma)
        skip = partial(denoisers.edm_skip, sigma_data=sigma_data)
        finish = posterior_draw(layout, skip if min(width) < layout.columns else None)
    model = diffusion_model(
        Gaussian(edm()),
        mlp(layout.columns, width=width, time_width=time_width, embedding=embedding),
        partial(denoisers.edm, sigma_data=sigma_data),
        layout=layout,
        times=log_normal,
        weight=edm_weight(sigma_data),
        sampler=probability_flow(),
        grid=grid,
        steps=sampling_steps,
        finish=finish,
    )
    rate = optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup, steps)
    stage = Stage("denoiser", model, optax.adamw(rate, weight_decay=0.0), steps, ema_decay)
    return recipe_of(ehrdiff, locals(), codec, view, stage, rows=rows)
