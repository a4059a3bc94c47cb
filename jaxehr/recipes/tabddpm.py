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
                `label_dropout` and `guidance` (Ho and Salimans 2022) are ours.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import END, MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.denoisers import EPS
from jaxehr.networks import tabddpm_mlp, timestep
from jaxehr.numerics import in_float32
from jaxehr.processes import Gaussian, Mixed, Multinomial, cosine_betas
from jaxehr.processes import table as beta_table
from jaxehr.samplers import ddim_step, fixed_large, in_parts, inpaint, sequential, uniform
from jaxehr.synthesis.diffusion import INPAINT_STEPS
from jaxehr.synthesis.label import label_law, label_stage, label_token
from jaxehr.synthesis.recipe import Recipe, Stage, steps_for
from jaxehr.synthesis.view import Tokens, token_view, tokens_of
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Model, Network, Params, Sampler


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
    guidance: float = 1.0,
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
    label_dropout   share of the training rows whose label is not said, which `guidance` above 1 needs
    guidance        weight of the label in a draw: (1 + w) times the prediction with it, minus w times that without
    """
    settings: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    settings["width"] = tuple(width)
    codec = codec_of(data, schema, Quantile, min_patients)
    if guidance != 1.0 and not label_dropout:
        raise ValueError("guidance needs a network trained with label_dropout above 0")
    token = -1 if label is None else label_token(codec, label)
    view = token_view(codec, token)
    if token >= 0 and label_counts is None:
        if isinstance(data, Codec):
            raise ValueError("label_counts is counted in records, and there are none here: give it")
        labels = view.to_x(codec.encode(data))["label"]
        settings["label_counts"] = tuple(np.bincount(labels).tolist())
    counts = settings["label_counts"] if token >= 0 else None

    tokens, numbers = tokens_of(codec, token), codec.sizes["number"]
    network = tabddpm_mlp(
        numbers + tokens.width,
        width=tuple(width),
        time_width=time_width,
        embedding=timestep(time_width),
        labels=len(counts) if counts else 0,
    )
    indicators = tuple(bit - (0 <= token < bit) for bit in codec.indicators)
    model_with = partial(
        tabddpm_model,
        network,
        tokens,
        numbers,
        indicators=indicators,
        timesteps=timesteps,
        sampling_steps=sampling_steps or timesteps,
        label_counts=counts,
        log_one_hot=log_one_hot,
        clip_denoised=clip_denoised,
        label_dropout=label_dropout,
        guidance=guidance,
    )
    settings["steps"] = steps = steps_for(codec, batch_size, steps, most=30_000)
    rate = optax.linear_schedule(learning_rate, 0.0, steps)
    optimizer = optax.adamw(rate, weight_decay=weight_decay)
    if not counts:
        stage = Stage("denoiser", model_with(), optimizer, steps, ema_decay)
        return Recipe("tabddpm", settings, codec, view, (stage,), batch_size)
    init, law = label_law(tokens, numbers, len(counts))
    guess = label_stage(
        init, law, split, lambda rest: _missing(rest, tokens, indicators) == 0, steps
    )
    stage = Stage(
        "denoiser",
        lambda params: model_with(label_given=partial(law, params["label"])),
        optimizer,
        steps,
        ema_decay,
    )
    return Recipe("tabddpm", settings, codec, view, (guess, stage), batch_size)


def tabddpm_process(tokens: Tokens, numbers: int, timesteps: int) -> Mixed:
    """One table of betas for the numbers and for each group of categories; times are 0, 1, ..., timesteps."""
    schedule = beta_table(cosine_betas(timesteps))
    parts: dict[str, Any] = {
        name: Multinomial(schedule, tokens.classes_of(name)) for name in tokens.groups
    }
    return Mixed({"number": Gaussian(schedule), **parts} if numbers else parts)


def tabddpm_denoiser(
    network: Network,
    params: Params,
    tokens: Tokens,
    process: Mixed,
    label: Array | None,
    *,
    log_one_hot: bool,
) -> Denoiser:
    """x_0 of the numbers, in normal scores, and logits of each group of categories."""
    numbers = "number" in process.parts

    def denoise(x: Any, t):
        t = jnp.asarray(t, float)
        hot = tokens.one_hot(x).astype(float) if tokens.groups else jnp.zeros((*_lead(x), 0))
        if log_one_hot:
            of_class = np.isin(np.arange(tokens.width), tokens.places)
            hot = jnp.where(of_class, jnp.log(jnp.maximum(hot, 1e-30)), 0.0)
        read = jnp.concatenate([x["number"], hot], axis=-1) if numbers else hot
        out: Any = network.apply(params, read, t - 1, label)  # their steps count from 0
        p = x["number"].shape[-1] if numbers else 0
        x0: dict[str, Any] = tokens.spread(out[..., p:])
        if numbers:
            x0["number"] = EPS.to_x0(process.parts["number"], out[..., :p], x["number"], t)
        return x0

    return denoise


def tabddpm_loss(
    process: Mixed,
    x0: Any,
    x0_hat: Any,
    x: Any,
    t: Array,
    timesteps: int,
    observed: Array | float = 1.0,
) -> Array:
    """Mean over numbers of (eps - eps_hat)^2, plus over categories of T KL(q(x_s | x_t, x_0) || p) + KL(x_T), per row.

    Their L_simple and variational bound (equations 6 and 7), with t one of 1 ... T for each row and s = t - 1.
    """
    total = jnp.zeros(t.shape)
    bound, columns = jnp.zeros(t.shape), 0
    for name, part in process.parts.items():
        if isinstance(part, Multinomial):
            kl = part.kl(x0[name], part.normalised(x0_hat[name]), x[name], t, t - 1)
            prior = part.prior_kl(x0[name], float(timesteps))
            # T times a KL of about 1/T, from logarithms near each other: rounding counts T-fold. A row in a batch of
            # 8 is rounded otherwise than in one of 64; they agree to 4e-5 at T = 1,000, to 2e-6 at 10.
            bound += jnp.sum(timesteps * kl + prior, axis=-1)
            columns += x0[name].shape[-1]
        else:
            weight = jnp.square(part.alpha(t) / part.sigma(t))[:, None]
            square = weight * jnp.square(x0_hat[name] - x0[name]) * observed
            total += jnp.mean(square, axis=-1)
    return total + bound / max(columns, 1)


def tabddpm_model(
    network: Network,
    tokens: Tokens,
    numbers: int,
    *,
    indicators: tuple[int, ...],
    timesteps: int,
    sampling_steps: int,
    label_counts: tuple[int, ...] | None = None,
    log_one_hot: bool = False,
    clip_denoised: bool = True,
    label_dropout: float = 0.0,
    guidance: float = 1.0,
    label_given: Callable[[Any, Any], Array] | None = None,
) -> Model:
    """The Model on the rows of `token_view`.

    label_given     (x_0, what is known of it) -> log-odds of the label, where something else is given than the label
    """
    process = tabddpm_process(tokens, numbers, timesteps)
    denoiser = partial(
        tabddpm_denoiser, network, tokens=tokens, process=process, log_one_hot=log_one_hot
    )
    # The larger variance is that of a step to the next time; over several it is far too large.
    of_numbers = fixed_large if sampling_steps == timesteps else ddim_step(1.0)
    step = in_parts(
        {name: of_numbers if name == "number" else ddim_step(1.0) for name in process.parts}
    )
    grid = partial(uniform, first=float(timesteps))
    default_grid, short_grid = grid(sampling_steps), grid(min(sampling_steps, INPAINT_STEPS))

    def loss(params: Params, key: Key, x0: Any) -> Array:
        x0, label = split(x0)
        t_key, noise_key, fill_key, label_key = jax.random.split(key, 4)
        rows = len(next(iter(x0.values())))
        t = jax.random.randint(t_key, (rows,), 1, timesteps + 1).astype(jnp.float32)
        observed: Array | float = 1.0
        if numbers:
            missing = _missing(x0, tokens, indicators)
            observed = 1.0 - missing
            fresh = jax.random.normal(fill_key, x0["number"].shape)
            x0 = {**x0, "number": jnp.where(missing > 0, fresh, x0["number"])}
        if label is not None and label_dropout:
            hidden = jax.random.bernoulli(label_key, label_dropout, label.shape)
            label = jnp.where(hidden, -1, label)
        x = process.corrupt(noise_key, x0, t)
        x0_hat = denoiser(params, label=label)(x, t)
        return tabddpm_loss(process, x0, x0_hat, x, t, timesteps, observed)

    def draw(
        params: Params,
        key: Key,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Draw:
        label_key, prior_key, path_key = jax.random.split(key, 3)
        label = None
        if label_counts:
            odds = jnp.log(jnp.maximum(jnp.array(label_counts), 1e-9))
            fixed: Any = known
            if known is not None and label_given is not None:
                odds = label_given(split(fixed.x0)[0], fixed.mask)
            label = jax.random.categorical(label_key, odds)
            if known is not None:
                label = jnp.where(fixed.mask["label"], fixed.x0["label"], label)
        denoise = denoiser(params, label=label)
        if guidance != 1.0 and label is not None:
            denoise = guided(denoise, denoiser(params, label=jnp.full_like(label, -1)), guidance)
        path, chosen = default_grid if grid is None else grid, sampler
        if known is not None:
            given: Any
            given, _ = split(known.x0)
            mask: Any = known.mask
            masks = {name: mask[name] for name in process.parts}
            chosen = inpaint(Known(given, masks, known.allowed))
            path = short_grid if grid is None else grid
        if numbers and (clip_denoised or sampler is not None):
            denoise = inside(denoise)
        shape = {
            name: (len(tokens.groups[name]),) if name != "number" else (numbers,)
            for name in process.parts
        }
        x_T: Any = process.prior(prior_key, shape, float(path[0]))
        x: Any
        x, nfe = (sequential(step) if chosen is None else chosen)(
            path_key, denoise, process, x_T, path
        )
        if numbers:
            x = {**x, "number": x["number"] / (2 * END) + 0.5}
        return Draw(x if label is None else {**x, "label": label}, nfe)

    return Model(network.init, loss, draw, grid, process=process)


def split(x: Any) -> tuple[Any, Array | None]:
    """(the parts that are diffused, with numbers in normal scores; the label)."""
    rest = {name: part for name, part in x.items() if name != "label"}
    if "number" in rest:
        rest["number"] = (rest["number"] - 0.5) * (2 * END)
    return rest, x.get("label")


def inside(denoise: Denoiser) -> Denoiser:
    """Denoised numbers held within the scale of the normal scores, as any that came from data are.

    At the first times alpha is near 0, and x_0 is the error of the noise over alpha: the first step of a cosine table
    multiplies what the network misses by 1 / sqrt(1 - .999), which is 31. The numbers that follow lie where the network
    has never been, so that it misses more, of the categories as well: missing values are lost with the numbers (Lu et
    al. 2022, section 3.4: thresholding).
    """

    def denoise_inside(x, t):
        x0: Any = denoise(x, t)
        return {**x0, "number": jnp.clip(x0["number"], -END, END)}

    return denoise_inside


def guided(denoise: Denoiser, without: Denoiser, weight: float) -> Denoiser:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6) on x_0 and on logits: affine in both."""

    def denoise_guided(x, t):
        return jax.tree.map(lambda a, b: b + weight * (a - b), denoise(x, t), without(x, t))

    return denoise_guided


def _missing(x0: Any, tokens: Tokens, indicators: tuple[int, ...]) -> Array:
    """[batch, number]: 1 where a number is missing, as its indicator (a token of two classes) says."""
    columns = []
    for bit in indicators:
        if bit < 0:
            columns.append(jnp.zeros(len(x0["number"])))
            continue
        name = next(n for n, members in tokens.groups.items() if bit in members)
        columns.append(x0[name][:, tokens.groups[name].index(bit)].astype(float))
    return jnp.stack(columns, axis=1)


def _lead(x: Any) -> tuple[int, ...]:
    return x["number"].shape[:-1]
