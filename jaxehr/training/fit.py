"""The training loop: everything around the pure step that a long run on real machines needs."""

import functools
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxehr.files import write_text
from jaxehr.numerics import in_float32, threefry
from jaxehr.training.checkpoint import Checkpoints
from jaxehr.training.held_out import TIMES, Best, held_out_loss
from jaxehr.training.packed import width
from jaxehr.training.profile import traced
from jaxehr.training.progress import duration, progress, said_if_slow, say
from jaxehr.training.room import check_room, held, least
from jaxehr.training.sharding import check_batch, mesh_of, replicated
from jaxehr.training.step import Metrics, State, init_state, make_chunk, rows_of, state_shapes
from jaxehr.types import Key, Model, Params, X

LARGE = 20  # parameters for each value of the records, from which on a network is far too large for them


class Diverged(RuntimeError):
    """The loss, a gradient or an update is not finite; the message says where and what to try."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: the run was saved at `step` and can be resumed; `number` is the signal's."""

    def __init__(self, step: int, number: int = signal.SIGINT):
        super().__init__(f"stopped at step {step:,}")
        self.step, self.number = step, int(number)


def train(
    model: Model, optimizer: optax.GradientTransformation, table: X, key: Key, **options
) -> Params:
    """The averaged parameters after training `model` on the rows of `table`; `options` are those of `best_of`."""
    return best_of(model, optimizer, table, key, **options).params


