"""Courses: how it sees a series, and that what it denoises is the posterior mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxehr.codecs import fit_codec
from jaxehr.codecs.numbers import Quantile
from jaxehr.data import Records, Schema
from jaxehr.losses import log_normal
from jaxehr.networks import course_network, fourier
from jaxehr.recipes.courses import courses_model
from jaxehr.samplers import karras
from jaxehr.synthesis.carried import carried_layout, carried_places, carried_view
from jaxehr.synthesis.view import Layout
from jaxehr.types import Network


def stays():
    """Five hours of a pulse: of the first patient in the second and the fourth, of the others in all."""
    rows = [(1, 1, 50.0), (1, 3, 90.0)]
    rows += [(i, h, 40.0 + 7 * i + h) for i in range(2, 14) for h in range(5)]
    frame = pd.DataFrame(rows, columns=["subject_id", "hour", "numeric_value"])
    start = pd.Timestamp("2021-01-01").as_unit("us")
    frame["time"] = start + pd.to_timedelta(frame.pop("hour"), "h").dt.as_unit("us")
    events = frame.assign(code="HR")[["subject_id", "time", "code", "numeric_value"]]
    ids = np.arange(1, 14)
    sex = pd.DataFrame({"subject_id": ids, "sex": np.where(ids % 3 == 0, "f", "m")})
    records = Records(sex, events)
    schema = Schema.infer(records).on_grid(records, every="1h", length=5, start="2021-01-01")
    return records, fit_codec(records, schema, Quantile, 1)


def test_what_is_not_measured_stands_at_the_last_value_before_it_and_comes_back_as_not_measured():
    records, codec = stays()
    parts, view = codec.encode(records), carried_view(codec)
    row = view.to_x(parts)
    pulse = [i for i, name in enumerate(codec.names["number"]) if name.startswith("HR, step")]
    assert len(pulse) == 5
    first = row[0, pulse]
    assert first[0] == first[1] == first[2] and first[3] == first[4] != first[0]
    np.testing.assert_allclose(row[1:, pulse].mean() * 2 - 1, 0, atol=0.2)
    back = codec.decode(view.of_x(row))
    assert len(back.events) == len(records.events)
    pd.testing.assert_series_equal(
        back.events["numeric_value"], records.events["numeric_value"], check_exact=False
    )


def test_each_step_reads_its_own_entries_and_the_static_table():
    _, codec = stays()
    places, layout = carried_places(codec), carried_layout(codec)
    names = [*codec.names["number"], *codec.names["bit"]]
    names += [f"same, step {step}" for step in range(1, 6)]
    for step, columns in enumerate(places, 1):
        said = {names[j] for j in columns if j < layout.numbers + layout.bits}
        assert f"same, step {step}" in said
        assert all(f"step {step}" in name or name.startswith("sex") for name in said)
    assert set(places.ravel()) == set(range(layout.columns))


def test_what_is_denoised_is_the_posterior_mean():
    """A number N(0, 1) beside a bit of chance 1/4 and a category of 1/2, 1/3, 1/6, all independent, by a network that
    says the true log odds: E[x | x_t] in closed form."""
    layout = Layout(1, 1, (3,), (-1,), np.array([[0.5], [0.5]]), np.array([[0.0], [1.0]]))
    chances = np.array([1 / 2, 1 / 3, 1 / 6])
    said = jnp.array([0.0, np.log(1 / 3), *np.log(chances)])
    network = Network(lambda key: {}, lambda params, x, t: jnp.broadcast_to(said, x.shape))
    model = courses_model(
        network,
        layout,
        often=np.ones(layout.columns, int),
        levels=log_normal,
        weight_of_bits=1.0,
        grid=lambda n: karras(n, sigma_min=0.02),
        sampling_steps=4,
    )
    x, t = jnp.array([[0.3, -0.4, 0.2, -0.9, 0.5]]), jnp.array([0.8])
    found = np.asarray(model.dynamics({}).denoise(x, t))[0]
    near = lambda at, mean: np.exp(-((at - mean) ** 2) / (2 * 0.8**2))
    one, zero = 0.25 * near(-0.4, 1), 0.75 * near(-0.4, -1)
    weight = [
        p * np.prod([near(float(x[0, 2 + i]), 1.0 if i == k else -1.0) for i in range(3)])
        for k, p in enumerate(chances)
    ]
    expected = [0.3 / (1 + 0.8**2), (one - zero) / (one + zero)]
    expected += [2 * w / sum(weight) - 1 for w in weight]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_is_drawn_varies_as_the_data_do():
    """Numbers N(0, 1) beside bits of chance 1/16, by a network that says the true posterior: over 40,000 of each the
    variance has a standard error of .007 and the rate of .0012, and 4.5 of these pass by chance once in 70,000.
    DDPM's chain has a variance of .82."""
    layout = Layout(10, 10, (), (-1,) * 10, np.full((2, 10), 0.5), np.array([[0.0], [1.0]]))
    said = jnp.array([0.0] * 10 + [np.log(1 / 15)] * 10)
    network = Network(lambda key: {}, lambda params, x, t: jnp.broadcast_to(said, x.shape))
    options: dict = {
        "often": np.ones(layout.columns, int),
        "levels": log_normal,
        "weight_of_bits": 1.0,
        "sampling_steps": 50,
    }
    model = courses_model(network, layout, grid=lambda n: karras(n, sigma_min=0.02), **options)
    keys = jax.random.split(jax.random.key(0), 4000)
    found = jax.vmap(lambda key: model.draw({}, key))(keys)
    assert int(found.nfe[0]) == 50
    number, bit = np.split(np.asarray(found.x), 2, axis=-1)
    np.testing.assert_allclose((2 * number - 1).var(), 1.0, atol=0.04 + 4.5 * 0.007)
    np.testing.assert_allclose((bit > 0.5).mean(), 1 / 16, atol=4.5 * 0.0012)


