"""A table and codes beside it, with networks that know their law by enumeration: what each is told, and when."""

from itertools import product
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax.scipy.special import logsumexp
from oracles import cell_by_cell

from jaxehr.codecs import Bins, fit_codec
from jaxehr.data import Records, long_frame
from jaxehr.processes import MASK
from jaxehr.recipes.masked import codes_model, masked_model
from jaxehr.samplers import ancestral
from jaxehr.synthesis.beside import beside
from jaxehr.synthesis.cells import path_of
from jaxehr.synthesis.recipe import Recipe, Stage, Synthesizer
from jaxehr.synthesis.view import CODES, token_view, tokens_of
from jaxehr.types import Network

KEY, CODED = jax.random.key(0), 3
STATES = np.array(list(product((0, 1), (0, 1, 2), *[(0, 1)] * CODED)))  # sex, ward, codes
SEX, WARD, NAMES = ["f", "m"], ["er", "icu", "rehab"], ["A", "F", "G"]
LAW = np.random.default_rng(3).dirichlet(0.7 * np.ones(len(STATES)))
CELLS, BITS = STATES[:, :2], STATES[:, 2:]
HELD = BITS.sum(axis=1)


def log_weight(cells, codes):
    """[..., state]: log p of each state that has these cells and codes, hidden ones being any."""
    fits = jnp.all((cells[..., None, :] == MASK) | (cells[..., None, :] == CELLS), axis=-1)
    fits &= jnp.all((codes[..., None, :] == MASK) | (codes[..., None, :] == BITS), axis=-1)
    return jnp.where(fits, jnp.log(LAW), -70.0)


def by(states, k, log_w):
    """[..., class]: log p of each class of what is [state]."""
    return logsumexp(
        jnp.where(np.eye(k, dtype=bool)[states].T, log_w[..., None, :], -80.0), axis=-1
    )


@pytest.fixture(scope="module")
def exact():
    """The Model, whose only parameters are tilts of what is said, by what is told: zeros are the truth."""
    records = drawn_by_law(2000)
    codec = fit_codec(records, None, Bins, min_patients=1)
    tokens = tokens_of(codec, codes=False)
    assert tokens.classes == (2, 3) and tokens.row == (0, 1) and codec.codes == tuple(NAMES)

    def cells_said(params, row, t=None):
        codes = jnp.broadcast_to(params.get("told", MASK), (*row.shape[:-1], CODED)).astype(int)
        log_w, out = log_weight(row, codes), jnp.full((*row.shape[:-1], tokens.width), -1e3)
        tilt = params["tilt"][jnp.arange(CODED), codes + 1].sum(-2)
        out = out.at[..., tokens.firsts[0] + np.arange(2)].set(by(CELLS[:, 0], 2, log_w))
        return out.at[..., tokens.firsts[1] + np.arange(3)].set(by(CELLS[:, 1], 3, log_w) + tilt)

    def codes_said(params, x, left):
        log_w = log_weight(params["told"], x)
        hidden = (x == MASK)[..., None, :] & (BITS == 1)
        counts = (left[..., None] < 0) | (hidden.sum(-1) == left[..., None])
        log_f = jnp.where(counts, log_w, -70.0)[..., None]
        first = jax.nn.one_hot(jnp.argmax(hidden, -1), CODED) * hidden.any(-1)[..., None]
        tilt = params["tilt"][jnp.arange(CODED), x + 1].sum(-2)
        return logsumexp(jnp.where(first > 0, log_f, -80.0), -2), by(HELD, CODED + 1, log_w) + tilt

    start = lambda key: {"tilt": jnp.zeros((CODED, 3, 3))}
    numbers = lambda key: {"tilt": jnp.zeros((CODED, 3, CODED + 1)), "first_bias": jnp.zeros(CODED)}
    as_it_is = Network(lambda key: {}, lambda params, x: x.astype(float))
    path, network = path_of(codec, tokens), cell_by_cell(cells_said, tokens)._replace(init=start)
    table = masked_model(network, tokens, path, places=0, steps=2)
    codes = codes_model(Network(numbers, codes_said))
    model = beside(table, codes, tokens, as_it_is, as_it_is)
    view = token_view(codec, numbers=False, listed=True)
    recipe = Recipe("masked", {}, codec, view, (Stage("denoiser", model, None, 0),), 1)  # type: ignore[arg-type]
    return SimpleNamespace(model=model, drawn=Synthesizer(recipe, {"denoiser": model.init(KEY)}))


