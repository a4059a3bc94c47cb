"""Rows held out: never learnt from, and the best step on them is what is kept."""

import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import jaxehr
from jaxehr.synthesis.steps import steps_for
from jaxehr.training import best_of
from jaxehr.training.checkpoint import Checkpoints
from jaxehr.training.held_out import TIMES, held_out_loss, split_rows
from jaxehr.training.sharding import mesh_of
from jaxehr.types import Model

KEY = jax.random.key(5)
rng = np.random.default_rng(0)
# Rows of pure noise: all that can be learnt of them is the mean, and then the rows themselves.
TABLE, OUT = (rng.normal(size=(n, 16)).astype(np.float32) for n in (40, 200))


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def regression() -> Model:
    """Half a row given the other half: with more features than rows it learns these by heart."""

    def init(key):
        first, second = jax.random.split(key)
        return {
            "w": jax.random.normal(first, (8, 400)),
            "v": jax.random.normal(second, (400, 8)) * 0.04,
        }

    def loss(params, key, x0):
        noisy = x0[:, :8] + 0.1 * jax.random.normal(key, (len(x0), 8))
        guess = jnp.tanh(noisy @ params["w"]) @ params["v"]
        return jnp.square(guess - x0[:, 8:]).mean(-1)

    return Model(init, loss, lambda *_, **__: None)


MODEL = regression()


def learn(**options):
    options = {
        "steps": 400,
        "batch_size": 32,
        "ema_decay": 0.9,
        "steps_per_dispatch": 10,
        **options,
    }
    return best_of(MODEL, optax.adam(3e-3), TABLE, KEY, held_out=OUT, **options)


