"""Draws are kept by how likely they are: the law of what is kept, whatever is known, and that a network learns it."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.networks.tokens import Numbers
from jaxehr.recipes import masked
from jaxehr.synthesis.cells import numbers_of
from jaxehr.synthesis.recipe import DRAWN, Look, Stage, Synthesizer
from jaxehr.synthesis.sampling import LEAST, MOST, beside_draws
from jaxehr.synthesis.second_look import second_look
from jaxehr.synthesis.view import CODES, tokens_of, tokens_with
from jaxehr.training import best_of

KEY = jax.random.key(0)
SEXES, WARDS = ["F", "M", "X"], ["er", "icu", "rehab", "ward"]
# How much more often the two go together than by chance; the last is never kept, were it not for LEAST.
RATIO = np.array([[0.4, 1.6, 1.0, 1.0], [1.5, 0.5, 1.0, 1.0], [1.0, 1.0, 1.9, 0.0]])


def patients(n=3000, seed=0, ratio=RATIO):
    """[sex, ward] with the law ratio / 12, about."""
    cells = np.random.default_rng(seed).choice(12, n, p=(ratio / ratio.sum()).ravel())
    frame = {"sex": np.array(SEXES)[cells // 4], "ward": np.array(WARDS)[cells % 4]}
    return pd.DataFrame(frame)


@pytest.fixture(scope="module")
def alone():
    """Draws of two columns that know nothing of each other, at the frequencies of each."""
    recipe = masked(patients(), width=16, blocks=1, steps=10, look_steps=0)
    params = recipe.stages[0].model.init(KEY)
    return Synthesizer(recipe, {"denoiser": {**params, "say": 0 * params["say"]}})


def frequencies(alone):
    """[sex, ward] of the draws without a second look, exactly."""
    frame = patients()
    sex, ward = (
        frame[c].value_counts().reindex(names).to_numpy() + 0.5
        for c, names in (("sex", SEXES), ("ward", WARDS))
    )
    return np.outer(sex / sex.sum(), ward / ward.sum())


def looked(alone, log_ratio):
    """With a second look that knows the table [sex, ward]."""
    tokens, codec = tokens_of(alone.recipe.codec), alone.recipe.codec
    order = [
        [c.values.index(v) for v in names]
        for c, names in zip(codec.columns, (SEXES, WARDS), strict=True)
    ]
    table = np.zeros_like(log_ratio)
    table[np.ix_(*order)] = log_ratio
    assert tokens.row == (0, 1)

    def known(params, x):
        row = tokens.in_one_row(x)
        return jnp.asarray(table)[row[..., 0], row[..., 1]]

    stage = Stage("second_look", None, None, 0)
    recipe = alone.recipe._replace(look=Look(stage, known))
    return Synthesizer(recipe, {**alone.params, "second_look": {}})


def shares(frame):
    return pd.crosstab(frame["sex"], frame["ward"], normalize="all").reindex(
        index=SEXES, columns=WARDS, fill_value=0.0
    )


def near(found, law, n):
    """Within 4.5 standard errors: 1 in 150,000 by chance, for each share."""
    return (np.abs(found - law) < 4.5 * np.sqrt(law * (1 - law) / n) + 1e-9).all()


@pytest.fixture(scope="module")
def laws(alone):
    with np.errstate(divide="ignore"):
        log_ratio = np.log(RATIO * 1.2)
    law = frequencies(alone) * np.clip(RATIO * 1.2, LEAST, MOST)
    return looked(alone, log_ratio), law / law.sum()


def test_what_is_kept_has_the_law_times_the_ratio_between_its_ends(laws):
    synthesizer, law = laws
    n = 20_000
    drawn = synthesizer.sample(KEY, n, batch_size=8192)
    assert near(shares(drawn).to_numpy(), law, n)
    again = synthesizer.sample(KEY, 100, batch_size=64)  # whatever the batch
    pd.testing.assert_frame_equal(again, drawn[:100])


def test_so_it_has_given_a_value_and_where_a_cell_is_filled_in(laws):
    synthesizer, law = laws
    n = 6_000
    men = synthesizer.sample(KEY, n, given={"sex": "M"}, batch_size=8192)
    assert near(shares(men).to_numpy()[1], law[1] / law[1].sum(), n)
    gaps = pd.DataFrame({"sex": [None] * n, "ward": ["icu"] * n})
    filled = synthesizer.impute(KEY, gaps, batch_size=8192)
    assert near(shares(filled).to_numpy()[:, 1], law[:, 1] / law[:, 1].sum(), n)


def test_one_that_nobody_is_like_is_filled_in_all_the_same(alone):
    none = looked(alone, np.full((3, 4), -np.inf))
    gaps = pd.DataFrame({"sex": ["M", None], "ward": [None, "er"]})
    assert none.impute(KEY, gaps).notna().all(axis=None)


def test_a_network_learns_the_ratio_and_that_there_is_none(alone):
    """Of the draws' own law nothing is learnt that would not be by chance."""
    codec, view = alone.recipe.codec, alone.recipe.view
    tokens = tokens_of(codec)
    look = second_look(
        tokens, numbers_of(codec, tokens), width=16, blocks=1, steps=400, learning_rate=1e-2
    )
    every = pd.DataFrame(list(product(SEXES, WARDS)), columns=["sex", "ward"])
    drawer = alone._drawer()

    def learnt(frame):
        rows = view.to_x(codec.encode(frame))
        table, out = beside_draws(drawer, KEY, rows, rows, label=DRAWN)
        assert table[DRAWN].sum() * 2 == len(table[DRAWN]) == 2 * len(frame)
        options = {"steps": 400, "batch_size": 256, "ema_decay": 0.95, "held_out": out}
        best = best_of(look.stage.model, look.stage.optimizer, table, KEY, **options)
        return np.asarray(look.log_ratio(best.params, view.to_x(codec.encode(every)))).reshape(3, 4)

    real = shares(patients()).to_numpy()
    exact = np.log(np.maximum(real, 1e-9) / frequencies(alone))
    found = learnt(patients())
    there = RATIO > 0
    assert np.abs(found - exact)[there].max() < 0.25  # log of a ratio of counts of 40 and more
    assert (found[~there] < -1.5).all()
    assert np.abs(learnt(alone.sample(jax.random.key(5), 3000))).max() < 0.25


