"""jaxehr runs: the runs under a folder, and how they stand."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxehr.commands.command import Command

if TYPE_CHECKING:
    from jaxehr.synthesis.status import Status

NAMES = ("run", "recipe", "state", "step", "loss", "written", "newest whole checkpoint", "")
STYLES = {"training": "cyan", "finished": "green", "stopped": "yellow"}  # all else is red

ABOUT = """\
States: training, by the process that is named; finished; stopped, by a signal or an error; died, whose process left its
lock; damaged, which is neither drawn from nor resumed; of another version. What stopped or died goes on with
`jaxehr fit ... --resume`. Nothing is changed, and no parameters are read but with --check. See `jaxehr help runs`.
"""


def add(command: Command) -> None:
    runs = command("runs", _run, "List the runs under a folder, and how each stands.")
    runs.epilog = ABOUT
    runs.add_argument("folder", type=Path, metavar="DIR", help="of runs, or a run")
    runs.add_argument(
        "--check",
        action="store_true",
        help="read every checkpoint, and compare the digests that were written with it; exit code 1 where one differs, "
        "or a run is damaged",
    )


def _run(options) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from jaxehr.synthesis.status import runs_under, status_of
    from jaxehr.training.progress import progress

    paths = list(runs_under(options.folder))
    if not paths:
        raise ValueError(f"there is no run under {options.folder}; `jaxehr fit` makes one")
    found = []
    if options.check:
        with progress("checking", len(paths)) as advance:
            for path in paths:
                found.append(status_of(path, check=True))
                advance(len(found))
    else:
        found = [status_of(path) for path in paths]
    rows = [_row(each, time.time()) for each in found]
    console = Console()
    if console.is_terminal:
        table = Table(*NAMES, box=None, pad_edge=False)
        for each, row in zip(found, rows, strict=True):
            table.add_row(*map(escape, row), style=STYLES.get(each.state, "red"))
        console.print(table)
    else:
        for line in _lines(rows):
            print(line)
    bad = any(each.damaged or each.state == "damaged" for each in found)
    return int(options.check and bad)


def _row(status: "Status", now: float) -> tuple[str, ...]:
    of = "" if status.steps is None else f"/{status.steps:,}"
    step = "" if status.step is None else f"{status.stage} {status.step:,}{of}"
    lost = f"damaged: {', '.join(status.damaged)}" if status.damaged else ""
    return (
        str(status.path),
        status.recipe,
        status.state,
        step,
        "" if status.loss is None else f"{status.loss:.4f}",
        "" if status.written is None else f"{_age(now - status.written)} ago",
        status.whole or "none",
        "; ".join(filter(None, (lost, status.note))),
    )


def _age(seconds: float) -> str:
    from jaxehr.training.progress import duration

    days = seconds / 86_400
    return f"{days:.0f} days" if days > 2 else duration(max(seconds, 0.0))


def _lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """One a run, its columns below each other; an empty one is a dash, so that they can be counted."""
    filled = [[cell or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in filled]
