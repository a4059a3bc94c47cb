"""A label that is a condition of the network is drawn from its law given whatever else is given."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from jaxehr.recipes import tabddpm
from jaxehr.synthesis.recipe import Synthesizer

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
