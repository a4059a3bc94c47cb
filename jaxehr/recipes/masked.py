"""Masked diffusion of tables and of codes: a recipe of ours, on the absorbing process of Austin et al. (2021).

Composition     Everything is a category. Of numbers the frequent values are classes of their own, the others lie in 32
                bins of equal frequency, each split into 32 finer ones, with a draw inside; a missing value is a class.
                A residual MLP sees which cells are hidden and the others' values, of numbers also where they lie, and
                gives logits; those of a number's classes are what a mixture of logistic densities has in them, and a
                logit each. The densities lie about where the other numbers say, by regressions that start at those of
                the training rows (synthesis.regressions). What is seen reaches the logits directly too, through few
                numbers (low rank), which start at how often classes go together there (synthesis.associations).
Loss            The bound of masked diffusion (Shi et al. 2024; Sahoo et al. 2024), as many rows at every number of
                hidden cells. In three rows of four what is seen is a beginning of the order in which draws show cells
                (as Uria et al. 2014 train for one order and for all), in the others any cells.
Draws           A cell a step, in the order of the columns, and finer halves of numbers then. A step adds what it shows
                to the input of the network, and asks it for its own cells alone (synthesis.along).
Second look     Trees learn to tell the records from draws. By them a part of the draws is kept, those more often of
                which there are too few (synthesis.second_look).
Codes           As a list of those that are there: how many, the first, the next (processes.listed), so that a patient
                with 5 of them takes 6 evaluations, and none is drawn independently of another. Beside a table they
                have a network of their own, which reads the whole table (synthesis.beside).
Why             What is rare is a logit like any other, and is not rounded away; spikes, missing values and their
                patterns are classes; a condition, or a cell to be filled in, needs no approximation, since the network
                learns every column given any others.
"""

import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array

from jaxehr.codecs import MIN_PATIENTS, Bins, Codec, codec_of
from jaxehr.data import Records, Schema, listed
from jaxehr.networks import TokenNetwork, cell_reader, code_network, code_reader, token_network
from jaxehr.numerics import in_float32
from jaxehr.processes import MASK, Masked, Mixed, Path
from jaxehr.processes.listed import Says, bound
from jaxehr.processes.listed import listed as in_turn
from jaxehr.samplers import restricted, uniform
from jaxehr.synthesis.along import along_path
from jaxehr.synthesis.associations import associations
from jaxehr.synthesis.beside import beside
from jaxehr.synthesis.cells import numbers_of, path_of, stand_ins
from jaxehr.synthesis.draws import noise_to_data, shown
from jaxehr.synthesis.encoded import encoded, log_frequencies, log_numbers
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.regressions import regressions
from jaxehr.synthesis.second_look import second_look
from jaxehr.synthesis.steps import ema_decay_for, steps_for
from jaxehr.synthesis.view import CODES, Tokens, token_view, tokens_of, tokens_with
from jaxehr.training.held_out import FEWEST
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Model, Network, Params, Sampler

log = logging.getLogger(__name__)

LEFT_OUT, OTHER = "left out", "other"