@in_float32
def best_of(
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
    checkpoint_minutes: float = math.inf,
    skip_nonfinite: bool = False,
    steps_per_dispatch: int | None = None,
    held_out: X | None = None,
    mesh: Mesh | None = None,
    profile: tuple[int, int] | None = None,
) -> Best:
    """Trains `model` on the rows of `table`: the averaged parameters of the last step, or, where rows are held out, of
    the step whose loss on these is the least.

    table               [n, column], or a dict of such; whole on each device in its own dtype; bits may be `packed`
    run                 folder for checkpoints/<name> and metrics.jsonl; None keeps nothing
    resume              continue from the newest whole checkpoint in `run`
    checkpoint_every    steps; by default a tenth of all
    checkpoint_minutes  or sooner, where so many have gone by since the last
    skip_nonfinite      leave out steps whose loss, gradient or update is not finite, instead of ending with Diverged;
                        it ends all the same where each of a dispatch is. No such step is ever in a checkpoint
    steps_per_dispatch  K of the scan; by default as many as make a dispatch last about a second
    held_out            rows that are not learnt from: their loss is taken twenty times, at whole dispatches, and
                        training ends when it has not fallen for a quarter of the steps
    mesh                of devices (`mesh_of`); by default all, each with a part of the batch and the whole state
    profile             of which steps, (start, stop), JAX's profiler writes a trace to run/profile/<name>: of whole
                        dispatches, all that have one of these

    Raises Diverged, Interrupted, CheckpointError; ValueError for a batch that does not split over the devices, and for
    a network that they cannot hold.
    """
    key, mesh = threefry(key), mesh or mesh_of()
    check_batch(batch_size, mesh)
    init_key, run_key = jax.random.split(key)
    shapes = state_shapes(model, optimizer, mesh)
    check_room(name, shapes.params, least(shapes, table), mesh.local_devices)
    places = jax.tree.map(lambda x: x.sharding, shapes)
    state = jax.jit(partial(init_state, model, optimizer), out_shardings=places)(init_key)
    chunk = make_chunk(model, optimizer, batch_size=batch_size, ema_decay=ema_decay, mesh=mesh)
    length = min(steps_per_dispatch or _steps_per_dispatch(shapes.params, batch_size), steps)
    every = checkpoint_every or length * -(-steps // (10 * length))
    interval = length * -(-steps // (TIMES * length))
    best = None if held_out is None else Best(jax.tree.map(jnp.copy, state.ema))

    with ExitStack() as stack:
        checkpoints = None
        if run is not None:
            checkpoints = Checkpoints(run / "checkpoints" / name)
            stack.callback(checkpoints.close)
            if resume:
                state, best = _restored(checkpoints, shapes, state, best)
            checkpoints.check_room(_saved(state, best))
        start = int(state.step)
        if start >= steps or (best is not None and best.waited(start, interval)):
            return Best(state.ema, step=start) if best is None else best
        log = stack.enter_context(_metrics_log(run, name, start))
        stopping = stack.enter_context(_signals())

        run_key, table = jax.device_put((run_key, table), replicated(mesh))
        program = _compiler(chunk, shapes, run_key, table, name)
        judge = None
        if held_out is None:
            interval = steps
        else:
            noise = jax.random.fold_in(key, 0)
            judge = held_out_loss(model, noise, held_out, batch_size=batch_size, mesh=mesh)
            if best is not None and not start:  # what is never better than untrained stays so
                best = best.or_better(state.ema, judge(state.ema), 0)
        k = _next(start, steps, length, every, interval)
        compiled, compile_s = program(k)
        begun = state, run_key, table
        _estimate(compiled, compile_s, begun, steps - start, k, name, batch_size, mesh)
        advance = stack.enter_context(progress(name, steps, start=start))
        trace = stack.enter_context(traced((run or Path()) / "profile" / name, profile))

        step, began = start, time.monotonic()
        saved = began
        while step < steps:
            k = _next(step, steps, length, every, interval)
            trace(step, k)
            at = time.monotonic()
            state, metrics = program(k)[0](state, run_key, table)
            figures = _figures(jax.tree.map(np.asarray, metrics), step, checkpoints, skip_nonfinite)
            step_s = (time.monotonic() - at) / k  # the metrics are here: so all is done
            step += k
            if best is not None and judge and (step % interval == 0 or step == steps):
                figures["held_out"] = judge(state.ema)
                best = best.or_better(state.ema, figures["held_out"], step)
            rate = (step - start) * batch_size / (time.monotonic() - began)
            log(step, **figures, **_costs(step_s, mesh), records_per_s=round(rate, 1))
            advance(step, **_shown(figures, best), records_per_s=f"{rate:,.0f}")
            stop = stopping()
            ended = step == steps or (best is not None and best.waited(step, interval))
            due = time.monotonic() - saved >= 60 * checkpoint_minutes
            if checkpoints and (step % every == 0 or due or ended or stop):
                checkpoints.save(step, *_saved(state, best))
                saved = time.monotonic()
            if stop:
                if checkpoints:
                    checkpoints.wait()
                raise Interrupted(step, stop)
            if ended:
                break
        if checkpoints:
            checkpoints.wait()
    if best is None:
        return Best(state.ema, step=step)
    say(best.said(name, step, steps))
    return best


def _next(step: int, steps: int, length: int, every: int, interval: int) -> int:
    """The steps of the next dispatch: up to the next checkpoint, judgement, or the end."""
    return min(length, every - step % every, interval - step % interval, steps - step)


def _shown(figures: dict[str, float], best: Best | None) -> dict[str, str]:
    shown = {"loss": f"{figures['loss']:.4f}"}
    if "skipped" in figures:
        shown["skipped"] = f"{figures['skipped']:,}"
    if best is not None and best.step:
        shown["held_out"] = f"{best.loss:.4f} at {best.step:,}"
    return shown


def _costs(step_s: float, mesh: Mesh) -> dict[str, float]:
    """Of a step of the last dispatch; and the most memory that a device had in use, where it says so."""
    found = {"step_s": float(f"{step_s:.4g}")}
    used = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in mesh.local_devices]
    known = [each for each in used if each is not None]
    return found | ({"peak_bytes": max(known)} if known else {})


def _compiler(chunk, shapes: State, key, table, name: str):
    """program(k) -> (the compiled dispatch of k steps, the seconds it took); each k is compiled once."""

    @functools.cache
    def program(k: int):
        began = time.monotonic()
        with said_if_slow(f"{name}: compiling a training step: seconds, of a U-Net half a minute"):
            compiled = chunk.lower(shapes, key, table, length=k).compile()
        return compiled, time.monotonic() - began

    return program


def _saved(state: State, best: Best | None) -> tuple[Params, dict]:
    """(what is drawn from, what a resumed run needs beside it)."""
    rest = {"params": state.params, "opt_state": state.opt_state, "step": state.step}
    if best is None:
        return state.ema, rest
    judged = {"loss": np.array(best.loss, np.float32), "step": np.array(best.step, np.int32)}
    return best.params, rest | {"ema": state.ema, "best": judged}


def _restored(
    checkpoints: Checkpoints, shapes: State, state: State, best: Best | None
) -> tuple[State, Best | None]:
    """As they were at the newest whole checkpoint, wherever its arrays lay then; as given where there is none."""
    wanted = None if best is None else best._replace(params=shapes.ema)
    found = checkpoints.restore(*_saved(shapes, wanted))
    if found is None:
        return state, best
    step, ema, rest = found
    checkpoints.set_aside_after(step)
    judged = rest.pop("best", None)
    if judged is not None:
        best = Best(ema, float(judged["loss"]), int(judged["step"]))
    # A copy: what Orbax returns may share memory that donation must not take.
    return jax.tree.map(jnp.copy, State(**{"ema": ema, **rest})), best


def _steps_per_dispatch(params: Params, batch_size: int) -> int:
    """About a second of work on a CPU (some 1e11 operations), a hundred steps on an accelerator."""
    if jax.default_backend() != "cpu":
        return 100
    parameters = sum(x.size for x in jax.tree.leaves(params))
    return int(np.clip(1e11 / (6 * batch_size * parameters), 1, 100))


def _figures(
    metrics: Metrics, step: int, checkpoints: Checkpoints | None, skip: bool
) -> dict[str, float]:
    """The means over the steps of a dispatch that were taken, and how many were not. Raises Diverged."""
    taken = metrics.finite
    if taken.all() or (skip and taken.any()):
        found = {
            "loss": float(metrics.loss[taken].mean()),
            "grad_norm": float(metrics.grad_norm[taken].mean()),
        }
        return found if taken.all() else found | {"skipped": int((~taken).sum())}
    if checkpoints:
        checkpoints.wait()
    good = checkpoints.steps() if checkpoints else []
    kept = (
        f"the last good checkpoint is step {good[-1]:,}" if good else "no checkpoint was made yet"
    )
    raise Diverged(
        f"the loss, its gradient or the update is not finite at step {step + int(taken.argmin()) + 1:,}; {kept}. "
        "Try a smaller learning_rate (a third of it), a longer warm-up, or look for extreme values in the data"
    )


@contextmanager
def _metrics_log(run: Path | None, name: str, start: int):
    """metrics.jsonl: a line per dispatch. On resume, lines past the checkpoint are dropped."""
    if run is None:
        yield lambda step, **figures: None
        return
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    kept = [line for line in lines if _is_before(line, name, start)]
    write_text(path, "".join(line + "\n" for line in kept))
    with path.open("a", encoding="utf-8") as file:

        def log(step: int, **figures: float) -> None:
            file.write(json.dumps({"stage": name, "step": step, **figures}) + "\n")
            file.flush()

        yield log


def _is_before(line: str, name: str, start: int) -> bool:
    try:
        row = json.loads(line)
        return row["stage"] != name or row["step"] <= start
    except (ValueError, TypeError, KeyError):  # a line cut off by a crash, or damaged
        return False


@contextmanager
def _signals() -> Iterator:
    """Yields () -> the signal that came, 0 for none: Ctrl-C and SIGTERM are noted for the loop to read.

    A second one does what it always did, and so does one that came too late to be read. A signal that is ignored, as
    in a shell's background, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    seen: list[int] = []
    told: list[int] = []

    def stopping() -> int:
        told[:] = seen
        return seen[0] if seen else 0

    def handle(number, frame):
        if seen:
            signal.signal(number, before[number])
            os.kill(os.getpid(), number)
        seen.append(number)

    heard = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {n: signal.signal(n, handle) for n in heard}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if seen and not told:
        os.kill(os.getpid(), seen[0])


def _estimate(
    program,
    compile_s: float,
    begun: tuple[State, Key, X],
    steps: int,
    length: int,
    name: str,
    batch_size: int,
    mesh: Mesh,
) -> None:
    """Times one dispatch on a copy of the state, and says what the run will take."""
    state, key, table = begun
    memory = program.memory_analysis()
    need = memory.argument_size_in_bytes + memory.temp_size_in_bytes if memory else 0
    check_room(name, state.params, held(state) + need, mesh.local_devices)
    copy = jax.tree.map(jnp.copy, state)
    began = time.monotonic()
    jax.block_until_ready(program(copy, key, table))
    seconds = (time.monotonic() - began) / length * steps
    parameters = sum(x.size for x in jax.tree.leaves(state.params))
    columns = width(table)
    sizes = ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items() if size > 1)
    devices = f"{mesh.size} {jax.default_backend()} device(s)" + (f" ({sizes})" if sizes else "")
    rows = rows_of(table)
    say(
        f"{name}: {rows:,} rows x {columns:,} columns, {parameters:,} parameters, {steps:,} steps of {batch_size:,} "
        f"({steps * batch_size / rows:,.1f} epochs) on {devices}; about {duration(seconds)} and "
        f"{need / 2**20:,.0f} MiB each; compiled in {compile_s:.1f} s"
    )
    if parameters > LARGE * rows * columns:
        say(
            f"{name}: {parameters:,} parameters for {rows * columns:,} values can learn the records by heart: make the "
            "network smaller (`jaxehr recipes NAME` names its settings), hold rows out, and read the privacy figures"
        )
