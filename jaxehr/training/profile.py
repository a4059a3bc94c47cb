"""A trace of some steps of training: what each device does, operation by operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxehr.training.progress import say


@contextmanager
def traced(folder: Path, window: tuple[int, int] | None) -> Iterator[Callable[[int], None]]:
    """at(step), to be called before each dispatch and after the last: JAX's profiler writes into `folder` what happens
    from the first dispatch that begins in the window of steps [start, stop) to the last one that does.
    """
    tracing = False

    def end() -> None:
        nonlocal tracing
        jax.profiler.stop_trace()
        tracing = False
        say(f"traced: tensorboard --logdir {folder} (with tensorboard-plugin-profile) shows it")

    def at(step: int) -> None:
        nonlocal tracing
        inside = window is not None and window[0] <= step < window[1]
        if inside and not tracing:
            jax.profiler.start_trace(folder)
            tracing = True
        if tracing and not inside:
            end()

    try:
        yield at
    finally:
        if tracing:
            end()
