"""What the commands share."""

import argparse
import contextlib
import errno
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Command(Protocol):
    """Makes the parser of a command: its name, the function that runs it, and a line about it."""

    def __call__(self, name: str, run, about: str) -> argparse.ArgumentParser: ...


def add_set(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="name=value", dest="settings", help=what
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Of a file of records."""
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="CSV or Parquet; a name without an ending is a folder, which will be a MEDS dataset",
    )
    add_overwrite(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace what is there already")


def check_out(path: Path, overwrite: bool) -> None:
    """Before the work. Raises ValueError or OSError where a file of records could not be written, or would be lost."""
    from jaxehr.data.meds import check_dataset_folder
    from jaxehr.data.write import FOLDER, written_suffix

    if written_suffix(path) == FOLDER:
        check_dataset_folder(path)
        check_kept([path] if path.exists() and any(path.iterdir()) else [], overwrite)
    elif path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    else:
        check_kept([path], overwrite)
    check_folder(path.parent)


def check_kept(paths: Iterable[Path], overwrite: bool) -> None:
    """Before the work. Raises ValueError where one of the files is there, and was not asked to be replaced."""
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise ValueError(f"{there[0]} is there already; choose another --out, or give --overwrite")


def check_folder(folder: Path) -> None:
    """Before the work. Raises OSError where the folder is none, or nothing can be written in it or made to hold it."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "nothing can be written in this folder", str(there))


def cache_compilations() -> None:
    """Programs compiled once are kept for the next command (JAX_COMPILATION_CACHE_DIR moves or, empty, stops it).

    Where there is no home, or none that can be written in, they are not kept.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    with contextlib.suppress(RuntimeError, OSError):  # no home; a read-only one
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        check_folder(home / "jaxehr")
        jax.config.update("jax_compilation_cache_dir", str(home / "jaxehr"))


SHOWN = 20  # lines of a kind


class Shortened(logging.Filter):
    """Of log lines of one form the first twenty; how many more there were stands before the next line that is said."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "shown"):  # several handlers may ask
            self.counts[record.msg] += 1
            record.__dict__["shown"] = self.counts[record.msg] <= SHOWN
        return record.__dict__["shown"]

    def say_rest(self) -> None:
        for form, count in self.counts.items():
            if count > SHOWN:
                like = form.replace("%s", "...")
                print(
                    f"and {count - SHOWN:,} more lines such as {like} (`jaxehr schema` shows all of a file)",
                    file=sys.stderr,
                )
        self.counts.clear()


_logs = Shortened()


@contextlib.contextmanager
def shortened_logs() -> Iterator[None]:
    handlers = logging.getLogger().handlers
    for handler in handlers:
        handler.addFilter(_logs)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_logs)
        _logs.say_rest()


def say(line: str) -> None:
    _logs.say_rest()
    print(line, file=sys.stderr)
