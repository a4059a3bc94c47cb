"""Draws are kept by how likely they are: the law of what is kept, whatever is known, and that trees learn it."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.data import Records
from jaxehr.recipes import masked
from jaxehr.synthesis.look import DRAWN, Look, as_records
from jaxehr.synthesis.recipe import Synthesizer
from jaxehr.synthesis.sampling import drawn
from jaxehr.synthesis.second_look import LEAST, MOST, second_look
from jaxehr.synthesis.view import tokens_of

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
    recipe = masked(patients(), width=16, blocks=1, steps=10, look_trees=0)
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


def looked(alone, ratio):
    """With a second look that knows the table [sex, ward]."""
    tokens, codec = tokens_of(alone.recipe.codec), alone.recipe.codec
    order = [
        [c.values.index(v) for v in names]
        for c, names in zip(codec.columns, (SEXES, WARDS), strict=True)
    ]
    table = np.zeros_like(ratio)
    table[np.ix_(*order)] = np.clip(ratio, LEAST, MOST) / MOST
    assert tokens.row == (0, 1)

    def known(params, x):
        row = tokens.in_one_row(x)
        return jnp.asarray(table)[row[..., 0], row[..., 1]]

    recipe = alone.recipe._replace(look=Look("second_look", None, None, known))
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
    law = frequencies(alone) * np.clip(RATIO * 3, LEAST, MOST)
    return looked(alone, RATIO * 3), law / law.sum()


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


def nobody(params, x):
    return jnp.zeros(len(jax.tree.leaves(x)[0]))


def test_one_that_nobody_is_like_is_filled_in_all_the_same(alone):
    recipe = alone.recipe._replace(look=Look("second_look", None, None, nobody))
    none = Synthesizer(recipe, {**alone.params, "second_look": {}})
    gaps = pd.DataFrame({"sex": ["M", None], "ward": [None, "er"]})
    assert none.impute(KEY, gaps).notna().all(axis=None)


def log_ratio(look, params, x):
    """By the loss of a record: log(1 + 1 / r)."""
    return -np.log(np.expm1(np.asarray(look.model.loss(params, KEY, as_records(x)))))


def test_trees_learn_the_ratio_and_that_there_is_none(alone):
    """Judged on others: of the draws' own law nothing is learnt."""
    codec, view = alone.recipe.codec, alone.recipe.view
    look = second_look(codec, tokens_of(codec), trees=100)
    every = pd.DataFrame(list(product(SEXES, WARDS)), columns=["sex", "ward"])
    x = view.to_x(codec.encode(every))

    def learnt(*frames):
        sides = []
        for i, frame in enumerate(frames):
            rows = view.to_x(codec.encode(frame))
            sides.append(
                (rows, drawn(alone.drawer(), jax.random.key(i), 2 * len(frame), like=rows))
            )
        params = look.learn(0, *sides)
        said = log_ratio(look, params, x)
        most = float(params["most"])
        chance = np.clip(np.exp(said), LEAST, most) / most
        np.testing.assert_allclose(look.chance(params, x), chance, rtol=1e-3)
        return said.reshape(3, 4), most

    real = shares(patients()).to_numpy()
    exact = np.log(np.maximum(real, 1e-9) / frequencies(alone))
    found, most = learnt(patients(), patients(seed=1))
    there = RATIO > 0
    assert np.abs(found - exact)[there].max() < 0.25  # log of a ratio of counts of 40 and more
    assert (found[~there] < -1.5).all()
    assert abs(np.log(most) - exact.max()) < 0.25
    own = [alone.sample(jax.random.key(5 + i), 3000) for i in range(2)]
    found, most = learnt(*own)
    assert np.abs(found).max() < 0.1 and most < 1.1


def test_a_fit_keeps_its_second_look_beside_it(tmp_path):
    """Learnt from more draws than rows; resumed it is taken as it is; of few rows there is none."""
    settings = {"width": 16, "blocks": 1, "steps": 30, "batch_size": 64}
    recipe = masked(patients(), look_trees=20, **settings)
    synthesizer = jaxehr.fit(recipe, patients(), KEY, run_dir=tmp_path / "run")
    drawn_ = synthesizer.sample(KEY, 50)
    pd.testing.assert_frame_equal(jaxehr.load(tmp_path / "run").sample(KEY, 50), drawn_)
    synthesizer.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(jaxehr.load(tmp_path / "saved").sample(KEY, 50), drawn_)
    again = jaxehr.fit(recipe, patients(), KEY, run_dir=tmp_path / "run", resume=True)
    jax.tree.map(np.testing.assert_array_equal, again.params, synthesizer.params)
    few = masked(patients(500), **settings)
    assert few.settings["look_trees"] == 0 and few.look is None


def test_what_ties_a_table_to_its_codes_is_looked_at_too():
    """Cells and codes by themselves say nothing here; together they say which rows are drawn. So it is of cells that
    are equal, of columns of one vocabulary."""
    rng = np.random.default_rng(0)
    n, names = 4000, np.array([f"d{i}" for i in range(30)])
    static = pd.DataFrame({"subject_id": np.arange(n), "sex": rng.choice(["F", "M", "X"], n)})
    static["first"], static["second"] = rng.choice(names, n), rng.choice(names, n)
    equal = rng.random(n) < 0.5
    static.loc[equal, "second"] = static.loc[equal, "first"]
    bits = rng.integers(0, 2, (n, 5))
    who, code = np.nonzero(bits)
    records = Records(static, pd.DataFrame({"subject_id": who, "code": [f"C{c}" for c in code]}))
    recipe = masked(records, width=16, blocks=1, steps=10, look_trees=150, min_patients=1)
    x = recipe.view.to_x(recipe.codec.encode(records))
    tied = (static["sex"] == "X").to_numpy() ^ (bits[:, 3] == 1)
    for is_drawn in (tied, static["first"].eq(static["second"]).to_numpy()):
        sides = tuple(jax.tree.map(lambda part, at=at: part[at], x) for at in (~is_drawn, is_drawn))
        params = recipe.look.learn(0, sides, sides)
        said = log_ratio(recipe.look, params, x)
        assert ((said < 0) == is_drawn).mean() > 0.97
    assert DRAWN in as_records(x)


def test_what_is_lost_at_the_ends_is_made_good():
    """Of patients of the ward "er" one draw in twenty is right, so that r is 20 there and above MOST: .2 of what is
    kept would be of that ward, where .5 of the records are. More trees bring it to .29: what is above MOST stays there,
    and of the other ward less is kept."""
    rng = np.random.default_rng(0)

    def rows(n, right):
        ward = rng.choice(["er", "icu"], n)
        sign = np.where(rng.random(n) < right, "same", rng.choice([f"w{i}" for i in range(39)], n))
        return pd.DataFrame({"ward": ward, "sign": np.where(ward == "er", sign, "none")})

    real, drawn_ = rows(4000, 1.0), rows(12_000, 0.05)
    both = pd.concat([real, drawn_])
    recipe = masked(both, width=8, blocks=1, steps=10, look_trees=100, min_patients=1)
    x, codec = recipe.view.to_x, recipe.codec
    sides = [(x(codec.encode(real)), x(codec.encode(drawn_)))] * 2
    chance = np.asarray(recipe.look.chance(recipe.look.learn(0, *sides), sides[0][1]))
    er = (drawn_["ward"] == "er").to_numpy()
    assert 0.25 < chance[er].sum() / chance.sum() < 0.35