def test_the_loss_is_least_at_the_true_odds():
    """Cross-entropy is proper: of a bit of chance 1/4 the log odds of 1/4 lose to no other, by 20,000 bits."""
    layout = Layout(0, 1, (), (), np.zeros((2, 0)), np.zeros((2, 0)))

    def loss(odds):
        network = Network(lambda key: {}, lambda p, x, t: jnp.full(x.shape, odds))
        options: dict = {
            "often": np.ones(layout.columns, int),
            "levels": log_normal,
            "weight_of_bits": 1.0,
            "sampling_steps": 4,
        }
        model = courses_model(network, layout, grid=lambda n: karras(n), **options)
        bits = (jnp.arange(20_000) % 4 == 0).astype(jnp.float32)[:, None]
        return float(model.loss({}, jax.random.key(0), bits).mean())

    true, off = np.log(1 / 3), 0.5
    assert loss(true) < min(loss(true - off), loss(true + off))


def test_what_is_not_measured_weighs_a_fifth():
    layout = Layout(2, 1, (), (0, -1), np.full((2, 2), 0.5), np.array([[0.0] * 2, [1.0] * 2]))
    network = Network(lambda key: {}, lambda p, x, t: jnp.zeros_like(x))
    options: dict = {
        "often": np.ones(layout.columns, int),
        "levels": log_normal,
        "weight_of_bits": 0.0,
        "sampling_steps": 4,
    }
    model = courses_model(network, layout, grid=lambda n: karras(n), **options)
    rows = jnp.array([[0.9, 0.5, 0.0], [0.9, 0.5, 1.0]])
    each = lambda i: model.loss({}, jax.random.key(0), jnp.repeat(rows[i : i + 1], 4000, 0)).mean()
    second = lambda i: model.loss(
        {}, jax.random.key(0), jnp.repeat(rows[i : i + 1].at[:, 0].set(0.5), 4000, 0)
    ).mean()
    assert each(1) < each(0) and second(1) < second(0)
    off = lambda i: float(each(i) - second(i))
    np.testing.assert_allclose(off(1) / off(0), 0.2, rtol=1e-3)


def test_a_layer_hears_of_every_step_and_of_the_time():
    stands = np.array([2, -1, -1])  # the last feature says so of the first
    network = course_network(stands, width=8, layers=1, embedding=fourier(4))
    params, apply = jax.jit(network.init)(jax.random.key(0)), jax.jit(network.apply)
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(2, 6, 3)), jnp.float32)
    assert not apply(params, x, jnp.ones(2)).any()  # nothing is said at first
    params = jax.tree.map(lambda p: p + 0.3 * rng.normal(size=p.shape).astype(np.float32), params)
    said = lambda x, t: np.asarray(apply(params, x, jnp.asarray(t)))
    plain = said(x, [1.0, 1.0])
    for step in (0, 5):
        other = said(x.at[:, step].add(1.0), [1.0, 1.0])
        assert (np.abs(other - plain).max(axis=-1) > 1e-4).all()
    later = said(x, [1.0, 2.0])
    np.testing.assert_array_equal(later[0], plain[0])
    assert (np.abs(later[1] - plain[1]).max(axis=-1) > 1e-4).all()


def test_a_column_counts_as_often_as_it_is_said():
    """Two bits that are said alike: where one is said at three steps, it has three quarters of the loss."""
    layout = Layout(0, 2, (), (), np.zeros((2, 0)), np.zeros((2, 0)))
    network = Network(lambda key: {}, lambda p, x, t: jnp.full(x.shape, 2.0))
    rows = jnp.repeat(jnp.array([[1.0, 0.0]]), 20_000, 0)

    def loss(often):
        options: dict = {
            "often": np.array(often),
            "levels": lambda key, shape: jnp.full(shape, 9.0),
        }
        options |= {"weight_of_bits": 1.0, "sampling_steps": 4}
        model = courses_model(network, layout, grid=lambda n: karras(n), **options)
        return float(model.loss({}, jax.random.key(0), rows).mean())

    alike, first, second = loss([1, 1]), loss([1, 0]), loss([0, 1])
    assert second > first + 1
    np.testing.assert_allclose(alike, (first + second) / 2, rtol=1e-5)
    np.testing.assert_allclose(loss([3, 1]), (3 * first + second) / 4, rtol=1e-5)
