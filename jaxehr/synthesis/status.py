"""How runs stand, without reading what they have learnt."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jaxehr import files
from jaxehr.synthesis import run
from jaxehr.training.health import health

TAIL = 4096  # bytes of metrics.jsonl: more than its last line


class Status(NamedTuple):
    """How a run stands.

    state       "training"; "finished"; "stopped" by a signal or an error; "died", where its process left its lock;
                "damaged", where it cannot be drawn from nor resumed; "of another version" of jaxehr
    stage       that was trained last, with its step of `steps`, and its loss there; None where that is not known
    written     seconds since the epoch, when something last was
    whole       the newest whole checkpoint, as STAGE/STEP, of the last stage that has one; None where there is none
    damaged     checkpoints, named alike
    note        who trains it, or what is wrong
    """

    path: Path
    state: str
    recipe: str = ""
    stage: str | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    written: float | None = None
    whole: str | None = None
    damaged: tuple[str, ...] = ()
    note: str = ""


def runs_under(folder: Path) -> Iterator[Path]:
    """The folders of runs, in the order of their names, `folder` itself among them; in a run others are not looked for.

    Raises OSError where there is no such folder.
    """
    names = {entry.name for entry in os.scandir(folder)}
    if "run.json" in names or "checkpoints" in names:
        yield folder
        return
    for name in sorted(names):
        inner = folder / name
        if not name.startswith(".") and inner.is_dir() and not inner.is_symlink():
            yield from runs_under(inner)


def status_of(path: Path, *, check: bool = False) -> Status:
    """How the run at `path` stands; nothing there is changed.

    check   read all checkpoints, and compare their digests
    """
    by = files.holder(path / "lock")
    last = _last_line(path / "metrics.jsonl")
    found = Status(path, "damaged", written=_written(path), loss=last.get("loss"))
    try:
        about = run.described(path)
    except run.OtherVersionError as error:
        return found._replace(state="of another version", note=str(error))
    except run.RunError as error:
        return found._replace(note=str(error))
    stages = about.get("stages", {})
    checked = {
        name: health(run.checkpoints(path, name), read=check) for name in _begun(path, stages)
    }
    whole = [f"{name}/{each.whole[-1]}" for name, each in checked.items() if each.whole]
    stage = last.get("stage", next(iter(reversed(checked)), None))
    of_stage = checked.get(stage or "")
    found = found._replace(
        recipe=about["recipe"],
        stage=stage,
        step=last.get("step", of_stage.whole[-1] if of_stage and of_stage.whole else None),
        steps=stages.get((stage or "").removesuffix("_held_out"), about["settings"].get("steps")),
        whole=whole[-1] if whole else None,
        damaged=tuple(f"{name}/{step}" for name, each in checked.items() for step in each.damaged),
    )
    if by:
        return found._replace(state="training", note=by)
    if not about["finished"]:
        return found._replace(state="died" if (path / "lock").exists() else "stopped")
    if lost := [
        name for name in {**stages, **checked} if name not in checked or not checked[name].whole
    ]:
        return found._replace(note=f"no whole checkpoint of its {lost[0]} is left; fit again")
    return found._replace(state="finished")


def _begun(path: Path, stages: dict[str, int]) -> list[str]:
    """The stages that have a folder, in the order of their training; a second look comes last."""
    folder = path / "checkpoints"
    there = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    order = [each for name in stages for each in (f"{name}_held_out", name)]
    return sorted(there, key=lambda name: order.index(name) if name in order else len(order))


def _last_line(path: Path) -> dict[str, Any]:
    """Of metrics.jsonl, the last that is whole."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            found = json.loads(line)
            return {"stage": str(found["stage"]), "step": int(found["step"]), **_loss(found)}
        except (ValueError, TypeError, KeyError):  # being written, or cut off by a crash
            continue
    return {}


def _loss(line: dict[str, Any]) -> dict[str, float]:
    return {"loss": float(line["loss"])} if "loss" in line else {}


def _written(path: Path) -> float | None:
    times = [
        (path / name).stat().st_mtime
        for name in ("run.json", "metrics.jsonl")
        if (path / name).exists()
    ]
    return max(times, default=None)
