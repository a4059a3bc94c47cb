"""MedDiff: He, Zhao, Xi and Ho, "MedDiff: Generating Electronic Health Records using Accelerated Denoising Diffusion
Model", arXiv 2302.04355, 2023. A reconstruction: of the paper we know its abstract alone, and no code is public.

Verified        by the abstract: a DDPM of records; a way to sample by class that keeps what a label tells; a sampling
                strategy that takes less time. By its first author's later paper (LLMSYN, PMLR 252): static features. Of
                widths, betas, steps, the scale of the guidance and speed nothing is known: no number here is theirs.
Reconstruction  choice by choice. 1,000 linear betas from 1e-4 to 0.02, the noise predicted, L_simple (Ho et al. 2020).
                A 1-D U-Net over the columns of a record, as DDPM's is over pixels: columns side by side have nothing to
                do with each other, and a convolution gives them an order. `width` puts an MLP in its place. A
                perceptron p(y | x_t, t) learnt on records noised as the denoiser sees them, and classifier guidance in
                the form for DDIM (Dhariwal and Nichol 2021, Algorithm 2),

                    e = eps(x_t, t) - (1 + w) sqrt(1 - abar_t) grad log p(y | x_t, t);

                with `classifier=False` classifier-free guidance, the label told to the denoiser in nine of ten rows
                (Ho and Salimans 2022). DDIM in 50 steps. Anderson mixing of its steps, as its authors have it in the
                code of another paper (GDA-AM, ICLR 2022): the sampler `anderson`. Each step is another map, so that no
                fixed point is sought; that of the whole trajectory is, where mixing is sound: the samplers `picard` and
                `triangular_anderson` (ParaTAA, Tang et al. 2024).
Ours            A label is drawn from its frequencies, or where other cells are given from its law given these, which is
                learnt beside (synthesis.label), and the rest of the record under it. The classifier weighs 1 + w, so
                that w = 0 is Bayes' rule: labels then have their frequencies, and their relation to all else. Both
                guidances aim at p(x | y) p(y | x)^w (Ho and Salimans, section 3). Of bits and categories the noise is
                predicted through their log odds given all else, and they are rounded at the end; numbers are normal
                scores of the variance of an even bit (as in ddpm). Without a label: DDPM with a U-Net, drawn by DDIM.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Float

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.codecs.offsets import quantity_of
from jaxehr.data import DataError, Records, Schema
from jaxehr.denoisers import classifier_guided, guided
from jaxehr.losses import Times, whole
from jaxehr.networks import mlp, perceptron, sinusoidal, unet_1d
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian
from jaxehr.processes import ddpm as betas
from jaxehr.samplers import ddim, uniform
from jaxehr.synthesis.diffusion import noise_and_odds, without_missing
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.encoded import encoded
from jaxehr.synthesis.label import label_drawn, label_law, label_stage, label_token, row_cells
from jaxehr.synthesis.label_view import labelled_layout, labelled_view
from jaxehr.synthesis.labelled import Told, labelled_model
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Layout
from jaxehr.types import Denoiser, Key, Model, Network, Params, Time

TIME_FEATURES, CLASSIFIER_STEPS, CLASSIFIER_RATE = 64, 5_000, 1e-3


@in_float32
def meddiff(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    label: str | None = None,
    label_counts: tuple[int, ...] | None = None,
    classifier: bool = True,
    classifier_width: tuple[int, ...] = (256, 256),
    label_dropout: float = 0.1,
    timesteps: int = 1000,
    beta_first: float = 1e-4,
    beta_last: float = 0.02,
    channels: int = 64,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    width: tuple[int, ...] | None = None,
    time_width: int = 128,
    steps: int | None = None,
    batch_size: int = 256,
    learning_rate: float = 2e-4,
    ema_decay: float = 0.999,
    sampling_steps: int = 50,
) -> Recipe:
    """MedDiff (He et al. 2023), reconstructed: DDPM with a 1-D U-Net, guided by a label, drawn by DDIM.

    data                    training records, or the codec of an earlier fit (then label_counts must be given, if a
                            label is)
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    label                   a boolean or categorical column that records are drawn under
    classifier              True guides a denoiser of all records by a classifier of noised ones, of `classifier_width`;
                            False tells the denoiser the label, but for a share `label_dropout` of the training rows
                            (classifier-free guidance). How much is said at the draw: sample(guidance=), --guidance
    timesteps, beta_*       the noise table, linear
    channels, multipliers   of the U-Net: at each level channels times its multiplier, and half the columns of the one
                            before; `blocks` residual blocks each
    width                   None is the U-Net; an MLP of these widths, with `time_width`, takes its place
    steps                   by default as many as the records need, at most 50,000
    """
    if not 0 <= label_dropout < 1:
        raise ValueError(
            f"label_dropout is a share of the rows, from 0 to below 1; got {label_dropout}"
        )
    codec, rows = codec_of(data, schema, Quantile, min_patients), None
    token = -1 if label is None else guiding_token(codec, label)
    layout = labelled_layout(codec, token, even=True)
    if not layout.columns:
        raise DataError(f"there is nothing to learn but the label '{label}'")
    view = labelled_view(codec, token, even=True)
    if label is not None and label_counts is None:
        x, rows = encoded(data, codec, view, "label_counts")
        label_counts = tuple(np.bincount(x["label"]).tolist())
    label_counts = None if label is None or label_counts is None else tuple(label_counts)
    counts = label_counts or ()

    steps = steps_for(codec, batch_size, steps, most=50_000)
    width = None if width is None else tuple(width)
    multipliers, classifier_width = tuple(multipliers), tuple(classifier_width)
    told = 0 if classifier else len(counts)
    if width is None:
        network = unet_1d(
            layout.columns, channels=channels, multipliers=multipliers, blocks=blocks, classes=told
        )
    else:
        network = mlp(
            layout.columns,
            width=width,
            time_width=time_width,
            embedding=sinusoidal(time_width),
            skip=layout.numbers,
            labels=told,
        )
    process = Gaussian(betas(timesteps, beta_first=beta_first, beta_last=beta_last))
    model_with = partial(
        labelled_model,
        process,
        network.init,
        layout=layout,
        times=whole(timesteps),
        sampler=ddim(),
        grid=partial(uniform, first=float(timesteps)),
        steps=sampling_steps,
        centred=True,
        clipped=True,
        label_dropout=1.0 if classifier else label_dropout,
    )
    denoiser = noise_and_odds(process, layout, centred=True)
    adam, denoise_with = optax.adam(learning_rate), told_the_label(network, denoiser)
    if not counts:
        stage = Stage("denoiser", model_with(denoise_with), adam, steps, ema_decay)
        return recipe_of(meddiff, locals(), codec, view, stage, rows=rows)
    cells = row_cells(layout)
    init, law = label_law(cells, len(counts))
    reader = noised_classifier(layout.columns, len(counts), classifier_width)

    def given_the_label(params: dict[str, Params]) -> Model:
        drawn, how = label_drawn(counts, partial(law, params["label"])), denoise_with
        if classifier:
            says = partial(reader.apply, params["classifier"])
            how = by_classifier(network, denoiser, process, says)
        return model_with(how, label=drawn)

    stages = [label_stage(init, law, cells, steps)]
    if classifier:
        stages.append(classifier_stage(process, reader, layout, whole(timesteps), steps))
    stages.append(Stage("denoiser", given_the_label, adam, steps, ema_decay))
    return recipe_of(meddiff, locals(), codec, view, *stages, rows=rows)


def guiding_token(codec: Codec, label: str) -> int:
    """Which token the label is. Raises DataError for a number or a date, else as `label_token`."""
    token = label_token(codec, label)
    if token < 0:
        quantity = quantity_of(codec.by_name[label])
        what = "date" if quantity.kind == "datetime" else "number"
        raise DataError(
            f"the label '{label}' is a {what}, and a classifier of records needs classes: make it a category in the "
            "schema, or leave the label out and put conditions on it (given=, --given)"
        )
    return token


def noised_classifier(columns: int, labels: int, width: tuple[int, ...]) -> Network:
    """log p(y | x_t, t) of each label: apply(params, x, t) -> [*batch, label]."""
    network, embed = (
        perceptron(columns + TIME_FEATURES, labels, width=width),
        sinusoidal(TIME_FEATURES),
    )

    def apply(params: Params, x: Float[Array, "*batch column"], t: Time) -> Array:
        time = jnp.broadcast_to(embed(jnp.asarray(t, x.dtype)), (*x.shape[:-1], TIME_FEATURES))
        said = network.apply(params, jnp.concatenate([x, time], axis=-1))
        return jax.nn.log_softmax(said)

    return Network(network.init, apply)


def classifier_stage(
    process: Gaussian, reader: Network, layout: Layout, times: Times, steps: int
) -> Stage:
    """The training of the classifier: cross-entropy at the noise levels of the denoiser."""

    def loss(params: Params, key: Key, x: Any) -> Array:
        time_key, noise_key, fill_key = jax.random.split(key, 3)
        record, _ = without_missing(fill_key, x["record"], layout)
        t = times(time_key, x["label"].shape)
        noised = process.corrupt(noise_key, 2 * record - 1, t)
        said = reader.apply(params, noised, t)
        return -jnp.take_along_axis(said, x["label"][:, None], axis=-1)[:, 0]

    steps = min(steps, CLASSIFIER_STEPS)
    adam = optax.adamw(optax.cosine_decay_schedule(CLASSIFIER_RATE, steps), weight_decay=0.01)
    model = Model(reader.init, loss, no_draw("the classifier alone draws no records"))
    return Stage("classifier", model, adam, steps)


def by_classifier(
    network: Network, denoiser: Callable, process: Gaussian, says: Callable[[Array, Time], Array]
) -> Callable[[Told], Denoiser]:
    """A denoiser of all records, and the classifier on its way: (1 + w) grad log p(y | x_t)."""

    def denoise_with(told: Told) -> Denoiser:
        denoise = denoiser(lambda x, t: network.apply(told.params, x, t))
        if told.label is None:
            return denoise
        says_label = lambda x, t: says(x, t)[..., told.label]
        weight = 1.0 if told.guidance is None else 1 + told.guidance
        return classifier_guided(denoise, process, says_label, weight)

    return denoise_with


def told_the_label(network: Network, denoiser: Callable) -> Callable[[Told], Denoiser]:
    """A denoiser that reads the label, and w times its distance from what it is without: (1 + w) D(y) - w D."""

    def denoise_with(told: Told) -> Denoiser:
        def reading(label: Array | None) -> Denoiser:
            told_of = () if label is None else (label,)
            return denoiser(lambda x, t: network.apply(told.params, x, t, *told_of))

        if told.label is None or told.guidance is None:
            return reading(told.label)
        return guided(reading(told.label), reading(None), 1 + told.guidance)

    return denoise_with
