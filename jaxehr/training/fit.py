"""The training loop: everything around the pure step that a long run on real machines needs."""

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import jax
import numpy as np
import optax

from jaxehr.training.checkpoint import Checkpoints
from jaxehr.training.progress import duration, progress
from jaxehr.training.sharding import check_batch, data_mesh, replicated
from jaxehr.training.step import State, init_state, make_chunk, rows_of
from jaxehr.types import Key, Model, Params, X


class Diverged(RuntimeError):
    """The loss or a gradient is not finite; the message says where and what to try."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: the run was saved at `step` and can be resumed."""

    def __init__(self, step: int):
        super().__init__(f"stopped at step {step:,}")
        self.step = step


def train(
    model: Model,
    optimizer: optax.GradientTransformation,
    table: X,
    key: Key,
    *,
    steps: int,
    batch_size: int,
    ema_decay: float = 0.999,
    name: str = "model",
    run: Path | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    steps_per_dispatch: int | None = None,
    devices=None,
) -> Params:
    """Trains `model` on the rows of `table` and returns the averaged parameters.

    table               [n, column], or a dict of such; kept whole on each device in its own dtype (int8 for codes)
    run                 folder for checkpoints/<name> and metrics.jsonl; None keeps nothing
    resume              continue from the newest whole checkpoint in `run`
    checkpoint_every    steps; by default a tenth of all
    steps_per_dispatch  K of the scan; by default as many as make a dispatch last about a second

    Raises Diverged, Interrupted, CheckpointError; ValueError for a batch that does not split over the devices.
    """
    mesh = data_mesh(devices)
    check_batch(batch_size, mesh)
    whole = replicated(mesh)
    init_key, run_key = jax.random.split(key)
    state = jax.jit(lambda k: init_state(model, optimizer, k), out_shardings=whole)(init_key)
    chunk = make_chunk(model, optimizer, batch_size=batch_size, ema_decay=ema_decay, mesh=mesh)
    length = min(steps_per_dispatch or _steps_per_dispatch(state.params, batch_size), steps)
    every = checkpoint_every or length * -(-steps // (10 * length))

    with ExitStack() as stack:
        checkpoints = None
        if run is not None:
            checkpoints = Checkpoints(run / "checkpoints" / name)
            stack.callback(checkpoints.close)
            if resume:
                state = _restored(checkpoints, state, whole)
            checkpoints.check_room((state.ema, _rest(state)))
        start = int(state.step)
        if start >= steps:
            return state.ema
        log = stack.enter_context(_metrics_log(run, name, start))
        stopping = stack.enter_context(_signals())

        run_key, table = jax.device_put((run_key, table), whole)
        program = _compiler(chunk, state, run_key, table)
        k = min(length, every - start % every, steps - start)
        compiled, compile_s = program(k)
        _estimate(compiled, compile_s, state, run_key, table, steps - start, k, name)
        advance = stack.enter_context(progress(name, steps, start=start))

        step, began = start, time.monotonic()
        while step < steps:
            k = min(length, every - step % every, steps - step)
            state, metrics = program(k)[0](state, run_key, table)
            loss, grad_norm = np.asarray(metrics.loss), np.asarray(metrics.grad_norm)
            _check_finite(loss, grad_norm, step, checkpoints)
            step += k
            rate = (step - start) * batch_size / (time.monotonic() - began)
            log(step, float(loss.mean()), float(grad_norm.mean()), rate)
            advance(step, loss=f"{loss.mean():.4f}", records_per_s=f"{rate:,.0f}")
            stop = stopping()
            if checkpoints and (step % every == 0 or step == steps or stop):
                checkpoints.save(step, state.ema, _rest(state))
            if stop and step < steps:
                if checkpoints:
                    checkpoints.wait()
                raise Interrupted(step)
        if checkpoints:
            checkpoints.wait()
    return state.ema


def _compiler(chunk, state: State, key, table):
    """program(k) -> (the compiled dispatch of k steps, the seconds it took); each k is compiled once."""
    shapes = _shapes(state)

    @functools.cache
    def program(k: int):
        began = time.monotonic()
        compiled = chunk.lower(shapes, key, table, length=k).compile()
        return compiled, time.monotonic() - began

    return program


def _shapes(state: State) -> State:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )


