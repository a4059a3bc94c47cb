"""What the commands share."""

import argparse
import os
import sys
from pathlib import Path
from typing import Protocol


class Command(Protocol):
    """Makes the parser of a command: its name, the function that runs it, and a line about it."""

    def __call__(self, name: str, run, about: str) -> argparse.ArgumentParser: ...


def add_set(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="name=value", dest="settings", help=what
    )


def cache_compilations() -> None:
    """Programs compiled once are kept for the next command (JAX_COMPILATION_CACHE_DIR moves or, empty, stops it)."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "jaxehr"))


def say(line: str) -> None:
    print(line, file=sys.stderr)
