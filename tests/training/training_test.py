"""Training: the same numbers however the steps are cut, spread, stopped and resumed."""

import json
import os
import signal
import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxehr import denoisers
from jaxehr.losses import edm_weight, log_normal
from jaxehr.networks import fourier, mlp
from jaxehr.processes import Gaussian, edm
from jaxehr.recipes.diffusion import diffusion_model
from jaxehr.samplers import karras, probability_flow
from jaxehr.training import Diverged, Interrupted, init_state, train
from jaxehr.training.checkpoint import CheckpointError, Checkpoints
from jaxehr.training.sharding import check_batch, data_mesh, replicated
from jaxehr.training.step import make_chunk

COLUMNS, BATCH = 12, 64
KEY = jax.random.key(3)


def small_model():
    return diffusion_model(
        Gaussian(edm()),
        mlp(COLUMNS, width=(16, 16), time_width=8, embedding=fourier(4)),
        partial(denoisers.edm, sigma_data=0.4),
        columns=COLUMNS,
        times=log_normal,
        weight=edm_weight(0.4),
        sampler=probability_flow(),
        grid=partial(karras, sigma_min=0.02, sigma_max=80.0),
        steps=8,
    )


MODEL = small_model()
OPTIMIZER = optax.adamw(1e-3, weight_decay=0.0)
TABLE = (np.random.default_rng(0).random((200, COLUMNS)) < 0.2).astype(np.int8)
fit = partial(train, MODEL, OPTIMIZER, TABLE, KEY, batch_size=BATCH, steps_per_dispatch=5)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def losses(devices, lengths):
    mesh = data_mesh(jax.devices()[:devices])
    whole = replicated(mesh)
    chunk = make_chunk(MODEL, OPTIMIZER, batch_size=BATCH, ema_decay=0.99, mesh=mesh)
    state = jax.device_put(init_state(MODEL, OPTIMIZER, KEY), whole)
    key, table = jax.device_put((KEY, jnp.asarray(TABLE)), whole)
    found = []
    for length in lengths:
        state, metrics = chunk(state, key, table, length=length)
        found.append(np.asarray(metrics.loss))
    return np.concatenate(found), state, chunk


def test_eight_devices_give_the_losses_of_one():
    one, _, _ = losses(1, [60])
    eight, state, _ = losses(8, [60])
    assert len(jax.tree.leaves(state)[0].sharding.device_set) == 8
    np.testing.assert_allclose(eight, one, rtol=1e-6)


def test_steps_per_dispatch_change_no_bit_and_compile_once_each():
    whole, state, _ = losses(1, [20])
    cut, same_state, chunk = losses(1, [5, 5, 10])
    np.testing.assert_array_equal(whole, cut)
    same(state.params, same_state.params)
    assert chunk._cache_size() == 2  # of lengths 5 and 10


def test_the_state_is_donated():
    _, state, chunk = losses(1, [2])
    chunk(state, KEY, jnp.asarray(TABLE), length=2)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_a_loss_falls():
    found, _, _ = losses(1, [400])
    assert found[-50:].mean() < 0.9 * found[:50].mean()


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    unbroken = fit(steps=40)
    fit(steps=20, run=tmp_path, checkpoint_every=10)
    same(fit(steps=40, run=tmp_path, checkpoint_every=10, resume=True), unbroken)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(5, 41, 5))
    assert set(rows[0]) == {"stage", "step", "loss", "grad_norm", "records_per_s"}


def test_the_last_three_checkpoints_are_kept(tmp_path):
    fit(steps=50, run=tmp_path, checkpoint_every=10)
    checkpoints = Checkpoints(tmp_path / "checkpoints" / "model")
    assert checkpoints.steps() == [30, 40, 50]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_a_resume_goes_on(tmp_path, number):
    unbroken = fit(steps=3000)
    threading.Timer(3.0, os.kill, (os.getpid(), number)).start()
    with pytest.raises(Interrupted) as stop:
        fit(steps=10**7, run=tmp_path)
    step = stop.value.step
    assert Checkpoints(tmp_path / "checkpoints" / "model").steps()[-1] == step
    if step < 3000:
        same(fit(steps=3000, run=tmp_path, resume=True), unbroken)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good(tmp_path):
    def exploding(count):
        return jnp.where(count >= 25, jnp.inf, 1e-3)

    with pytest.raises(Diverged, match=r"step 2[67]; the last good checkpoint is step 20"):
        train(
            MODEL,
            optax.sgd(exploding),
            TABLE,
            KEY,
            steps=60,
            batch_size=BATCH,
            run=tmp_path,
            checkpoint_every=10,
            steps_per_dispatch=5,
        )
    assert Checkpoints(tmp_path / "checkpoints" / "model").steps() == [10, 20]


def test_a_flipped_bit_is_noticed_and_the_step_before_is_used(tmp_path):
    fit(steps=20, run=tmp_path, checkpoint_every=10)
    folder = tmp_path / "checkpoints" / "model" / "20" / "ema"
    largest = max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    largest.write_bytes(damaged)
    shapes = jax.eval_shape(MODEL.init, KEY)
    found = Checkpoints(tmp_path / "checkpoints" / "model").restore(shapes)
    assert found is not None and found[0] == 10


def test_checkpoints_of_another_network_are_refused(tmp_path):
    fit(steps=10, run=tmp_path)
    other = mlp(COLUMNS, width=(17, 16), time_width=8, embedding=fourier(4))
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        Checkpoints(tmp_path / "checkpoints" / "model").restore(jax.eval_shape(other.init, KEY))


def test_a_batch_that_does_not_split_is_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        check_batch(30, data_mesh())


def test_the_average_starts_quickly():
    """After one update from p to q with decay 2/11 the average is (2 p + 9 q) / 11."""
    state = init_state(MODEL, OPTIMIZER, KEY)
    before = jax.tree.leaves(state.params)[0]
    from jaxehr.training import train_step

    x0 = jnp.asarray(TABLE[:BATCH], jnp.float32)
    new, _ = train_step(state, KEY, x0, model=MODEL, optimizer=OPTIMIZER, ema_decay=0.999)
    after = jax.tree.leaves(new.params)[0]
    np.testing.assert_allclose(
        jax.tree.leaves(new.ema)[0], (2 * before + 9 * after) / 11, rtol=1e-6, atol=1e-9
    )
