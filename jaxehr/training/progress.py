"""What a person sees of a long run: a rich progress bar on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Advance(Protocol):
    def __call__(self, done: int, **figures: str) -> None: ...


@contextmanager
def progress(what: str, total: int, *, start: int = 0, every: float = 10.0) -> Iterator[Advance]:
    """advance(done, loss="0.12", ...) shows how far `what` is.

    every   seconds between two plain lines where there is no terminal
    """
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, what, total, start) as advance:
            yield advance
    else:
        yield _lines(console, what, total, start, every)


@contextmanager
def _bar(console, what: str, total: int, start: int) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, completed=start, figures="")

        def advance(done: int, **figures: str) -> None:
            bar.update(task, completed=done, figures=_figures(figures))

        yield advance


def _lines(console, what: str, total: int, start: int, every: float) -> Advance:
    began = last = time.monotonic()

    def advance(done: int, **figures: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last < every:
            return
        last = now
        left = (now - began) / max(done - start, 1) * (total - done)
        line = f"{what} {done:,}/{total:,}  {_figures(figures)}  {duration(left)} left"
        console.print(line, highlight=False, soft_wrap=True)

    return advance


def _figures(figures: dict[str, str]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())


def duration(seconds: float) -> str:
    """A time as people say it: 45 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def said_if_slow(line: str, *, after: float = 3.0) -> Iterator[None]:
    """`line`, where what is done meanwhile takes more seconds than `after`."""
    timer = threading.Timer(after, say, [line])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def say(line: str) -> None:
    """A line between the bars."""
    from rich.console import Console

    Console(stderr=True).print(line, highlight=False, soft_wrap=True)
