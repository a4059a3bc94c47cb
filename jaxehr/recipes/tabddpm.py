"""TabDDPM: Kotelnikov et al., "TabDDPM: Modelling Tabular Data with Diffusion Models", ICML 2023.

Composition     Numbers in normal scores by Gaussian diffusion, categories by multinomial diffusion, one cosine table of
                betas and one network for both; the noise and the logits predicted; loss = mean squared error of the
                noise + the variational bound of the categories over their number; AdamW with a rate that falls to 0;
                the ancestral chain with the larger variance. A label to be classified is a condition and is drawn from
                its frequencies, or where other cells are given from its law given these, which is learnt beside
                (`label`, ours); one to be regressed is a column like any other, and so is everything without a label.
Mended          where the authors' code has a defect. The categories go in as 0 and 1 (theirs: their logarithms, 0 and
                -69; `log_one_hot=True`). The averaged weights are drawn from (theirs are kept and not used;
                `ema_decay=0`). Denoised numbers are held within the scale of the normal scores (theirs are not;
                `clip_denoised=False`): after a short training theirs leave it at the first steps, and take the
                categories with them. Probabilities are normalised column by column; theirs, by differences of one
                running sum over all columns, miss 1 by .31 at 100 columns and end in NaN, so that has no setting.
                Integers come back as integers (theirs: only those with up to 32 values).
Differences     Missing numbers have an indicator, a category of their own, and no part in the loss (theirs: refused, or
                filled with the mean). Rows of a batch are drawn with replacement (theirs: shuffled epochs).
                `label_dropout`, for classifier-free guidance (Ho and Salimans 2022), is ours.
"""

from functools import partial
from typing import Any

import numpy as np
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import mixed_loss, whole
from jaxehr.networks import tabddpm_mlp, timestep
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, Mixed, Multinomial, cosine_betas
from jaxehr.processes import table as beta_table
from jaxehr.samplers import ddim_step, fixed_large, in_parts, sequential, uniform
from jaxehr.synthesis.encoded import encoded
from jaxehr.synthesis.label import label_drawn, label_law, label_stage, label_token, token_cells
from jaxehr.synthesis.mixed import mixed_model, noise_and_logits
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Tokens, token_view, tokens_of
from jaxehr.types import Denoiser, Model, Network, Params


@in_float32
def tabddpm(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    label: str | None = None,
    label_counts: tuple[int, ...] | None = None,
    timesteps: int = 1000,
    width: tuple[int, ...] = (256, 256),
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 4096,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-5,
    ema_decay: float = 0.999,
    log_one_hot: bool = False,
    clip_denoised: bool = True,
    label_dropout: float = 0.0,
    sampling_steps: int | None = None,
) -> Recipe:
    """TabDDPM (Kotelnikov et al. 2023): Gaussian and multinomial diffusion of a table with an MLP.

    data            training records, or the codec of an earlier fit (then label_counts must be given, if a label is)
    min_patients    who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    label           a boolean or categorical column is a condition of the network; any other is a column like the rest
    timesteps       of the cosine table; `sampling_steps` draws with fewer, evenly spaced
    steps           by default as many as the records need, at most 30,000
    log_one_hot     True feeds 0 and -69 for categories, as the authors' code does
    clip_denoised   False lets denoised numbers leave their scale in the chain, as the authors' code does: 2,000 steps
                    of training on a clinical table of 45 columns then end in garbage. Other samplers hold them always
    label_dropout   share of the training rows whose label is not said, which sample(guidance=), --guidance, needs
    """
    codec = codec_of(data, schema, Quantile, min_patients)
    token = -1 if label is None else label_token(codec, label)
    tokens, view, rows = tokens_of(codec, token), token_view(codec, token), None
    if token >= 0 and label_counts is None:
        x, rows = encoded(data, codec, view, "label_counts")
        label_counts = tuple(np.bincount(x["label"]).tolist())
    counts = label_counts if token >= 0 and label_counts else ()

    width, steps = tuple(width), steps_for(codec, batch_size, steps, most=30_000)
    network = tabddpm_mlp(
        len(tokens.indicators) + tokens.width,
        width=width,
        time_width=time_width,
        embedding=timestep(time_width),
        labels=len(counts),
    )
    model_with = partial(
        tabddpm_model,
        network,
        tokens,
        timesteps=timesteps,
        sampling_steps=sampling_steps or timesteps,
        log_one_hot=log_one_hot,
        clip_denoised=clip_denoised,
        label_dropout=label_dropout,
    )
    rate = optax.linear_schedule(learning_rate, 0.0, steps)
    adam = optax.adamw(rate, weight_decay=weight_decay)
    if not counts:
        stage = Stage("denoiser", model_with(), adam, steps, ema_decay)
        return recipe_of(tabddpm, locals(), codec, view, stage, rows=rows)
    cells = token_cells(tokens)
    init, law = label_law(cells, len(counts))

    def given_the_label(params: dict[str, Params]) -> Model:
        return model_with(label=label_drawn(counts, partial(law, params["label"])))

    guess = label_stage(init, law, cells, steps)
    stage = Stage("denoiser", given_the_label, adam, steps, ema_decay)
    return recipe_of(tabddpm, locals(), codec, view, guess, stage, rows=rows)


def tabddpm_process(tokens: Tokens, timesteps: int) -> Mixed:
    """One table of betas for the numbers and for each group of categories; times are 0, 1, ..., timesteps."""
    schedule = beta_table(cosine_betas(timesteps))
    parts = {name: Multinomial(schedule, tokens.classes_of(name)) for name in tokens.groups}
    return Mixed({"number": Gaussian(schedule), **parts} if tokens.indicators else parts)


def tabddpm_model(
    network: Network,
    tokens: Tokens,
    *,
    timesteps: int,
    sampling_steps: int,
    log_one_hot: bool = False,
    **options: Any,
) -> Model:
    """`options` are those of `mixed_model`."""
    process = tabddpm_process(tokens, timesteps)
    denoiser = noise_and_logits(process, tokens, log_one_hot=log_one_hot)

    def denoise_with(params: Params, label: Array | None) -> Denoiser:
        return denoiser(lambda x, t: network.apply(params, x, t - 1, label))  # theirs count from 0

    # The larger variance is that of a step to the next time; over several it is far too large.
    of_numbers = fixed_large if sampling_steps == timesteps else ddim_step(1.0)
    steps = {name: of_numbers if name == "number" else ddim_step(1.0) for name in process.parts}
    return mixed_model(
        process,
        network.init,
        denoise_with,
        partial(mixed_loss, timesteps=timesteps),
        tokens=tokens,
        times=whole(timesteps),
        sampler=sequential(in_parts(steps)),
        grid=partial(uniform, first=float(timesteps)),
        steps=sampling_steps,
        **options,
    )
