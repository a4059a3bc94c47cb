"""A label that is a condition of the network is drawn from its law given whatever else is given."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from jaxehr.codecs import Quantile, codec_of
from jaxehr.recipes import tabddpm
from jaxehr.synthesis.label import (
    label_drawn,
    label_law,
    label_stage,
    label_token,
    row_cells,
    token_cells,
)
from jaxehr.synthesis.label_view import labelled_layout, labelled_view
from jaxehr.synthesis.recipe import Synthesizer
from jaxehr.synthesis.view import token_view, tokens_of

KEY = jax.random.key(0)


def risk(age):
    return 1 / (1 + np.exp(-(np.asarray(age, float) - 70) / 5))


@pytest.fixture(scope="module")
def synthesizer():
    """The label's law trained, and a denoiser that is not: what is given says all there is to say."""
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, 3000)
    sex = rng.choice(["f", "m"], 3000)
    death = rng.random(3000) < risk(age)
    frame = pd.DataFrame({"age": age, "sex": sex, "death": death})
    frame.loc[::10, "sex"] = None
    recipe = tabddpm(frame, label="death", steps=600, timesteps=4, width=(8,))
    stage, table = recipe.stages[0], recipe.view.to_x(recipe.codec.encode(frame))
    model = stage.model

    def step(carry, key):
        params, state = carry
        rows = jax.random.randint(key, (256,), 0, 3000)
        batch = jax.tree.map(lambda part: jnp.asarray(part)[rows], table)
        grads = jax.grad(lambda p: model.loss(p, key, batch).mean())(params)
        moves, state = stage.optimizer.update(grads, state, params)
        return (optax.apply_updates(params, moves), state), None

    params = model.init(KEY)
    start = (params, stage.optimizer.init(params))
    (params, _), _ = jax.jit(lambda c: jax.lax.scan(step, c, jax.random.split(KEY, stage.steps)))(
        start
    )
    denoiser = recipe.stages[1].model({"label": params})
    return Synthesizer(recipe, {"label": params, "denoiser": denoiser.init(KEY)})


def test_a_label_that_is_missing_is_drawn_from_its_law(synthesizer):
    """Within .06 for what 600 steps miss, and 4 standard errors: 1 in 16,000 each."""
    age = np.repeat([30, 60, 70, 75, 85], 400)
    frame = pd.DataFrame({"age": age, "sex": np.resize(["f", "m"], 2000), "death": [None] * 2000})
    filled = synthesizer.impute(KEY, frame, batch_size=2000)
    assert (filled["age"] == age).all()
    for a in (30, 60, 70, 75, 85):
        p = risk(a)
        found = filled["death"][age == a].astype(bool).mean()
        assert abs(found - p) < 0.06 + 4 * np.sqrt(p * (1 - p) / 400)
    # Neither sex nor a missing age says anything: what is left is the label's frequency.
    frame["age"] = np.nan
    filled = synthesizer.impute(KEY, frame, batch_size=2000)
    p = risk(np.arange(20, 90)).mean()
    assert abs(filled["death"].astype(bool).mean() - p) < 0.05 + 4 * np.sqrt(p * (1 - p) / 2000)


def test_a_label_beside_a_condition_has_its_law_too_and_alone_its_frequencies(synthesizer):
    drawn = synthesizer.sample(KEY, 1000, given={"age": 85})
    assert (drawn["age"] == 85).all()
    assert abs(drawn["death"].mean() - risk(85)) < 0.06 + 4 * np.sqrt(0.95 * 0.05 / 1000)
    assert synthesizer.sample(KEY, 20, given={"age": 85, "death": False})["death"].sum() == 0
    counts = np.array(synthesizer.recipe.settings["label_counts"])
    p = counts[1] / counts.sum()
    assert abs(synthesizer.sample(KEY, 2000)["death"].mean() - p) < 4 * np.sqrt(p * (1 - p) / 2000)


def rows_view(codec, token):
    view = labelled_view(codec, token, even=True)
    return view, row_cells(labelled_layout(codec, token, even=True))


def tokens_view(codec, token):
    return token_view(codec, token), token_cells(tokens_of(codec, token))


@pytest.mark.parametrize("seen", [rows_view, tokens_view])
def test_a_label_to_be_filled_in_is_never_the_missing_one(seen):
    """By either view of a record. Nothing is learnt: all classes are as likely."""
    rng = np.random.default_rng(0)
    ward = pd.Series(rng.choice(["icu", "er"], 400)).where(rng.random(400) < 0.5)
    frame = pd.DataFrame({"age": rng.integers(20, 90, 400), "ward": ward})
    codec = codec_of(frame, None, Quantile)
    view, cells = seen(codec, label_token(codec, "ward"))
    init, law = label_law(cells, 3)
    params = jax.tree.map(jnp.zeros_like, init(KEY))
    drawn = jax.vmap(label_drawn((1, 1, 1), lambda x, known: law(params, x, known)))
    wish, known = (view.known(of) for of in (codec.known(frame[["age"]]), codec.known_of(frame)))
    labels = np.asarray(drawn(jax.random.split(KEY, 400), wish))
    assert set(labels) == {0, 1, 2}
    parts = codec.encode(frame)
    filled = view.of_x(
        {**view.to_x(parts), "label": np.asarray(drawn(jax.random.split(KEY, 400), known))}
    )
    assert codec.cells(filled)["ward"].notna().all()


@pytest.mark.parametrize("seen", [rows_view, tokens_view])
def test_the_law_of_a_label_reads_what_is_known_and_nothing_else(seen):
    """Whatever stands in a cell that is hidden, or missing, it reads the same; of one that is known it does not."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(400) < 0.3, np.nan, rng.integers(20, 90, 400)),
            "ward": pd.Series(rng.choice(["icu", "er", "rehab"], 400)).where(rng.random(400) < 0.7),
            "sex": rng.choice(["f", "m"], 400),
            "death": rng.random(400) < 0.3,
        }
    )
    codec = codec_of(frame, None, Quantile)
    view, cells = seen(codec, label_token(codec, "death"))
    stage = label_stage(*label_law(cells, 2), cells, 10)
    x = view.to_x(codec.encode(frame))
    assert np.isfinite(stage.model.loss(stage.model.init(KEY), KEY, x)).all()
    known = {
        name: np.asarray(mask) for name, mask in cells.shown(KEY, x, np.full((400, 1), 0.5)).items()
    }
    read = np.asarray(cells.read(x, known))
    other = {name: np.asarray(x[name])[::-1] for name in known}
    mixed = {name: np.where(known[name], x[name], other[name]) for name in known}
    np.testing.assert_array_equal(cells.read({**x, **mixed}, known), read)
    assert (cells.read({**x, **other}, known) != read).any()
    all_of_it = cells.shown(KEY, x, np.ones((400, 1)))
    assert (
        sum(int((~np.asarray(mask)).sum()) for mask in all_of_it.values())
        == frame["age"].isna().sum()
    )
