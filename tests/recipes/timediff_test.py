"""TIMEDIFF: what its network sees of a series, and what is learnt and drawn of the numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Number, fit_codec
from jaxehr.data import Records, Schema
from jaxehr.recipes import timediff
from jaxehr.recipes.tabddpm import tabddpm_process
from jaxehr.recipes.timediff import step_places, timediff_model
from jaxehr.synthesis.view import token_view, tokens_of, tokens_with
from jaxehr.types import Network

TIMESTEPS = 50
VITALS = ("DBP", "HR", "MBP", "RR", "SBP", "SpO2", "Temp")


def stays(n=20, hours=3):
    """Whole hours of the seven numbers of MIMIC-III, a tenth of them missing but in the first and the last hour."""
    rows = [
        (i, hour, name, 60.0 + 10 * j + i % 7 + hour)
        for i in range(n)
        for hour in range(hours)
        for j, name in enumerate(VITALS)
        if hour in (0, hours - 1) or (i + j) % 10
    ]
    events = pd.DataFrame(rows, columns=["subject_id", "hour", "code", "numeric_value"])
    start = pd.Timestamp("2021-01-01").as_unit("us")
    events["time"] = start + pd.to_timedelta(events.pop("hour"), "h").dt.as_unit("us")
    static = pd.DataFrame({"subject_id": range(n), "died": np.arange(n) % 3 == 0})
    records = Records(static, events[["subject_id", "time", "code", "numeric_value"]])
    return records, Schema.infer(records).on_grid(records, "1h", length=hours, start="2021-01-01")


def test_on_the_shapes_of_mimic_iii_it_is_the_authors_network():
    """Seven numbers with a bit each, and a label: 7 + 2 * 8 = 23 features a step, 92 units, 676,959 parameters."""
    model = timediff(*stays(), min_patients=1, steps=1).stages[-1].model
    shapes = jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0)))
    assert sum(np.prod(x.shape, dtype=int) for x in shapes) == 676_959


def test_a_step_is_its_own_entries_and_the_static_table():
    codec = fit_codec(*stays(), Number, 1)
    tokens = tokens_of(codec)
    names = [*codec.names["number"], *[""] * tokens.width]
    for place, name in zip(tokens.places, np.repeat(codec.names["bit"], 2), strict=True):
        names[codec.sizes["number"] + place] = name
    places = step_places(codec, tokens)
    for step, row in enumerate(places, 1):
        bits = [f"{name} is missing, step {step}" for name in VITALS] + ["died is True"]
        read = [names[j] for j in row]
        assert sorted(read[:7]) == [f"{name}, step {step}" for name in VITALS]
        assert sorted(read[7:]) == sorted(2 * bits)
    assert set(places.ravel()) == {j for j, name in enumerate(names) if name}


def test_a_number_that_is_missing_stands_at_the_mean_and_is_learnt():
    """If it had no part in the loss, records that have nothing else would not move the network."""
    records, schema = stays()
    recipe = timediff(records, schema, min_patients=1, hidden=2, layers=1, steps=1, loss_lambda=0.0)
    codec, model = recipe.codec, recipe.stages[-1].model
    parts = codec.encode(records)
    missing = parts["bit"][:, list(codec.indicators)] == 1
    assert missing.sum() == 14
    mean = np.broadcast_to(codec.scales[0], missing.shape)
    np.testing.assert_allclose(parts["number"][missing], mean[missing], rtol=1e-6)

    parts["bit"][:, list(codec.indicators)] = 1
    x = jax.tree.map(jnp.asarray, token_view(codec).to_x(parts))
    params = model.init(jax.random.key(0))
    loss = lambda params: jnp.mean(model.loss(params, jax.random.key(1), x))
    slope = jax.jit(jax.grad(loss))(params)
    assert (jnp.abs(slope["head"]["bias"][:7]) > 1e-4).all()


@pytest.mark.parametrize(("said", "drawn"), [(0.25, 0.25), (1.7, 1.0)])
def test_numbers_are_noised_from_minus_1_to_1_and_denoised_ones_held_there(said, drawn):
    """A network that knows the one value there is has no loss, and its chain ends there."""
    tokens = tokens_with((2,), indicators=(-1,))
    process = tabddpm_process(tokens, TIMESTEPS).parts["number"]

    def apply(params, x, t):
        alpha, sigma = (of(t + 1)[..., None] for of in (process.alpha, process.sigma))
        eps = (x[..., :1] - alpha * (2 * said - 1)) / sigma
        return jnp.concatenate([eps, jnp.zeros((*x.shape[:-1], tokens.width))], axis=-1)

    network = Network(lambda key: {}, apply)
    model = timediff_model(
        network, tokens, timesteps=TIMESTEPS, sampling_steps=TIMESTEPS, loss_lambda=0.0
    )
    name = next(iter(tokens.groups))
    x = {"number": jnp.full((64, 1), said), name: jnp.zeros((64, 1), int)}
    assert jnp.mean(model.loss({}, jax.random.key(0), x)) < 1e-9
    keys = jax.random.split(jax.random.key(1), 16)
    numbers = jax.jit(jax.vmap(lambda key: model.draw({}, key).x["number"]))(keys)
    np.testing.assert_allclose(numbers, drawn, atol=1e-6)