def drawn_by_law(n):
    rows = STATES[np.random.default_rng(5).choice(len(STATES), n, p=LAW)]
    static = pd.DataFrame({"subject_id": np.arange(n)}).assign(
        sex=np.array(SEX)[rows[:, 0]], ward=np.array(WARD)[rows[:, 1]]
    )
    return Records(static, long_frame(rows[:, 2:], np.arange(n), NAMES))


def states_of(records):
    """The number of each record's state."""
    held = pd.crosstab(records.events["subject_id"], records.events["code"]) > 0
    held = held.reindex(index=records.static["subject_id"], columns=NAMES, fill_value=False)
    sex, ward = records.static["sex"], records.static["ward"]
    cells = 3 * sex.map(SEX.index).to_numpy() + ward.map(WARD.index).to_numpy()
    return 8 * cells + held.to_numpy() @ [4, 2, 1]


def off(states, fits):
    """Chi-square's chance that as many of each state come of the law, of those that fit."""
    from scipy.stats import chi2

    expected = np.where(fits, LAW, 0.0) / LAW[fits].sum() * len(states)
    counts = np.bincount(states, minlength=len(STATES))
    assert counts[~fits].sum() == 0
    distance = ((counts - expected)[fits] ** 2 / expected[fits]).sum()
    return chi2.sf(distance, max(fits.sum() - 1, 1))


CONDITIONS = [{}, {"sex": "m"}, {"F": 1}, {"A": 0, "G": 1, "ward": "icu"}]


@pytest.mark.parametrize("given", CONDITIONS, ids=str)
def test_drawn_by_the_law_of_both_given_what_is_known(exact, given):
    """4,000 draws: a chi-square is beyond by chance once in a million runs. All 48 states: laws of pairs are in it."""
    columns = {"sex": np.array(SEX)[CELLS[:, 0]], "ward": np.array(WARD)[CELLS[:, 1]]}
    columns |= {name: BITS[:, j] for j, name in enumerate(NAMES)}
    fits = np.all([np.ones(48, bool), *(np.isin(columns[k], v) for k, v in given.items())], axis=0)
    drawn = exact.drawn.sample(jax.random.key(1), 4000, given=given)
    assert off(states_of(drawn), fits) > 1e-6


def test_a_table_is_filled_in_by_all_codes(exact):
    """Each row given its own codes and sex: of the wards drawn, those of each (sex, codes) by their law."""
    records = drawn_by_law(4000)
    gaps = Records(records.static.assign(ward=None), records.events)
    filled = exact.drawn.impute(jax.random.key(2), gaps)
    assert off(states_of(Records(filled.static, records.events)), np.ones(48, bool)) > 1e-6


def test_the_samplers_of_the_table_may_be_swapped(exact):
    """The chain of the process shows cells by chance, two at a step at times: a long grid has the law."""
    params, grid = exact.drawn.params["denoiser"], np.linspace(1, 0, 65)
    one = lambda key: exact.model.draw(params, key, sampler=ancestral(), grid=grid)
    x, nfe = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(3), 2000))
    states = 24 * x["of_2"][:, 0] + 8 * x["of_4"][:, 0] + x[CODES] @ np.array([4, 2, 1])
    assert off(np.asarray(states), np.ones(48, bool)) > 1e-6
    np.testing.assert_array_equal(nfe, 64 + 1 + x[CODES].sum(axis=1))


def test_no_law_is_learnt_with_a_bias(exact):
    """At the truth the loss has no slope in any direction, though ones are told of more often than zeros.

    200 batches: each of 63 slopes within 5 standard errors of 0, by chance once in 28,000.
    """
    rng = np.random.default_rng(7)
    rows = STATES[rng.choice(len(STATES), (200, 256), p=LAW)]
    x0 = {"of_2": rows[..., :1], "of_4": rows[..., 1:2], CODES: rows[..., 2:].astype(np.int8)}
    params = exact.model.init(KEY)

    def slope(key, x0):
        return jax.grad(lambda p: exact.model.loss(p, key, x0).mean())(params)

    found = jax.lax.map(lambda at: slope(*at), (jax.random.split(KEY, 200), x0))
    for part in ("table", "codes"):
        slopes = np.asarray(found[part]["tilt"])
        errors = slopes.std(axis=0) / np.sqrt(len(slopes))
        assert (
            (errors > 0).any(axis=(0, 2)).all()
        )  # whether a code is hidden, known to be absent, or there
        assert (np.abs(slopes.mean(axis=0)) < 5 * errors + 1e-9).all(), part