@in_float32
def masked(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    width: int = 256,
    blocks: int = 3,
    rank: int | None = None,
    along: float = 0.75,
    steps: int | None = None,
    batch_size: int = 256,
    learning_rate: float | None = None,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    ema_decay: float | None = None,
    sampling_steps: int | None = None,
    rare: str = LEFT_OUT,
    look_trees: int | None = None,
) -> Recipe:
    """Masked diffusion, ours: tables with missing values, rare codes, exact conditions; at most 64 evaluations a draw.

    data                training records, or the codec of an earlier fit
    min_patients        who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    width, blocks       of the residual MLP
    rank                of what is said of what is seen without a hidden layer; by default 128 for 64,000 rows, and
                        half of it for a quarter of them
    learning_rate       by default 1.5e-3 for 100,000 rows and more, and half of it for a quarter of them: few rows are
                        soon known by heart
    ema_decay           of the parameters' average; by default over a twentieth of the steps, at most 1,000
    along               share of the training rows that are shown in the order of draws
    steps               by default 40 epochs, 600 steps to 20,000, of codes alone at most 2,500; below 1,000 rows, where
                        none are held out by which training could end, 75: with more, rows are known by heart
    warmup              steps in which the rate rises; by default a twentieth. It falls to 0 by a cosine after that
    rare                what becomes of the values that fewer patients have, which are learnt as one, 'other': "left
                        out", so that a draw has that value only where it is asked for, or "other", as often as learnt
    look_trees          of a second look, at most, by which a draw is kept or another made (synthesis.second_look);
                        by default 400; 0, which is none, for codes alone, and where no rows are held out
    sampling_steps      of a draw; by default 64, but no more than there are cells: then one is shown a step
    """
    codec = codec_of(data, schema, Bins, min_patients)
    if rare not in (LEFT_OUT, OTHER):
        raise ValueError(f"rare is {LEFT_OUT!r} or {OTHER!r}; got {rare!r}")
    apart = stand_ins(codec) if rare == LEFT_OUT else {}
    tokens = tokens_of(codec, codes=False)
    view = token_view(codec, numbers=False, listed=True, rare=apart)
    alone = not tokens.classes  # codes, and no table beside them
    size = np.sqrt(codec.rows)
    rank = int(np.clip(size / 2, 8, 128)) if rank is None else rank
    x, rows = None, None
    if not isinstance(data, Codec):
        x, rows = encoded(data, codec, view, "the start of the network")
        _say_what_is_left_out(tokens, apart, x)
    shape = {"width": width, "blocks": blocks, "rank": rank}
    table = codes = None
    if not alone:
        path = path_of(codec, tokens)
        table = masked_model(
            _token_network(codec, tokens, path, x, min_patients, shape),
            tokens,
            path,
            places=codec.sizes["number"],
            steps=min(sampling_steps or MOST_STEPS, len(tokens.classes)),
            along=along,
            allowed=tokens.without(apart.values()),
        )
    if codec.codes:
        codes = codes_model(_code_network(len(codec.codes), x, min_patients, shape))
    model: Any = table or codes
    if table and codes:
        model = beside(table, codes, tokens, *_readers(codec, tokens, width + rank))
    most = 2_500 if alone else 20_000
    enough = codec.rows >= FEWEST  # to hold some out, by which training ends
    epochs, fewest = JUDGED if enough else UNJUDGED
    steps = steps_for(codec, batch_size, steps, most=most, epochs=epochs, fewest=fewest)
    if learning_rate is None and alone:
        learning_rate = 2e-3
    if learning_rate is None:
        learning_rate = float(np.clip(4.75e-6 * size, 2e-4, 1.5e-3))
    if ema_decay is None:
        ema_decay = ema_decay_for(steps)
    rise = steps // 20 if warmup is None else warmup
    rate = optax.warmup_cosine_decay_schedule(0.0, learning_rate, rise, steps)
    adam = optax.adamw(rate, weight_decay=weight_decay)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), adam)
    stage = Stage("denoiser", model, optimizer, steps, ema_decay)
    if look_trees is None:
        look_trees = LOOK_TREES if enough and not alone else 0
    look = second_look(codec, tokens, trees=look_trees) if look_trees else None
    return recipe_of(masked, locals(), codec, view, stage, rows=rows, look=look)


def _say_what_is_left_out(tokens: Tokens, apart: dict[str, tuple[int, int]], x: Any) -> None:
    if not apart:
        return
    row, columns = np.array(tokens.row), tokens.side_by_side(x)
    share = {
        name: float((columns[:, np.flatnonzero(row == token)[0]] == k).mean())
        for name, (token, k) in apart.items()
    }
    most = sorted(share, key=lambda name: -share[name])
    log.warning(
        "values too rare to be learnt are in no draw, nor is 'other' in their place (but with --set rare=other): "
        "%s of the rows have one",
        listed(f"'{name}' {100 * share[name]:.2g}%" for name in most),
    )


def _token_network(
    codec: Codec, tokens: Tokens, path: Path, x: Any, least: int, shape: dict[str, int]
) -> TokenNetwork:
    """Started at what goes with what in the rows x, where there are any."""
    start, numbers = None, numbers_of(codec, tokens)
    if x is not None:
        finer = tuple(tokens.row[i] for i, _ in path.after)
        frequency = log_frequencies(tokens, x, least)
        start = associations(tokens, x, frequency, rank=shape["rank"], least=least, without=finer)
        if numbers.coarse:
            start = start._replace(pairs=regressions(numbers, tokens.side_by_side(x)))
    return token_network(
        [tokens.classes[j] for j in tokens.row],
        places=tokens.firsts,
        outputs=tokens.width,
        numbers=numbers,
        start=start,
        **shape,
    )


