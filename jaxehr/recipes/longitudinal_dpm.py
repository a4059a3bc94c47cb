"""The longitudinal DPM: Kuo, Jorm and Barbieri, "Synthetic Health-related Longitudinal Data with Mixed-type Variables
Generated using Diffusion Models", 2023; as the first author's worked example has it (Health Gym v3, 2025).

Composition     Numbers by Box and Cox, then min-max; bits and categories one-hot; all in [-1, 1], a row for each step,
                and Gaussian noise on everything: 500 linear betas from 1e-4 to 0.01. A U-Net along time predicts the
                noise; loss = (e - eps)^2 + 20 (x_0' - x_0)^2, where x_0' is what a random blend of the predicted and
                the true noise says was clean. Adam 1e-3, gradients of a norm of at most 1, no average of the weights.
                Draws begin at N(0, I), though the betas leave 0.28 of the data, and take the chain with the larger
                variance; nothing is held in [-1, 1] on the way, and a patient of whom a number leaves it is drawn anew.
                The largest of each one-hot group is taken.
Mended          Rows are filled with zeros up to the next number of steps that can be halved three times, not from 60 to
                100; these zeros have no part in the loss, as there.
Differences     Columns of the static table stand at every step, as the example's do that do not change; what is drawn
                of one is the mean over the steps, of which the largest class is taken, or the number. Of values that
                are missing (theirs has none) a bit says so; the number behind it is noise, has no part in the loss, and
                rejects nobody. Times inside a step, and that a patient has ended, are entries like the rest; neither
                such a time rejects, nor a place on a circle: both are rounded to what can be. Rows of a batch are drawn
                with replacement. `sampling_steps` below the timesteps draws by DDIM's chain with the noise of DDPM's.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxehr.codecs import MIN_PATIENTS, BoxCox, Codec, Cyclic, codec_of
from jaxehr.data import Records, Schema
from jaxehr.denoisers import EPS, predicting
from jaxehr.losses import blended_loss, whole
from jaxehr.networks import in_row, series_unet, whole_steps
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian
from jaxehr.processes import ddpm as betas
from jaxehr.recipes.timediff import step_places
from jaxehr.samplers import ddim_step, fixed_large, sequential, uniform
from jaxehr.synthesis.draws import noise_to_data
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Tokens, token_view, tokens_of
from jaxehr.types import Draw, Key, Known, Model, Network, Params, Possible

EPOCHS = 3000
GROUPS = 8  # of the U-Net's norms


@in_float32
def longitudinal_dpm(
    data: Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    timesteps: int = 500,
    beta_first: float = 1e-4,
    beta_last: float = 0.01,
    width: int = 256,
    levels: int = 3,
    time_width: int = 128,
    clean_weight: float = 20.0,
    steps: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    clip_norm: float = 1.0,
    sampling_steps: int | None = None,
) -> Recipe:
    """The longitudinal DPM (Kuo, Jorm and Barbieri 2023): Gaussian diffusion of a series, categories one-hot.

    data                training records with a series, or the codec of an earlier fit
    min_patients        who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    timesteps, beta_*   the noise table, linear; `sampling_steps` draws with fewer, evenly spaced
    width, levels       channels of the U-Net, a multiple of 8, no fewer than a step has columns; and how often it
                        halves the steps
    clean_weight        of the second term of the loss, by what was clean
    steps               by default 3,000 epochs, at least 2,000 steps and at most 100,000

    Raises DataError for records without a series, ValueError for a width that is no multiple of 8, or too small.
    """
    codec = codec_of(data, schema, BoxCox, min_patients)
    steps = steps_for(codec, batch_size, steps, most=100_000, epochs=EPOCHS)
    sheet = sheet_of(codec, levels)
    if (
        width < sheet.features
    ):  # a narrower one cannot hand on their noise, and leaves it in all draws
        least = -(-sheet.features // GROUPS) * GROUPS
        raise ValueError(
            f"the U-Net says the noise of {sheet.features:,} columns in each step, and must be as wide: "
            f"width={least} or more is wanted; got {width}"
        )
    network = series_unet(sheet.features, width=width, levels=levels, time_features=time_width)
    model = longitudinal_dpm_model(
        FromNormal(betas(timesteps, beta_first=beta_first, beta_last=beta_last)),
        network,
        sheet,
        timesteps=timesteps,
        sampling_steps=sampling_steps or timesteps,
        clean_weight=clean_weight,
    )
    adam = optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(learning_rate))
    stage = Stage("denoiser", model, adam, steps, ema_decay=0.0)
    return recipe_of(longitudinal_dpm, locals(), codec, token_view(codec), stage)


class FromNormal(Gaussian):
    def prior(self, key: Key, shape: tuple[int, ...], t: Any) -> Float[Array, "..."]:
        """N(0, I), whatever the table leaves of the data."""
        return jax.random.normal(key, shape)


class Sheet(NamedTuple):
    """A record as rows of steps, and back.

    tokens      bits and categories
    places      where what stands in each step lies in the row of numbers and categories one-hot; static columns lie in
                every step
    padded      steps, of which the last ones may be zeros that fill the sheet
    scales      [2, number]: mean and standard deviation of the numbers that are there
    ranged      which numbers have ends that a draw must lie between
    """

    tokens: Tokens
    places: Int[np.ndarray, "step feature"]
    padded: int
    scales: Float[np.ndarray, "2 number"]
    ranged: Bool[np.ndarray, "number"]

    @property
    def features(self) -> int:
        return self.places.shape[1]

    @property
    def numbers(self) -> int:
        return len(self.ranged)

    def of_record(self, x: Any) -> Float[Array, "*batch step feature"]:
        """In [-1, 1], with zeros in the steps that fill it."""
        hot = 2.0 * self.tokens.one_hot(x) - 1
        return self.filled([*([2 * x["number"] - 1] if self.numbers else []), hot])

    def filled(self, columns: list[Array]) -> Array:
        """Numbers and classes side by side, at their places; 0 in the steps that fill it."""
        steps = jnp.concatenate(columns, axis=-1)[..., self.places]
        rest = [(0, 0)] * (steps.ndim - 2) + [(0, self.padded - len(self.places)), (0, 0)]
        return jnp.pad(steps, rest)

    def known(self, known: Known) -> Known:
        """Of a record; a category is known with all its classes."""
        mask: Any = known.mask
        classes = jax.tree.map(
            lambda cells, all_: jnp.broadcast_to(cells[..., None], all_.shape).reshape(-1),
            {name: mask[name] for name in self.tokens.groups},
            self.tokens.without(()),
        )
        number = [mask["number"]] if self.numbers else []
        places = self.filled([*number, *(classes[name] for name in self.tokens.groups)])
        return Known(self.of_record(known.x0), places > 0, {})

    def record(self, sheet: Float[Array, "step feature"], allowed: Any = None) -> Any:
        """Of every class the mean over its places, and of each category the largest of those that are allowed."""
        columns = self.numbers + self.tokens.width
        row = in_row(sheet[: len(self.places)], self.places, columns)
        fits = {**self.tokens.without(()), **(allowed or {})}
        x = {
            name: jnp.where(fits[name], classes, -jnp.inf).argmax(-1)
            for name, classes in self.tokens.spread(row[self.numbers :]).items()
        }
        return {**x, "number": (row[: self.numbers] + 1) / 2} if self.numbers else x

    def within(self, x: Any) -> Bool[Array, "*batch"]:
        """Whether every number that is there lies between the ends of its scale."""
        number = x["number"]
        inside = (number >= 0) & (number <= 1) | (self.tokens.missing(x) > 0)
        return (inside | ~self.ranged).all(-1)


def sheet_of(codec: Codec, levels: int) -> Sheet:
    """Raises DataError for records without a series."""
    tokens = tokens_of(codec)
    places = step_places(codec, tokens)
    return Sheet(
        tokens, places, whole_steps(len(places), levels), codec.scales, np.array(_ranged(codec))
    )


def _ranged(codec: Codec) -> list[bool]:
    """For each entry of the number part whether it is a value on a scale with two ends: neither a place on a circle nor
    a time inside a step."""
    series: Any = codec.series
    table = [(column, not isinstance(column, Cyclic)) for column in codec.learnt]
    step = [each for c in series.channels for each in ((c.value, True), (c.lag, False))]
    found = [*table, *[*step, (series.clock, False)] * series.steps]
    return [held for column, held in found for kind, _ in column.parts() if kind == "number"]


def longitudinal_dpm_model(
    process: Gaussian,
    network: Network,
    sheet: Sheet,
    *,
    timesteps: int,
    sampling_steps: int,
    clean_weight: float,
) -> Model:
    """On the rows of `token_view`: they are laid out as a sheet before the loss, and read off it after the draw."""
    every = sampling_steps == timesteps  # over several steps the larger variance is far too large
    shape = (sheet.padded, sheet.features)
    grid = partial(uniform, first=float(timesteps))
    sampler = sequential(fixed_large if every else ddim_step(1.0))
    walk = noise_to_data(process, shape, sampler=sampler, grid=grid, steps=sampling_steps)
    times, (mean, std) = whole(timesteps), jnp.asarray(sheet.scales, jnp.float32)

    def noise_of(params: Params) -> Callable[[Array, Any], Array]:
        return lambda x, t: network.apply(params, x, t - 1)  # theirs count from 0

    def loss(params: Params, key: Key, x: Any) -> Array:
        t_key, noise_key, blend_key, fill_key = jax.random.split(key, 4)
        n = len(next(iter(x.values())))
        valid = [jnp.ones((n, sheet.tokens.width))]
        if sheet.numbers:  # as in `diffusion.without_missing`
            missing = sheet.tokens.missing(x)
            fresh = mean + std * jax.random.normal(fill_key, missing.shape)
            x = {**x, "number": jnp.where(missing > 0, fresh, x["number"])}
            valid = [1 - missing, *valid]
        x0 = sheet.of_record(x)
        eps = jax.random.normal(noise_key, x0.shape)
        u = jax.random.uniform(blend_key, x0.shape)
        t, there = times(t_key, (n,)), sheet.filled(valid)
        return blended_loss(
            noise_of(params), process, x0, t, eps, u, valid=there, weight=clean_weight
        )

    def draw(params: Params, key: Key, *, known: Known | None = None, **asked: Any) -> Draw:
        prior_key, path_key = jax.random.split(key)
        denoise = predicting(EPS, process, noise_of(params))
        held = None if known is None else sheet.known(known)
        found, nfe, _ = walk((prior_key, path_key), denoise, known=held, **asked)
        x = sheet.record(jnp.asarray(found), None if known is None else known.allowed)
        if known is not None:
            x = jax.tree.map(jnp.where, known.mask, known.x0, x)
        return Draw(x, nfe)

    possible = Possible(
        sheet.within, "had a number beyond the range of the records", "train for more steps"
    )
    ends = possible if sheet.ranged.any() else None
    return Model(network.init, loss, draw, grid, process=process, possible=ends)