def test_a_fit_keeps_its_second_look_beside_it(tmp_path):
    """Trained on as many draws as rows, held out ones too; of few rows there is none."""
    settings = {"width": 16, "blocks": 1, "steps": 30, "batch_size": 64}
    recipe = masked(patients(), **settings)
    assert recipe.settings["look_steps"] == 30
    synthesizer = jaxehr.fit(recipe, patients(), KEY, run_dir=tmp_path / "run")
    drawn = synthesizer.sample(KEY, 50)
    pd.testing.assert_frame_equal(jaxehr.load(tmp_path / "run").sample(KEY, 50), drawn)
    synthesizer.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(jaxehr.load(tmp_path / "saved").sample(KEY, 50), drawn)
    learnt = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"stage": "second_look", "step": 30' in learnt
    few = masked(patients(500), **settings)
    assert few.settings["look_steps"] == 0 and few.look is None


def test_what_ties_a_table_to_its_codes_is_looked_at_too():
    """Cells and codes by themselves say nothing here; together they say which rows are drawn."""
    rng = np.random.default_rng(0)
    cells, bits = rng.integers(0, 3, (4000, 2)), rng.integers(0, 2, (4000, 5))
    drawn = ((cells[:, 0] == 2) ^ (bits[:, 3] == 1)).astype(np.int8)
    tokens = tokens_with([3, 3])
    look = second_look(
        tokens, Numbers(), codes=5, width=16, blocks=1, steps=300, learning_rate=1e-2
    )
    rows = {"of_4": cells.astype(np.int8), CODES: bits.astype(np.int8), DRAWN: drawn}
    params = best_of(
        look.stage.model, look.stage.optimizer, rows, KEY, steps=300, batch_size=256
    ).params
    said = np.asarray(look.log_ratio(params, jax.tree.map(jnp.asarray, rows)))
    assert ((said < 0) == (drawn == 1)).mean() > 0.98