def _rest(state: State) -> dict:
    """What a resumed run needs beside the average."""
    return {"params": state.params, "opt_state": state.opt_state, "step": state.step}


def _restored(checkpoints: Checkpoints, state: State, sharding) -> State:
    shapes = _shapes(state)
    found = checkpoints.restore(shapes.ema, _rest(shapes))
    if found is None:
        return state
    step, ema, rest = found
    checkpoints.set_aside_after(step)
    # A copy: what Orbax returns may share memory that donation must not take.
    return jax.tree.map(lambda x: jax.device_put(np.array(x), sharding), State(ema=ema, **rest))


def _steps_per_dispatch(params: Params, batch_size: int) -> int:
    """About a second of work on a CPU (some 1e11 operations), a hundred steps on an accelerator."""
    if jax.default_backend() != "cpu":
        return 100
    parameters = sum(x.size for x in jax.tree.leaves(params))
    return int(np.clip(1e11 / (6 * batch_size * parameters), 1, 100))


def _check_finite(loss, grad_norm, step: int, checkpoints: Checkpoints | None) -> None:
    bad = ~(np.isfinite(loss) & np.isfinite(grad_norm))
    if not bad.any():
        return
    if checkpoints:
        checkpoints.wait()
    good = checkpoints.steps() if checkpoints else []
    kept = (
        f"the last good checkpoint is step {good[-1]:,}" if good else "no checkpoint was made yet"
    )
    raise Diverged(
        f"the loss is not finite at step {step + int(bad.argmax()) + 1:,}; {kept}. "
        "Try a smaller learning_rate (a third of it), a longer warm-up, or look for extreme values in the data"
    )


@contextmanager
def _metrics_log(run: Path | None, name: str, start: int):
    """metrics.jsonl: a line per dispatch. On resume, lines past the checkpoint are dropped."""
    if run is None:
        yield lambda *figures: None
        return
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if _is_before(line, name, start)]
    beside = path.with_suffix(".part")
    beside.write_text("".join(line + "\n" for line in kept))
    os.replace(beside, path)
    with path.open("a") as file:

        def log(step: int, loss: float, grad_norm: float, rate: float) -> None:
            row = {"stage": name, "step": step, "loss": loss, "grad_norm": grad_norm}
            file.write(json.dumps({**row, "records_per_s": round(rate, 1)}) + "\n")
            file.flush()

        yield log


def _is_before(line: str, name: str, start: int) -> bool:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:  # a line cut off by a crash
        return False
    return row["stage"] != name or row["step"] <= start


@contextmanager
def _signals() -> Iterator:
    """Ctrl-C and SIGTERM set a flag that the loop reads; a second one does what it always did."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    seen = []

    def handle(number, frame):
        seen.append(number)
        signal.signal(number, before[number])

    before = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _estimate(program, compile_s, state: State, key, table, steps: int, length: int, name: str):
    """Times one dispatch on a copy of the state, and says what the run will take."""
    from rich.console import Console

    copy = jax.tree.map(lambda x: x.copy(), state)
    began = time.monotonic()
    jax.block_until_ready(program(copy, key, table))
    seconds = (time.monotonic() - began) / length * steps
    parameters = sum(x.size for x in jax.tree.leaves(state.params))
    columns = sum(part.size // part.shape[0] for part in jax.tree.leaves(table))
    memory = program.memory_analysis()
    need = memory.argument_size_in_bytes + memory.temp_size_in_bytes if memory else float("nan")
    devices = f"{key.sharding.num_devices} {jax.default_backend()} device(s)"
    Console(stderr=True).print(
        f"{name}: {rows_of(table):,} rows x {columns:,} columns, {parameters:,} parameters, "
        f"{steps:,} steps on {devices}; about {duration(seconds)} and {need / 2**20:,.0f} MiB each; "
        f"compiled in {compile_s:.1f} s",
        highlight=False,
        soft_wrap=True,
    )
