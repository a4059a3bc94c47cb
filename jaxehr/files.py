"""Files that are whole or not there: written beside their name, then renamed."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

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
    """Whether another process holds the file's lock; else this one does, until the file is closed or it dies."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # a system, or a disk, without locks
        return False
    return False
