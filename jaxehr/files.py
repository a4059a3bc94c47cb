"""Files, and folders, that are whole or not there: written beside their name, then renamed."""

import contextlib
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

ENDING = ".jaxehr-part"
BEFORE = ".jaxehr-before"  # of a folder, while the new one takes its place
YOUNG = 60  # seconds: one that is being opened just now may not be locked yet
LOOK = 0.1  # seconds: who only asks for a holder has the lock for less
_begun: dict[Path, Path] = {}  # of this process: what is written, and what it is to be


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """The file beside `path` to write into; it takes its place when all went well, and is taken away if not.

    What processes that were killed left of this kind in the folder is taken away too.
    Raises OSError, also where another process is writing the same file.
    """
    path = Path(path)
    with _beside(path, Path.touch) as beside:
        yield beside
        os.replace(beside, path)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """As `whole`, of an empty folder to fill. What `path` held goes when the new one has taken its place.

    A process that is killed between the two has put the old one aside; the next to write beside it puts it back.
    """
    path = Path(path).absolute()
    with _beside(path, Path.mkdir) as beside:
        try:
            for left in beside.iterdir():
                _remove(left)
            yield beside
            if path.exists():
                os.replace(path, before(path))
            os.replace(beside, path)
        finally:
            _settle(path)


def before(path: Path) -> Path:
    """Where a folder is put aside, while another takes its place."""
    return path.with_name(f".{path.name}{BEFORE}")


@contextlib.contextmanager
def _beside(path: Path, make: Callable) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path.parent)
    beside = path.with_name(f".{path.name}{ENDING}")
    make(beside, exist_ok=True)
    with _opened(beside) as file:
        if _held_elsewhere(file):
            raise OSError(f"another process is writing {path}")
        _begun[beside] = path
        try:
            yield beside
        finally:
            _remove(beside)
            _begun.pop(beside, None)


def line_of(error: BaseException) -> str:
    """What a library says of a file that it cannot read or write, in one line: the first, or the error's name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Holds the file at `path`, in which stands by whom, until the end: for what one process at a time may write.

    What a process left that has ended is taken over, with a line in the log: the lock is the kernel's (flock), and goes
    with its process, however that ends. On a disk that hosts share it holds between them where the disk passes locks
    on (NFS 4, and 3 with its lock service; Lustre mounted with `flock`), and lasts until the server gives a lost host
    up. Where each host has locks of its own (`nolock`, `localflock`), another host's is taken for one that has ended.
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
        _begun[path] = path
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            _begun.pop(path, None)


def holder(path: str | Path) -> str | None:
    """Who holds the file at `path`; None where nobody does. Changes nothing. Without locks: whom the file names."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            by, free = file.read(), _lock(file, shared=True)
    except FileNotFoundError:
        return None
    return None if free else by or "another process"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    while True:
        with open(path, "a+", encoding="utf-8") as file:
            locked = _lock(file)
            if locked is False:
                time.sleep(LOOK)
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
    for beside, path in tuple(_begun.items()):
        _remove(beside)
        _settle(path)


def _tidy(folder: Path) -> None:
    for left in folder.glob(f".*{ENDING}"):
        with contextlib.suppress(OSError), _opened(left) as file:
            old = left.stat().st_mtime < time.time() - YOUNG
            if old and left not in _begun and not _held_elsewhere(file):
                _remove(left)
                log.warning("removed %s, left by a process that was killed", left)
    for aside in folder.glob(f".*{BEFORE}"):
        name = aside.name.removesuffix(BEFORE)
        if not folder.joinpath(
            name + ENDING
        ).exists():  # else another may be about to take its place
            _settle(folder / name.removeprefix("."))


def _settle(path: Path) -> None:
    """The folder that was put aside goes, or comes back where no other has taken its place."""
    aside = before(path)
    if not aside.is_dir():
        return
    if path.exists():
        _remove(aside)
    else:
        os.replace(aside, path)
        log.warning("put back %s, which was not replaced", path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """For a lock; None for a folder on a system that opens none."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        yield None
        return
    file = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        yield file
    finally:
        os.close(file)


def _held_elsewhere(file: int | None) -> bool:
    return file is not None and _lock(file) is False


def _lock(file, *, shared: bool = False) -> bool | None:
    """Whether this process now holds the file's lock, until it is closed or the process dies; None where none are."""
    try:
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a system, or a disk, without locks
        return None
    return True
