"""A trace of some steps of training: what each device does, operation by operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxehr.training.progress import say


@contextmanager
def traced(folder: Path, window: tuple[int, int] | None) -> Iterator[Callable[[int, int], None]]:
    """before(step, k), to be called before each dispatch of k steps: JAX's profiler writes into `folder` what happens
    in the dispatches that have a step of the window [start, stop).
    """
    tracing = begun = False

    def end() -> None:
        nonlocal tracing
        jax.profiler.stop_trace()
        tracing = False
        say(f"traced: tensorboard --logdir {folder} (with tensorboard-plugin-profile) shows it")

    def before(step: int, k: int) -> None:
        nonlocal tracing, begun
        inside = window is not None and step < window[1] and window[0] < step + k
        if inside and not tracing:
            jax.profiler.start_trace(folder)
            tracing = begun = True
        if tracing and not inside:
            end()

    try:
        yield before
    finally:
        if tracing:
            end()
        elif window is not None and not begun:
            say(f"no step from {window[0]:,} to {window[1]:,} was taken: nothing was traced")
