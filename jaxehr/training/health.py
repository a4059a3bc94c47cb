"""Whether the checkpoints of a stage are whole, whatever network they are of."""

import functools
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxehr.training.checkpoint import digests_of, not_orbax

ITEMS = ("ema", "state")  # as Checkpoints writes them; `state` only where training can go on
OF_ITEM = ("_METADATA", "manifest.ocdbt")
DIGEST = Path("digest", "metadata")


class Health(NamedTuple):
    """whole      steps, rising
    damaged     names of folders, those that a resumed run has set aside among them
    """

    whole: tuple[int, ...]
    damaged: tuple[str, ...]


def health(folder: Path, *, read: bool = False) -> Health:
    """Of all checkpoints in the folder of a stage, which is not changed.

    read    every leaf, and compare its digest; else what is seen is that the digests, or what names the files of the
            arrays, are missing or cut to nothing
    """
    whole, damaged = [], []
    for path in folder.absolute().iterdir() if folder.is_dir() else ():
        if path.name.isdigit():
            fine = _has_its_files(path) and (not read or _as_written(path))
            if fine:
                whole.append(int(path.name))
            elif path.is_dir():  # else it was taken away meanwhile, for a newer one
                damaged.append(path.name)
        elif path.name.endswith(".damaged"):
            damaged.append(path.name)
    return Health(tuple(sorted(whole)), tuple(sorted(damaged)))


def _has_its_files(path: Path) -> bool:
    items = [item for item in ITEMS if item == "ema" or (path / item).is_dir()]
    wanted = [DIGEST, *(Path(item, name) for item in items for name in OF_ITEM)]
    return all((path / name).is_file() and (path / name).stat().st_size for name in wanted)


def _as_written(path: Path) -> bool:
    """Whether every leaf has the digest that was written with it."""
    _hush()
    try:
        written = json.loads((path / DIGEST).read_text(encoding="utf-8"))
        found = digests_of(*(_leaves(path / item) for item in ITEMS))
    except Exception:  # of many kinds: of Orbax, of TensorStore, of JSON
        return False
    return {_words(name): value for name, value in written.items()} == {
        _words(name): value for name, value in found.items()
    }


@functools.cache
def _hush() -> None:
    """One read that fails is said here; what the others of its checkpoint, which are still under way, then say of a
    loop that is closed is left out."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda e: None if str(e.exc_value) == "Event loop is closed" else before(e)
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not_orbax(record) and "Task exception was never retrieved" not in record.getMessage()


def _leaves(path: Path) -> Any:
    """As a tree of dicts and lists, in host memory whatever devices they were written from."""
    import orbax.checkpoint as ocp

    if not path.is_dir():
        return ()
    reader = ocp.PyTreeCheckpointer()
    tree = reader.metadata(path).item_metadata.tree
    whole = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    return reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=whole))


def _words(name: str) -> tuple[str, ...]:
    """A leaf's path, whether its nodes are dicts, lists or named tuples: ['a'][0].b is a, 0, b."""
    return tuple(re.findall(r"[^\[\]'.]+", name))
