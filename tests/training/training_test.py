"""Training: the same numbers however the steps are cut, spread, stopped and resumed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
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
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import Layout, diffusion_model
from jaxehr.training import Diverged, Interrupted, init_state, train
from jaxehr.training.checkpoint import CheckpointError, Checkpoints
from jaxehr.training.sharding import mesh_of, replicated
from jaxehr.training.step import make_chunk
from jaxehr.types import Model

COLUMNS, BATCH = 12, 64
KEY = jax.random.key(3)


def small_model():
    return diffusion_model(
        Gaussian(edm()),
        mlp(COLUMNS, width=(16, 16), time_width=8, embedding=fourier(4)),
        partial(denoisers.edm, sigma_data=0.4),
        layout=Layout(0, COLUMNS, (), (), np.zeros((2, 0)), np.zeros((2, 0))),
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


def losses(lengths):
    """Of consecutive dispatches; also the state after them, and the program."""
    chunk = make_chunk(MODEL, OPTIMIZER, batch_size=BATCH, ema_decay=0.99, mesh=mesh_of())
    state, table, found = init_state(MODEL, OPTIMIZER, KEY), jnp.asarray(TABLE), []
    state = jax.device_put(state, replicated(mesh_of()))
    for length in lengths:
        state, metrics = chunk(state, KEY, table, length=length)
        found.append(np.asarray(metrics.loss))
    return np.concatenate(found), state, chunk


def test_steps_per_dispatch_change_no_bit_and_compile_once_each():
    whole, state, _ = losses([20])
    cut, same_state, chunk = losses([5, 5, 10])
    np.testing.assert_array_equal(whole, cut)
    same(state.params, same_state.params)
    assert chunk._cache_size() == 2  # of lengths 5 and 10


def test_the_state_is_donated():
    _, state, chunk = losses([2])
    chunk(state, KEY, jnp.asarray(TABLE), length=2)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_a_loss_falls():
    """To what is known of independent bits: knowing nothing costs 1, the denoiser of this law costs less."""
    found, _, _ = losses([1500])
    print(found[:50].mean(), found[-50:].mean())
    assert found[-200:].mean() < 0.9 * found[:20].mean()


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    unbroken = fit(steps=40)
    fit(steps=20, run=tmp_path, checkpoint_every=10)
    same(fit(steps=40, run=tmp_path, checkpoint_every=10, resume=True), unbroken)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(5, 41, 5))
    assert set(rows[0]) - {"peak_bytes"} == {
        "stage",
        "step",
        "loss",
        "grad_norm",
        "step_s",
        "records_per_s",
    }


def test_the_last_three_checkpoints_are_kept(tmp_path):
    fit(steps=50, run=tmp_path, checkpoint_every=10)
    checkpoints = Checkpoints(tmp_path / "checkpoints" / "model")
    assert checkpoints.steps() == [30, 40, 50]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_a_resume_goes_on(tmp_path, number, request):
    # A job in the background ignores SIGINT.
    before = signal.signal(number, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(number, before))

    def send_when_under_way():
        log = tmp_path / "metrics.jsonl"
        while not log.exists() or not log.read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=send_when_under_way, daemon=True).start()
    with pytest.raises(Interrupted) as stop:
        fit(steps=10**7, run=tmp_path)
    step = stop.value.step
    assert Checkpoints(tmp_path / "checkpoints" / "model").steps() == [step]
    same(fit(steps=step + 20, run=tmp_path, resume=True), fit(steps=step + 20))


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


def test_a_step_that_is_not_finite_is_left_out_where_that_is_asked_for(tmp_path):
    """Of every third batch, by its noise, the loss is NaN; the others alone move the parameters."""
    bad = lambda key: jax.random.uniform(jax.random.fold_in(key, 9)) < 0.3
    slope = lambda key: jnp.where(bad(key), jnp.nan, 1.0)
    model = Model(
        lambda key: {"w": jnp.zeros(2)},
        lambda p, key, x0: x0[:, 0] * 0 + p["w"].sum() * slope(key),
        None,
    )
    options = {"steps": 40, "batch_size": 8, "steps_per_dispatch": 20, "ema_decay": 0.0}
    found = train(model, optax.sgd(1.0), TABLE, KEY, run=tmp_path, skip_nonfinite=True, **options)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    skipped = sum(row["skipped"] for row in rows)
    assert 3 < skipped < 30  # of 40 with .3: 1 in 10,000 seeds is outside
    np.testing.assert_array_equal(found["w"], -(40.0 - skipped))
    with pytest.raises(Diverged, match="not finite at step"):
        train(model, optax.sgd(1.0), TABLE, KEY, **options)
    never = model._replace(loss=lambda p, key, x0: x0[:, 0] + p["w"].sum() * jnp.nan)
    with pytest.raises(Diverged, match="not finite at step 1;"):
        train(never, optax.sgd(1.0), TABLE, KEY, skip_nonfinite=True, **options)


def test_checkpoints_come_by_minutes_too(tmp_path):
    """With none to wait for, after every dispatch of 5 steps."""
    fit(steps=20, run=tmp_path, checkpoint_every=100, checkpoint_minutes=0.0)
    assert Checkpoints(tmp_path / "checkpoints" / "model").steps() == [10, 15, 20]


def test_a_flipped_bit_is_noticed_and_the_step_before_is_used(tmp_path):
    """Ten places in the payload of step 2; Orbax alone restores wrong values from them and says nothing."""
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=100_000).astype(np.float32)}
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, params)
        checkpoints.wait()
    files = [p for p in (tmp_path / "2" / "ema").rglob("*") if p.is_file()]
    payload = max(files, key=lambda p: p.stat().st_size)
    whole = payload.read_bytes()
    for place in rng.integers(len(whole) // 4, 3 * len(whole) // 4, 10):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        payload.write_bytes(damaged)
        found = Checkpoints(tmp_path).restore(params)
        assert found is not None and found[0] == 1
    payload.write_bytes(whole)
    assert Checkpoints(tmp_path).restore(params)[0] == 2


def test_checkpoints_of_another_network_are_refused(tmp_path):
    fit(steps=10, run=tmp_path)
    other = mlp(COLUMNS, width=(17, 16), time_width=8, embedding=fourier(4))
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        Checkpoints(tmp_path / "checkpoints" / "model").restore(jax.eval_shape(other.init, KEY))


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


def test_a_disk_without_room_is_said_before_training_and_keeps_the_last_good(tmp_path, monkeypatch):
    fit(steps=10, run=tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk())
    with pytest.raises(CheckpointError, match=r"MiB and .* has 0 MiB left; free some space"):
        fit(steps=20, run=tmp_path, resume=True)
    monkeypatch.undo()
    same(fit(steps=20, run=tmp_path, resume=True), fit(steps=20))


class Disk:
    free = 100


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from jaxehr.training.checkpoint import CheckpointError, Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
params = {"w": np.random.default_rng(0).normal(size=100_000)}
checkpoints.save(1, params)
checkpoints.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    checkpoints.save(2, params)
    checkpoints.wait()
except CheckpointError as error:
    print(error)
checkpoints.close()
"""


