"""ScoEHR: Naseer, Walker, Landon, Ambrosy, Fudim, Wysham, Toro, Swaminathan and Lyons, "ScoEHR: Generating Synthetic
Electronic Health Records using Continuous-time Diffusion Models", MLHC 2023.

Composition     An autoencoder of one layer each way (tanh, sigmoid), Adam 1e-3 with 1e-4 of its weights added to the
                gradient, cross-entropy of bits and squared error of numbers, summed. Its codes, 144 as a square of
                12 x 12, are diffused by the VP-SDE, beta 0.1 to 20; a two-dimensional U-Net says the score itself;
                stratified times, the score matched with the variance as weight; Adam 1e-3 that falls after a tenth of
                the training, gradients of a norm of at most 1, no average of the parameters. Draws by Euler-Maruyama in
                1,000 steps of 0.001, decoded, bits from 0.5 on.
Differences     Rows of a batch are drawn with replacement (theirs: shuffled epochs); the rate falls with each 200th of
                the training as theirs with each of the paper's 200 epochs. Categories are one-hot bits, of which the
                largest is taken. A number that is missing is 0 to the encoder, has no part in the loss, and has an
                indicator. Numbers come back in their units, columns where they were (theirs: indices of the order
                before columns were sorted, and no inverse). `posterior_draw` is ours. With autoencoder=False, the
                paper's ablation, the record itself is diffused, and padded to a square inside the network alone, so
                that neither the process nor the loss has padding (theirs cannot be run).
Cost            The published width, 24.5 million parameters, is for a GPU: on a CPU a training step of 256 takes about
                10 CPU seconds, the 1,000 evaluations of one record about as many; with channels=32 a twelfth of that,
                with channels=16 a thirtieth.
Faster          Any solver of numbers with fewer evaluations: on the command line `--sampler dpmpp_2m --nfe 20`, in
                Python sampler=probability_flow(DPMpp2M()) with a grid of 20 steps.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Num

from jaxehr.codecs import MIN_PATIENTS, Codec, Number, codec_of
from jaxehr.data import Records, Schema
from jaxehr.denoisers import SCORE, predicting
from jaxehr.losses import noise_weight, stratified
from jaxehr.networks import Autoencoder, square_side, tanh_autoencoder, unet_2d
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, vp
from jaxehr.samplers import euler_maruyama_step, sequential, uniform
from jaxehr.synthesis import diffusion
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.one_pass import present
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Layout, layout_of, matrix_view
from jaxehr.types import Draw, Grid, Key, Known, Model, Params

TIME_MIN = 1e-3  # where training begins, and the last step but one of a draw ends
EPOCHS = 200  # of the paper; eq. 18 has the rate constant for 20 of them
L2 = 1e-4


@in_float32
def scoehr(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    autoencoder: bool = True,
    latent: int = 144,
    autoencoder_steps: int | None = None,
    autoencoder_learning_rate: float = 1e-3,
    beta_min: float = 0.1,
    beta_max: float = 20.0,
    channels: int = 128,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    sampling_steps: int = 1000,
    posterior_draw: bool = False,
    steps: int | None = None,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
) -> Recipe:
    """ScoEHR (Naseer et al. 2023): score-based diffusion in the latent space of an autoencoder, of codes or tables.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    autoencoder             False is the paper's ablation: the record itself is diffused
    latent                  of the autoencoder: a square whose side can be halved once for each level but the first
    autoencoder_steps       by default four times the steps, as their demonstration has it, at most 50,000
    beta_min, beta_max      beta(t) is linear between them, t in [0, 1]
    channels                of the first level. On a CPU take 32 or fewer: 128, as published, is for a GPU
    multipliers, blocks     of the channels for each level, the first at full side; residual blocks of a level
    sampling_steps          evaluations of a draw; 1,000 steps of 0.001 are published
    posterior_draw          False takes bits from 0.5 on, as published. True draws bits and categories with the decoded
                            probability: rounding loses rare codes
    steps                   of the score network; by default as many as the records need, at most 200 epochs
    Raises ValueError for a latent that is no such square, naming the nearest that is.
    """
    codec = codec_of(data, schema, Number, min_patients)
    multipliers = tuple(multipliers)
    steps = steps_for(
        codec, batch_size, steps, most=max(EPOCHS * codec.rows // max(batch_size, 1), 1)
    )
    layout, process = layout_of(codec), Gaussian(vp(beta_min=beta_min, beta_max=beta_max))
    unet = partial(unet_2d, channels=channels, multipliers=multipliers, blocks=blocks)
    score = partial(score_model, process, unet, steps=sampling_steps)
    rate = falling(learning_rate, steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    if not autoencoder:
        if posterior_draw:
            raise ValueError(
                "posterior_draw reads the probabilities of the decoder; without an autoencoder there are none"
            )
        stage = Stage("score", score(layout), optimizer, steps, ema_decay=0.0)
        return recipe_of(scoehr, locals(), codec, matrix_view(codec), stage)
    _check_latent(latent, len(multipliers))
    if autoencoder_steps is None:
        autoencoder_steps = min(4 * steps, 50_000)
    coder, of_latents = tanh_autoencoder(layout.columns, latent), score(of_codes(latent))
    adam = optax.adam(autoencoder_learning_rate)
    first = Stage(
        "autoencoder",
        autoencoder_model(layout, coder),
        optax.chain(optax.add_decayed_weights(L2), adam),
        autoencoder_steps,
        ema_decay=0.0,
    )

    def in_latents(params: dict[str, Params]) -> Model:
        trained = params["autoencoder"]
        return latent_model(of_latents, layout, coder, trained, drawn=posterior_draw)

    second = Stage("score", in_latents, optimizer, steps, ema_decay=0.0)
    return recipe_of(scoehr, locals(), codec, matrix_view(codec), first, second)


def autoencoder_model(layout: Layout, coder: Autoencoder) -> Model:
    """The loss is the cross-entropy of bits and one-hot categories, and the squared error of numbers that are there."""
    numbers = slice(0, layout.numbers)

    def loss(params: Params, key: Key, x0: Num[Array, "batch column"]) -> Array:
        x = shown(layout, x0)
        raw = coder.decode(params, coder.encode(params, x))
        hot = slice(layout.numbers, None)
        total = optax.sigmoid_binary_cross_entropy(raw[:, hot], x[:, hot]).sum(-1)
        if layout.numbers:
            square = jnp.square(jax.nn.sigmoid(raw[:, numbers]) - x[:, numbers])
            total += (square * present(layout, x)).sum(-1)
        return total

    return Model(coder.init, loss, no_draw("an autoencoder alone has no law to draw codes from"))


def score_model(process: Gaussian, unet, layout: Layout, *, steps: int) -> Model:
    """The score s(x, t) by a U-Net over a row as a square; the loss of a row is |sigma s + eps|^2, summed over it."""
    weight = noise_weight(process)

    def grid(n: int) -> Grid:
        return np.append(uniform(max(n - 1, 1), first=1.0, last=TIME_MIN), 0.0)

    return diffusion.diffusion_model(
        process,
        unet(layout.columns),
        lambda network: predicting(SCORE, process, network),
        layout=layout,
        times=stratified(TIME_MIN),
        weight=lambda t: layout.columns * weight(t),
        sampler=sequential(euler_maruyama_step),
        grid=grid,
        steps=steps,
    )


def latent_model(
    model: Model, layout: Layout, coder: Autoencoder, trained: Params, *, drawn: bool
) -> Model:
    """`model`, of codes, as one of records: they are encoded before its loss, and decoded after its draw.

    trained     parameters of the autoencoder
    drawn       bits and categories are drawn with the decoded probability; else it is what comes out
    """

    def loss(params: Params, key: Key, x0: Num[Array, "batch column"]) -> Array:
        return model.loss(params, key, coder.encode(trained, shown(layout, x0)))

    def draw(params: Params, key: Key, *, known: Known | None = None, **asked) -> Draw:
        if known is not None:
            raise ValueError(
                "scoehr draws codes of its autoencoder; it cannot be given a part of the record: with "
                "autoencoder=False it can, as masked; a range, such as age=60:70, is met by drawing anew"
            )
        path_key, bit_key = jax.random.split(key)
        code, nfe = model.draw(params, path_key, **asked)
        x = jax.nn.sigmoid(coder.decode(trained, code))
        if drawn:
            x = diffusion.posterior_draw(layout)(bit_key, lambda x, t: x, x, 0.0)
        return Draw(x, nfe)

    return model._replace(loss=loss, draw=draw)


def of_codes(latent: int) -> Layout:
    """As if a code were a record of numbers from -1 to 1."""
    ends = np.ones((2, latent)) * [[-1.0], [1.0]]
    return Layout(
        latent, 0, (), (-1,) * latent, np.stack([np.zeros(latent), np.ones(latent)]), ends
    )


def shown(layout: Layout, x0: Num[Array, "batch column"]) -> Array:
    """What an encoder reads: 0 where a number is missing."""
    x = x0.astype(jnp.float32)
    if not layout.numbers:
        return x
    number = x[:, : layout.numbers] * present(layout, x)
    return jnp.concatenate([number, x[:, layout.numbers :]], axis=-1)


def falling(learning_rate: float, steps: int) -> optax.Schedule:
    """The paper's eq. 18, 1 - max(0, e - 20) / 190 at epoch e of 200, each of which is a 200th of the steps."""

    def rate(step):
        epoch = jnp.floor(EPOCHS * step / steps)
        return learning_rate * (1 - jnp.maximum(0, epoch - 20) / (EPOCHS - 10))

    return rate


def _check_latent(latent: int, levels: int) -> None:
    side = math.isqrt(max(latent, 0))
    if latent > 0 and side**2 == latent and square_side(latent, levels) == side:
        return
    above = square_side(latent, levels)
    below = max(above - 2 ** (levels - 1), 2 ** (levels - 1))
    nearest = min((below, above), key=lambda side: abs(side**2 - latent))
    raise ValueError(
        f"latent must be a square whose side can be halved {levels - 1} times; got {latent}, "
        f"the nearest that is: {nearest**2}"
    )
