"""Checkpoints that are complete, checked, or not there.

Orbax writes them beside and renames. What it does not do is notice a flipped bit (it restores silently wrong values),
so each step carries a digest of every leaf, and a step that fails its digest is passed over for the one before.
"""

import hashlib
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxehr.files import line_of
from jaxehr.types import Params

log = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read; the message says which and what to do."""


class Checkpoints:
    """The last three checkpoints of one stage, written while training goes on.

    Each holds `ema`, which is what sampling reads, and `state`, the rest of what a resumed run needs.
    """

    def __init__(self, folder: Path, *, keep: int = 3, read_only: bool = False):
        import orbax.checkpoint as ocp

        self.folder = Path(folder).absolute()
        if not read_only:
            for left in self.folder.glob("*.orbax-checkpoint-tmp*"):  # of a process that was killed
                shutil.rmtree(left)
        logging.getLogger("absl").addFilter(not_orbax)
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                create=not read_only,
                read_only=read_only,
            ),
            item_names=("ema", "state", "digest"),
        )

    def save(self, step: int, ema: Params, state: Any = ()) -> None:
        """Starts writing; raises CheckpointError where the disk has no room, or the write before this one failed."""
        import orbax.checkpoint as ocp

        self.check_room((ema, state))
        # Copies: the buffers are donated to the next step while this is still being written.
        ema, state = jax.tree.map(np.array, (ema, state))
        items = {
            "ema": ocp.args.StandardSave(ema),
            "digest": ocp.args.JsonSave(digests_of(ema, state)),
        }
        if jax.tree.leaves(state):
            items["state"] = ocp.args.StandardSave(state)
        with self._said_plainly(f"the checkpoint of step {step}, or the one before,"):
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def check_room(self, tree: Any) -> None:
        """Raises CheckpointError if the disk cannot hold one more checkpoint of `tree`.

        Asked first because Orbax, whose writers are threads, meets a full disk with many pages of tracebacks.
        """
        need = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
        free = shutil.disk_usage(self.folder).free
        if free < 1.1 * need:
            raise CheckpointError(
                f"a checkpoint takes {need / 2**20:,.0f} MiB and {self.folder} has {free / 2**20:,.0f} MiB left; "
                "free some space and --resume"
            )

    def wait(self) -> None:
        """Until all is on the disk."""
        with self._said_plainly("the last checkpoint"):
            self._manager.wait_until_finished()

    def close(self) -> None:
        self._manager.close()

    def steps(self) -> list[int]:
        return sorted(self._manager.all_steps())

    def set_aside_after(self, step: int) -> None:
        """Renames what is newer than `step` to STEP.damaged: a resumed run comes to these steps anew."""
        for newer in self.steps():
            if newer > step:
                aside = self.folder / f"{newer}.damaged"
                shutil.rmtree(aside, ignore_errors=True)
                (self.folder / str(newer)).rename(aside)
                log.warning("checkpoint %d is set aside as %s", newer, aside)
        self._manager.reload()

    def restore(self, ema: Params, state: Any = None) -> tuple[int, Params, Any] | None:
        """The newest step whose digest holds, shaped like `ema` and (where given) `state`; None if there is none.

        Raises CheckpointError if there are steps but none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return step, *self._read(step, ema, state)
            except Exception as error:
                log.warning("checkpoint %d is damaged and passed over: %s", step, line_of(error))
        if steps:
            raise CheckpointError(
                f"none of the checkpoints {steps} in {self.folder} can be read; "
                "they are damaged, or of another network: fit again"
            )
        return None

    def _read(self, step: int, ema: Params, state: Any) -> tuple[Params, Any]:
        import orbax.checkpoint as ocp

        items = {"ema": ocp.args.StandardRestore(ema), "digest": ocp.args.JsonRestore()}
        if state is not None:
            items["state"] = ocp.args.StandardRestore(state)
        read = self._manager.restore(step, args=ocp.args.Composite(**items))
        found = read["ema"], read["state"] if state is not None else ()
        _check_shapes(found, (ema, state if state is not None else ()))
        expected = dict(read["digest"])
        for name, digest in digests_of(*found).items():
            if expected.get(name) != digest:
                raise ValueError(f"the digest of {name} does not match")
        return found

    def _said_plainly(self, what: str):
        return _PlainErrors(what, self.folder)


def write_params(folder: Path, step: int, params: Params) -> None:
    """A checkpoint of parameters, and no more, on the disk when this returns."""
    checkpoints = Checkpoints(folder)
    checkpoints.save(step, params)
    checkpoints.wait()
    checkpoints.close()


def read_params(folder: Path, shapes: Params) -> Params | None:
    """The newest parameters in a folder, as NumPy's arrays; None if there are none. Raises as Checkpoints.restore."""
    found = Checkpoints(folder, read_only=True).restore(shapes) if folder.is_dir() else None
    return None if found is None else jax.tree.map(np.asarray, found[1])


class _PlainErrors:
    """Turns Orbax's long errors into one line, whatever their type."""

    def __init__(self, what: str, folder: Path):
        self.what, self.folder = what, folder

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Exception):
            said = re.search(r": ([^:]+?) ?\[os_error_code", str(error))  # as TensorStore tells it
            reason = said[1] if said else line_of(error)
            raise CheckpointError(
                f"{self.what} could not be written in {self.folder} ({reason}); make room and --resume"
            ) from error


def not_orbax(record: logging.LogRecord) -> bool:
    """What fails in Orbax's threads is raised here as one line; its own pages of tracebacks are left out."""
    return f"{os.sep}orbax{os.sep}" not in record.pathname


def _check_shapes(found: Any, wanted: Any) -> None:
    """Orbax restores what it finds, whatever was asked for."""

    def check(path, a, b):
        if a.shape != b.shape or a.dtype != b.dtype:
            name = jax.tree_util.keystr(path)
            raise ValueError(f"{name} is {a.dtype}{a.shape}, not {b.dtype}{b.shape}")

    jax.tree_util.tree_map_with_path(check, found, wanted)


def digests_of(ema: Params, state: Any) -> dict[str, str]:
    """sha256 of each leaf's bytes, with its dtype and shape."""
    digests = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path({"ema": ema, "state": state}):
        array = np.asarray(leaf)
        head = f"{array.dtype} {array.shape} ".encode()
        name = jax.tree_util.keystr(path)
        digests[name] = hashlib.sha256(head + array.tobytes()).hexdigest()
    return digests