def test_a_disk_that_ends_the_writing_is_one_line_and_leaves_the_step_before(tmp_path):
    """Met by TensorStore's writers, in threads of their own: no page of tracebacks, and what they began is cleared."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.strip().splitlines()
    assert line.startswith("the ") and line.endswith("(File too large); make room and --resume")
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2.orbax-checkpoint-tmp"}
    params = {"w": np.random.default_rng(0).normal(size=100_000)}
    found = Checkpoints(tmp_path).restore(params)
    assert found is not None and found[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1"}


def test_a_trace_is_of_the_dispatches_that_have_a_step_of_the_window(tmp_path, monkeypatch, capsys):
    """Dispatches are of five steps: of 4 to 9 the first two, of 16 to 18 the last, of 20 and later none."""
    happened = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda at: happened.append(at))
    read = lambda: [json.loads(line)["step"] for line in open(tmp_path / "a" / "metrics.jsonl")]
    begin, steps = tmp_path / "a" / "profile" / "model", []
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: steps.append(read()[-1]))
    fit(steps=20, run=tmp_path / "a", profile=(4, 10))
    assert happened == [begin] and steps == [10]
    fit(steps=20, run=tmp_path / "b", profile=(16, 19))
    assert happened[1:] == [tmp_path / "b" / "profile" / "model"]
    fit(steps=20, run=tmp_path / "c", profile=(20, 30))
    assert len(happened) == 2 and "nothing was traced" in "".join(capsys.readouterr())


def test_a_trace_is_written_and_its_steps_are_timed(tmp_path):
    fit(steps=10, run=tmp_path, profile=(0, 99))
    assert list((tmp_path / "profile" / "model").rglob("*.xplane.pb"))
    lines = [json.loads(line) for line in open(tmp_path / "metrics.jsonl")]
    assert all(line["step_s"] > 0 for line in lines)
