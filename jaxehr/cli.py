"""The command line: `jaxehr --help` lists its commands, `jaxehr help` its pages.

A mistake of the user's gets one line and exit code 2. JAXEHR_DEBUG=1 shows the traceback behind it.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from jaxehr import __version__
from jaxehr.commands import (
    audit,
    baseline,
    benchmark,
    demo,
    evaluate,
    export,
    fit,
    help,
    impute,
    listing,
    review,
    runs,
    sample,
    schema,
    simulate,
)
from jaxehr.commands.command import shortened_logs
from jaxehr.commands.signals import ended_by_signals

EXAMPLES = """examples:
  jaxehr demo                                                  # real patients, a model, a report: about ten minutes
  jaxehr schema --data stays.csv --out schema.json             # what would be learnt, and what to look at
  jaxehr fit ehrdiff --data stays.csv --out runs/stays --steps 20000
  jaxehr runs runs                                             # which there are, and how each stands
  jaxehr sample runs/stays -n 10000 --out synthetic.csv
  jaxehr sample runs/stays -n 1000 --out old_women.csv --given sex=F --given age=65:80
  jaxehr export runs/stays --out stays.sampler                 # draws elsewhere, without what trained it
  jaxehr impute runs/stays --data gaps.csv --out filled.csv --draws 5
  jaxehr forecast runs/icu --data icu --until 24h --out courses
  jaxehr baseline copula --data stays.csv -n 10000 --out copula.csv
  jaxehr evaluate --real stays.csv --synthetic synthetic.csv --holdout later.csv --out report
  jaxehr audit runs/stays --members stays.csv --nonmembers later.csv
  jaxehr review --real stays.csv --synthetic synthetic.csv -n 100 --out review
  jaxehr simulate -n 10000 --out hospital                      # whole patients, of a law that is known
  jaxehr benchmark samplers --solver my_solver.py:MySolver     # your solver's line among ours
  jaxehr check my_solver.py:MySolver                           # the laws that every sampler obeys
  jaxehr help                                                  # pages on data, privacy, solvers and more
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")  # before libraries bring a form of their own
    try:
        whole = options.command is schema.show  # of a file, to the last column
        with ended_by_signals(), nullcontext() if whole else shortened_logs():
            code = options.command(options)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # of a reader that has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get("JAXEHR_DEBUG") or not _is_the_users(error):
            raise
        print(f"jaxehr: {_one_line(error)}", file=sys.stderr)
        return 2


def _is_the_users(error: Exception) -> bool:
    from jaxehr.training import Diverged
    from jaxehr.training.checkpoint import CheckpointError

    return isinstance(error, ValueError | OSError | ImportError | Diverged | CheckpointError)


def _one_line(error: Exception) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"a file stands where a folder is wanted: {error.filename}"
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxehr",
        description="Synthetic electronic health records by diffusion models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jaxehr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable, about: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter  # examples keep their lines
        made = commands.add_parser(name, help=about, description=about, formatter_class=raw)
        made.set_defaults(command=run)
        return made

    for each in (
        demo,
        listing,
        schema,
        fit,
        runs,
        sample,
        export,
        impute,
        baseline,
        evaluate,
        audit,
        review,
        simulate,
        benchmark,
        help,
    ):
        each.add(command)
    impute.add_forecast(command)
    return parser
