"""TIMEDIFF: Tian et al., "Reliable generation of privacy-preserving synthetic electronic health record time series via
diffusion models", JAMIA 2024.

Composition     Numbers in [-1, 1] by Gaussian diffusion and categories by multinomial diffusion, with one cosine table
                of betas and one network for both: three recurrent layers that go both ways, told the time once behind
                them. The noise and the logits are predicted; loss = mean squared error of the noise + loss_lambda
                times the variational bound of the categories; the ancestral chain of 1,000 steps, with the smaller
                variance and denoised numbers held in [-1, 1]. Whether a value is missing is a category of its own; the
                number behind it stands at its variable's mean and is learnt like any other.
Loss            The authors sum the bound over the steps and take its mean over the variables. Here it is a mean over
                both, so that a weight means the same at every length: loss_lambda is theirs times the steps, and
                20 is their .8 on the 25 steps of MIMIC-III.
Mended          where the authors' code has a defect. What says that a value is missing is a bit; their notebook of
                MIMIC-III writes the number of values so far. The network goes both ways, as in the paper, without a
                flag that one has to know of. No label is written into the series: static columns are.
Differences     Columns of the static table stand at every step, as the authors' label does; what the network says of
                one is the mean over the steps, and weighs as one entry (theirs: noised and drawn at each step anew,
                rounded from the mean of the draws, and weighed as an entry of each). Times inside a step, and that a
                patient has ended, are entries like the rest (theirs: whole steps, one length). The batch of 64 is taken
                at once (theirs: 2 of 32 added up), with replacement; the average of the weights moves at every step by
                the tenth root of .995 (theirs: every tenth by .995). `sampling_steps` draws with fewer steps.
"""

from functools import partial
from typing import Any

import numpy as np
import optax
from jaxtyping import Int

from jaxehr.codecs import MIN_PATIENTS, Codec, Number, codec_of
from jaxehr.data import Records, Schema
from jaxehr.losses import mixed_loss, whole
from jaxehr.networks import GRU, LSTM, by_step, recurrent, sinusoidal
from jaxehr.numerics import in_float32
from jaxehr.recipes.tabddpm import tabddpm_process
from jaxehr.samplers import ddim_step, in_parts, sequential, uniform
from jaxehr.synthesis.mixed import mixed_model, noise_and_logits
from jaxehr.synthesis.places import entry_places
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Tokens, token_view, tokens_of
from jaxehr.types import Denoiser, Model, Network, Params

CELLS = {"lstm": LSTM, "gru": GRU}


@in_float32
def timediff(
    data: Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    timesteps: int = 1000,
    cell: str = "lstm",
    hidden: int | None = None,
    layers: int = 3,
    time_width: int = 256,
    loss_lambda: float = 20.0,
    steps: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 8e-5,
    clip_norm: float = 1.0,
    ema_decay: float = 0.995**0.1,
    sampling_steps: int | None = None,
) -> Recipe:
    """TIMEDIFF (Tian et al. 2024): Gaussian and multinomial diffusion of a series with a recurrent network.

    data            training records with a series, or the codec of an earlier fit
    min_patients    who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    timesteps       of the cosine table; `sampling_steps` draws with fewer, evenly spaced
    cell            lstm or gru
    hidden          units of a layer, each way; by default four for each entry of a step, as the authors have it
    loss_lambda     weight of the categories' bound, a mean over steps and variables: the authors' times the steps
    steps           by default as many as the records need, at most 100,000

    Raises DataError for records without a series, ValueError for another cell.
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}; got {cell!r}")
    codec = codec_of(data, schema, Number, min_patients)
    steps = steps_for(codec, batch_size, steps, most=100_000)
    tokens = tokens_of(codec)._replace(indicators=(-1,) * codec.sizes["number"])
    places = step_places(codec, tokens)
    hidden = 4 * places.shape[1] if hidden is None else hidden
    network = recurrent(
        places.shape[1],
        hidden=hidden,
        layers=layers,
        time_width=time_width,
        embedding=sinusoidal(64),
        cell=CELLS[cell],
    )
    model = timediff_model(
        by_step(network, places, codec.sizes["number"] + tokens.width),
        tokens,
        timesteps=timesteps,
        sampling_steps=sampling_steps or timesteps,
        loss_lambda=loss_lambda,
    )
    adam = optax.chain(
        optax.clip_by_global_norm(clip_norm), optax.adam(learning_rate, b1=0.9, b2=0.99)
    )
    stage = Stage("denoiser", model, adam, steps, ema_decay)
    return recipe_of(timediff, locals(), codec, token_view(codec), stage)


def step_places(codec: Codec, tokens: Tokens) -> Int[np.ndarray, "step feature"]:
    """Where what the network reads at each step lies in the row of numbers and categories one-hot: first its numbers
    and those of the static table, then the classes of each bit and category.

    Raises DataError for records without a series.
    """
    classes = np.split(tokens.places, np.cumsum(tokens.classes)[:-1]) if tokens.classes else []
    return entry_places(codec, [codec.sizes["number"] + each for each in classes])


def timediff_model(
    network: Network, tokens: Tokens, *, timesteps: int, sampling_steps: int, loss_lambda: float
) -> Model:
    process = tabddpm_process(tokens, timesteps)
    denoiser = noise_and_logits(process, tokens, log_one_hot=True)

    def denoise_with(params: Params, label: Any) -> Denoiser:
        return denoiser(lambda x, t: network.apply(params, x, t - 1))  # theirs count from 0

    return mixed_model(
        process,
        network.init,
        denoise_with,
        partial(mixed_loss, timesteps=timesteps, of_categories=loss_lambda),
        tokens=tokens,
        reach=1.0,
        times=whole(timesteps),
        sampler=sequential(in_parts({name: ddim_step(1.0) for name in process.parts})),
        grid=partial(uniform, first=float(timesteps)),
        steps=sampling_steps,
    )