def _code_network(codes: int, x: Any, least: int, shape: dict[str, int]) -> Network:
    """Started at how frequent each code, and each number of codes, is in the rows x, where there are any."""
    start = None
    if x is not None:
        tokens = tokens_with([2] * codes)
        (name,) = tokens.groups
        often = log_frequencies(tokens, {name: x[CODES]}, least)[tokens.places][1::2]
        start = often, log_numbers(x[CODES], least)
    return code_network(codes, start=start, **shape)


def _readers(codec: Codec, tokens: Tokens, outputs: int) -> tuple[Network, Network]:
    """What the network of the codes is told of the cells, and that of the cells of the codes: added to what it sees."""
    classes = [tokens.classes[j] for j in tokens.row]
    cells = cell_reader(classes, outputs, numbers=numbers_of(codec, tokens))
    return cells, code_reader(len(codec.codes), outputs)


LOOK_TREES = 400  # of a second look, where nobody chose
# Epochs, but at least so many steps: where rows are held out, and where none are.
JUDGED, UNJUDGED = (40, 600), (75, 60)
MOST_STEPS = 64  # of a draw, where nobody chose
NEAR = 8.0  # cells: of a row that is shown in the order of draws, those that come next count most


def masked_model(
    network: TokenNetwork,
    tokens: Tokens,
    path: Path,
    *,
    places: int,
    steps: int,
    along: float = 0.75,
    allowed: dict[str, np.ndarray] | None = None,
) -> Model:
    """The Model on the rows of `token_view` without numbers; a draw has `places` uniform ones, for inside the bins.

    allowed     as in Known, of a draw of which nothing is known
    """
    process = Mixed({name: Masked(tokens.classes_of(name)) for name in tokens.groups})

    def denoise_with(params: Params) -> Denoiser:
        return lambda x, t: tokens.spread(network.apply(params, tokens.in_one_row(x)))

    def loss(params: Params, key: Key, x0: Any) -> Array:
        rows = len(next(iter(x0.values())))
        hidden, counts = path.hidden(key, rows, along=along, near=NEAR)
        hide, weight = tokens.by_group(hidden), tokens.by_group(counts)
        x = {name: jnp.where(hide[name], MASK, part) for name, part in x0.items()}
        logits: Any = denoise_with(params)(x, 1.0)
        bounds = [
            (weight[n] * part.bound(x0[n], logits[n], x[n], 1.0)).sum(-1)
            for n, part in process.parts.items()
        ]
        return sum(bounds)

    def draw(params: Params, key: Key, *, known: Known | None = None, **asked: Any) -> Draw:
        path_key, place_key, first_key = jax.random.split(key, 3)
        held = Known({}, {}, allowed) if known is None else known
        own = along_path(network, tokens, path, params, held.allowed)
        walk = noise_to_data(
            process,
            tokens.shapes,
            sampler=own,
            grid=uniform,
            steps=steps,
            hold=shown(own),
            held_steps=steps,
        )
        believe = restricted(denoise_with(params), held)
        x, nfe, _ = walk((first_key, path_key), believe, known=known, **asked)
        if not places:
            return Draw(x, nfe)
        place: Any = jax.random.uniform(place_key, (places,))
        if known is not None:
            given: Any = known
            place = jnp.where(given.mask["number"], given.x0["number"], place)
        return Draw({**x, "number": place}, nfe)

    return Model(network.init, loss, draw, uniform, process=process, narrows=True)


def codes_model(network: Network) -> Model:
    """The Model of codes: how many a patient has, and which, each given those before (processes.listed)."""

    def says_with(params: Params) -> Says:
        return lambda x, left: network.apply(params, x, left)

    def loss(params: Params, key: Key, x0: Any) -> Array:
        return bound(says_with(params), key, x0[CODES])

    def draw(
        params: Params,
        key: Key,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Draw:
        if sampler is not None or grid is not None:
            raise ValueError(
                "masked draws codes one after another, as many evaluations as there are; it has no sampler to swap"
            )
        given: Any = known
        codes = params["first_bias"].shape[0]
        hidden = jnp.full(codes, MASK)
        x = hidden if known is None else jnp.where(given.mask[CODES], given.x0[CODES], hidden)
        found, calls = in_turn(says_with(params), key, x)
        return Draw({CODES: found}, calls)

    return Model(network.init, loss, draw)
