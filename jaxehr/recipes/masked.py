"""Masked diffusion of tables and of codes: a recipe of ours, on the absorbing process of Austin et al. (2021).

Composition     Everything is a category. Of numbers the frequent values are classes of their own, the others lie in 32
                bins of equal frequency, each split into 32 finer ones, with a draw inside; a missing value is a class.
                A residual MLP sees which cells are hidden and the others' values, and gives logits that start at each
                column's log-frequencies. Loss: the bound of masked diffusion (Shi et al. 2024; Sahoo et al. 2024),
                as many cells hidden in every record. Draws show the cells in an order drawn for each record.
Why             What is rare is a logit like any other, and is not rounded away; spikes, missing values and their
                patterns are classes; a condition, or a cell to be filled in, needs no approximation, since the network
                learns every column given any others.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import MIN_PATIENTS, Bins, Codec, codec_of
from jaxehr.data import Records, Schema
from jaxehr.networks import token_network
from jaxehr.numerics import in_float32
from jaxehr.processes import Masked, Mixed, hide
from jaxehr.samplers import restricted, shown_first, uniform, unmasking
from jaxehr.synthesis.recipe import Recipe, Stage, steps_for
from jaxehr.synthesis.view import Tokens, token_view, tokens_of
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Model, Network, Params, Sampler


@in_float32
def masked(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    width: int = 512,
    blocks: int = 4,
    embedding: int = 16,
    steps: int | None = None,
    batch_size: int = 512,
    learning_rate: float = 1e-3,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    ema_decay: float = 0.999,
    sampling_steps: int | None = None,
) -> Recipe:
    """Masked diffusion, ours: tables with missing values and rare codes, exact conditions, 32 to 64 evaluations.

    data                training records, or the codec of an earlier fit
    min_patients        who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    width, blocks       of the residual MLP; `embedding` numbers stand for a category
    steps               by default as many as the records need, at most 20,000
    warmup              steps in which the rate rises; by default a twentieth. It falls to 0 by a cosine after that
    sampling_steps      of a draw; by default 32 for tables, 64 with codes, but no more than there are columns
    """
    settings: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("data", "schema")}
    codec = codec_of(data, schema, Bins, min_patients)
    tokens, view = tokens_of(codec), token_view(codec, numbers=False)
    start = (
        log_frequencies(tokens, view.to_x(codec.encode(data)), min_patients)
        if not isinstance(data, Codec)
        else None
    )
    network = token_network(
        [tokens.classes[j] for j in tokens.row],
        outputs=tokens.width,
        width=width,
        blocks=blocks,
        embedding=embedding,
        start=start,
    )
    most = 64 if codec.codes else 32
    model = masked_model(
        network,
        tokens,
        places=codec.sizes["number"],
        steps=min(sampling_steps or most, len(tokens.classes)),
    )
    settings["steps"] = steps = steps_for(codec, batch_size, steps, most=20_000)
    warmup = steps // 20 if warmup is None else warmup
    rate = optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup, steps)
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=weight_decay)
    )
    stage = Stage("denoiser", model, optimizer, steps, ema_decay)
    return Recipe("masked", settings, codec, view, (stage,), batch_size)


def masked_model(network: Network, tokens: Tokens, *, places: int, steps: int) -> Model:
    """The Model on the rows of `token_view` without numbers; a draw has `places` uniform ones, for inside the bins."""
    process = Mixed({name: Masked(tokens.classes_of(name)) for name in tokens.groups})
    columns, own_sampler = len(tokens.classes), unmasking()
    default_grid = uniform(steps)

    def denoise_with(params: Params) -> Denoiser:
        return lambda x, t: tokens.spread(network.apply(params, in_one_row(tokens, x)))

    def loss(params: Params, key: Key, x0: Any) -> Array:
        rows = len(next(iter(x0.values())))
        t_key, hide_key = jax.random.split(key)
        # As many rows at every share of hidden cells: t is stratified over the batch.
        t = (jnp.arange(rows) + jax.random.uniform(t_key, (rows,))) / rows
        x, hidden = hide(hide_key, x0, t)
        logits: Any = denoise_with(params)(x, t)
        share = hidden / columns
        bounds = [
            part.bound(x0[n], logits[n], x[n], share).sum(-1) for n, part in process.parts.items()
        ]
        return sum(bounds) / columns

    def draw(
        params: Params,
        key: Key,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Draw:
        path_key, place_key = jax.random.split(key)
        denoise, shape = denoise_with(params), {n: (len(m),) for n, m in tokens.groups.items()}
        x_T: Any = process.prior(path_key, shape, 1.0)
        place = jax.random.uniform(place_key, (places,))
        if known is not None:
            denoise = restricted(denoise, known)
            x0: Any = known.x0
            mask: Any = known.mask
            x_T = {n: jnp.where(mask[n], x0[n], part) for n, part in x_T.items()}
            if known.narrow is not None:
                first_key = jax.random.fold_in(key, 2)
                x_T = shown_first(first_key, denoise, process, x_T, known.narrow)
            if places:
                place = jnp.where(mask["number"], x0["number"], place)
        path = default_grid if grid is None else grid
        x, nfe = (own_sampler if sampler is None else sampler)(
            path_key, denoise, process, x_T, path
        )
        return Draw({**x, "number": place} if places else x, nfe)

    return Model(network.init, loss, draw, uniform, process=process, narrows=True)


def in_one_row(tokens: Tokens, x: Any) -> Array:
    """The categories of all groups side by side."""
    return jnp.concatenate([x[name].astype(jnp.int32) for name in tokens.groups], axis=-1)


def log_frequencies(tokens: Tokens, x0: Any, least: int = 1) -> np.ndarray:
    """Of all classes in the places of `tokens`, each counted half a time more than it was seen.

    least   rows that a class which was seen counts as at least, at the cost of the most frequent one: a run holds these
            numbers, and none of them tells of fewer patients
    """
    found = [np.zeros(k) for k in tokens.classes]
    for name, members in tokens.groups.items():
        for i, j in enumerate(members):
            counts = np.bincount(x0[name][:, i], minlength=tokens.classes[j])
            raised = np.where(counts > 0, np.maximum(counts, least), 0)
            raised[counts.argmax()] -= (raised - counts).sum()
            shares = np.maximum(raised, 0) + 0.5
            found[j] = np.log(shares / shares.sum())
    row = np.zeros(tokens.width, np.float32)
    row[tokens.places] = np.concatenate(found)
    return row
