"""Files that are whole or not there: written beside their name, then renamed."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

ENDING = ".jaxehr-part"
YOUNG = 60  # seconds: one that is being opened just now may not be locked yet
_begun: set[Path] = set()  # of this process


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """The file beside `path` to write into; it takes its place when all went well, and is taken away if not.

    What processes that were killed left of this kind in the folder is taken away too.
    Raises OSError, also where another process is writing the same file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path.parent)
    beside = path.with_name(f".{path.name}{ENDING}")
    with open(beside, "ab") as held:
        if _held_elsewhere(held):
            raise OSError(f"another process is writing {path}")
        _begun.add(beside)
        try:
            yield beside
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
            _begun.discard(beside)


@contextlib.contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Holds the file at `path`, in which stands by whom, until the end: for what one process at a time may write.

    What a process left that has ended is taken over, with a line in the log.
    Raises BlockingIOError where another process holds it, or where there are no locks and it is there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as file:
        file.seek(0)
        if left := file.read():
            log.warning("%s was left by %s, which has ended: taken over", path, left)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        _begun.add(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            _begun.discard(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    while True:
        with open(path, "a+", encoding="utf-8") as file:
            locked = _lock(file)
            file.seek(0)
            by = file.read()
            if locked is False or (locked is None and by):
                unless = "" if locked is False else f"; remove {path} if that has ended"
                raise BlockingIOError(f"{by or 'another process'} is writing {path.parent}{unless}")
            # Its holder may have taken the file away since it was opened.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield file
                return


def write_text(path: str | Path, text: str) -> None:
    """In UTF-8, whatever the locale."""
    with whole(path) as beside:
        beside.write_bytes(text.encode())


def drop_begun() -> None:
    """Takes away what this process has begun to write: for its end at once."""
    for beside in tuple(_begun):
        beside.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    for left in folder.glob(f".*{ENDING}"):
        with contextlib.suppress(OSError), open(left, "rb") as file:
            old = left.stat().st_mtime < time.time() - YOUNG
            if old and left not in _begun and not _held_elsewhere(file):
                left.unlink()
                log.warning("removed %s, left by a process that was killed", left)


def _held_elsewhere(file) -> bool:
    return _lock(file) is False


def _lock(file) -> bool | None:
    """Whether this process now holds the file's lock, until it is closed or the process dies; None where none are."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a system, or a disk, without locks
        return None
    return True