def rows_of(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_the_step_that_is_best_on_rows_held_out_is_kept_and_training_ends(tmp_path):
    best = learn(run=tmp_path)
    judged = {row["step"]: row["held_out"] for row in rows_of(tmp_path) if "held_out" in row}
    assert min(judged, key=judged.get) == best.step < 400
    assert best.loss == pytest.approx(judged[best.step])
    assert max(judged) == best.step + 5 * 400 // TIMES  # a quarter of the steps later
    stored = Checkpoints(tmp_path / "checkpoints" / "model").restore(best.params)
    same(stored[1], best.params)  # what is drawn from
    unjudged = best_of(
        MODEL, optax.adam(3e-3), TABLE, KEY, steps=best.step, batch_size=32, ema_decay=0.9
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        unjudged.params,
        best.params,
    )


def test_a_resumed_run_keeps_the_same_step_and_one_that_ended_is_left_alone(tmp_path):
    unbroken = learn(run=tmp_path, checkpoint_every=30)
    before = rows_of(tmp_path)
    same(learn(run=tmp_path, checkpoint_every=30, resume=True).params, unbroken.params)
    assert rows_of(tmp_path) == before

    folder = tmp_path / "checkpoints" / "model"
    for step in Checkpoints(folder).steps()[1:]:
        shutil.rmtree(folder / str(step))
    resumed = learn(run=tmp_path, checkpoint_every=30, resume=True)
    same(resumed.params, unbroken.params)
    assert (resumed.step, resumed.loss) == (unbroken.step, pytest.approx(unbroken.loss))
    assert [r["step"] for r in rows_of(tmp_path)] == [r["step"] for r in before]


def test_rows_held_out_are_a_tenth_and_are_in_one_part_only():
    table = {"a": np.arange(1000), "b": np.arange(2000).reshape(1000, 2)}
    learnt, out = split_rows(table, KEY, 0.1)
    assert out is not None and len(out["a"]) == 100
    assert sorted([*learnt["a"], *out["a"]]) == list(range(1000))
    np.testing.assert_array_equal(out["b"][:, 0], 2 * out["a"])
    assert not set(out["a"]) == set(split_rows(table, jax.random.key(6), 0.1)[1]["a"])
    assert split_rows(np.arange(999), KEY, 0.1)[1] is None
    assert split_rows(table, KEY, 0.0) == (table, None)
    with pytest.raises(ValueError, match=r"from 0 to 0.5; got 0.9"):
        split_rows(table, KEY, 0.9)


def test_the_loss_held_out_is_that_of_all_rows_with_the_same_noise_each_time():
    loss = held_out_loss(MODEL, KEY, OUT, batch_size=50, mesh=mesh_of())
    params = MODEL.init(jax.random.key(1))
    assert loss(params) == loss(params)
    each = [
        MODEL.loss(params, jax.random.fold_in(KEY, i), OUT[np.arange(50 * i, 50 * i + 50) % 200])
        for i in range(82)  # 4,096 losses at least
    ]
    assert loss(params) == pytest.approx(float(np.mean(each)), rel=1e-5)


def test_of_many_rows_held_out_some_are_drawn_from_all_of_them():
    """The loss is the row's place in the file, from 0 to 1: the mean of 16,384 of 65,536 is .5 but for a standard
    deviation of sqrt(1/12 (1 - 1/4) / 16,384) = .002; that of the earliest is .125. False alarms: 1 in 15,000."""
    place = Model(lambda key: {}, lambda params, key, x0: x0[:, 0], lambda *_, **__: None)
    table = np.linspace(0, 1, 65_536, dtype=np.float32)[:, None]
    judged = lambda key, n: held_out_loss(place, key, table[:n], batch_size=64, mesh=mesh_of())({})
    assert judged(KEY, 65_536) == pytest.approx(0.5, abs=4 * 0.002)
    assert judged(KEY, 65_536) == judged(KEY, 65_536) != judged(jax.random.key(6), 65_536)
    assert judged(KEY, 16_384) == pytest.approx(float(table[:16_384].mean()), rel=1e-4)


@pytest.fixture(scope="module")
def patients():
    n = 1_200
    age = rng.integers(20, 90, n)
    return pd.DataFrame(
        {"age": age, "old": np.where(age > 60, "yes", "no"), "bmi": rng.normal(27, 4, n).round(1)}
    )


def small(patients, steps=60):
    return jaxehr.masked(patients, width=16, blocks=1, steps=steps, batch_size=64, look_trees=0)


def losses(path):
    return [row["loss"] for row in rows_of(path)]


def test_nothing_is_learnt_from_rows_held_out(patients, tmp_path):
    """Other values in these rows leave every loss of training as it was; other values elsewhere do not."""
    recipe = small(patients)
    key = jax.random.key(0)
    out = split_rows(np.arange(len(patients)), jax.random.fold_in(key, 1), 0.1)[1]
    shuffled = patients.copy()
    shuffled.loc[out] = patients.loc[out[::-1]].to_numpy()
    shuffled = shuffled.astype(patients.dtypes)
    others = patients.iloc[::-1].reset_index(drop=True)
    for name, data in {"a": patients, "b": shuffled, "c": others}.items():
        jaxehr.fit(recipe, data, key, run_dir=tmp_path / name)
    assert losses(tmp_path / "a") == losses(tmp_path / "b") != losses(tmp_path / "c")
    jaxehr.fit(recipe, patients, key, run_dir=tmp_path / "all", holdout=0.0)
    assert losses(tmp_path / "a") != losses(tmp_path / "all")
    assert "held_out" not in rows_of(tmp_path / "all")[-1]
    with pytest.raises(jaxehr.synthesis.run.RunError, match=r"begun with holdout = 0.1, not 0.0"):
        jaxehr.fit(recipe, patients, key, run_dir=tmp_path / "a", holdout=0.0, resume=True)


def test_a_last_fit_on_all_rows_takes_as_many_steps_as_were_best(patients, tmp_path):
    recipe, key = small(patients), jax.random.key(0)
    refitted = jaxehr.fit(recipe, patients, key, run_dir=tmp_path, refit=True)
    judged = {r["step"]: r["held_out"] for r in rows_of(tmp_path) if "held_out" in r}
    (stage,) = recipe.stages
    direct = best_of(
        stage.model,
        stage.optimizer,
        recipe.view.to_x(recipe.codec.encode(patients)),
        jax.random.fold_in(key, 0),
        steps=min(judged, key=judged.get),
        batch_size=64,
        ema_decay=stage.ema_decay,
    )
    same(refitted.params["denoiser"], direct.params)
    same(jaxehr.load(tmp_path).params["denoiser"], direct.params)


def test_of_a_last_fit_on_all_rows_nothing_is_said_of_rows_held_out(patients, tmp_path):
    """It learnt these too: no figure tells what it remembers, with a second look or without one."""
    look = {"width": 16, "blocks": 1, "steps": 10, "batch_size": 64, "look_trees": 4}
    for name, recipe in {
        "plain": small(patients),
        "looked": jaxehr.masked(patients, **look),
    }.items():
        asked = []
        audit = lambda *_, asked=asked: asked.append(1) or {"auc": 0.5}
        run, key = tmp_path / name, jax.random.key(0)
        jaxehr.fit(recipe, patients, key, run_dir=run, refit=True, audit=audit)
        assert not asked and jaxehr.synthesis.run.remembers(run) is None


def test_steps_follow_the_records(patients):
    codec = small(patients).codec
    assert steps_for(codec, 1_200, None, most=50_000) == 2_000
    assert steps_for(codec, 10, None, most=50_000) == 150 * 120
    assert steps_for(codec, 10, None, most=5_000) == 5_000
    assert steps_for(codec, 10, 7, most=5_000) == 7


def test_a_network_far_too_large_for_the_rows_is_said_and_so_are_epochs(patients, capsys):
    few = patients[:100]
    jaxehr.fit(jaxehr.masked(few, width=64, blocks=1, steps=5, batch_size=50), few, KEY)
    said = " ".join(capsys.readouterr().err.split())
    assert "5 steps of 50 (2.5 epochs)" in said
    assert re.search(r"[\d,]+ parameters for [\d,]+ values can learn the records by heart", said)
