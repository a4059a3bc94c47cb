"""The folder of a run: run.json, schema.json, codec.json, metrics.jsonl and checkpoints/<stage>/<step>; `lock` while it
is trained.

A folder is a run or it is not: run.json comes last, and holds a digest of the others and of itself.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxehr import __version__, files
from jaxehr.codecs import Codec, codec_from_json
from jaxehr.data import Records, Schema, listed, records_of
from jaxehr.types import X

# Counted up with any change of what a recipe's parameters mean: an older run would draw wrongly.
VERSION = 5


class RunError(ValueError):
    """A folder that is not a run, is another run, or cannot be read; one line says what to do."""


class OtherVersionError(RunError):
    """A run that another version of jaxehr made, whose parameters mean something else."""


def checkpoints(path: Path, stage: str) -> Path:
    return path / "checkpoints" / stage


def content(data: pd.DataFrame | Records, schema: Schema):
    """The digest of records as they came: their names, dtypes and values."""
    digest, records = hashlib.sha256(), records_of(data)
    for frame, names in ((records.static, schema.names), (records.events, schema.event_names)):
        if frame is None:
            continue
        frame = frame[[name for name in names if name in frame]]
        digest.update(repr([(name, _kind(frame[name])) for name in frame]).encode())
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest


def _kind(values: pd.Series) -> str:
    """The dtype; of objects what they are as well, since 1 and "1" have one hash among them."""
    if values.dtype != object:
        return str(values.dtype)
    return f"object of {pd.api.types.infer_dtype(values, skipna=True)}"


def fingerprint(data: pd.DataFrame | Records, schema: Schema, table: X, key) -> str:
    """Of the training records, as they came and as they are encoded, and the key: what a resumed run must agree on."""
    digest = content(data, schema)
    for part in jax.tree.leaves(table):
        digest.update(np.ascontiguousarray(part).data)
        digest.update(f"{part.shape} {part.dtype}".encode())
    digest.update(np.asarray(jax.random.key_data(key)).tobytes())
    return digest.hexdigest()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """While a run is written: its folder has a file `lock`. Raises RunError where another process writes it.

    Who only reads the folder needs no lock: what is in it is whole at any time.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(files.held(path / "lock"))
        except BlockingIOError as error:
            raise RunError(_refused(error)) from None
        yield


def check_free(path: Path) -> None:
    """Before the work: raises RunError where another process writes the run."""
    if by := files.holder(path / "lock"):
        raise RunError(_refused(f"{by} is writing {path}"))


def _refused(why: object) -> str:
    return f"{why}; wait for its end, or choose another folder"


def check_new(path: Path) -> None:
    """Raises RunError if the folder holds a run, or what is left of one."""
    if (path / "run.json").exists():
        raise RunError(
            f"{path} holds a run already; continue it with --resume, or choose another folder"
        )
    if (path / "checkpoints").exists():
        raise RunError(
            f"{path} holds checkpoints of a run without its run.json; remove them, or choose another folder"
        )


def create(path: Path, recipe, trained_on: str | None = None, fitted: dict | None = None) -> None:
    """Writes the settings, the codec and the schema of a run, and how it is `fitted`."""
    texts = {
        "schema.json": _text(recipe.codec.schema.to_json()),
        "codec.json": _text(recipe.codec.to_json()),
    }
    for name, text in texts.items():
        files.write_text(path / name, text)
    about = {
        "version": VERSION,
        "jaxehr": __version__,
        "recipe": recipe.name,
        "settings": recipe.settings,
        "fitted": fitted or {},
        "trained_on": trained_on,
        "finished": False,
        "stages": {stage.name: stage.steps for stage in recipe.stages},
        "files": {name: _digest(text) for name, text in texts.items()},
    }
    _write(path, about)  # last: a folder with run.json is complete


def finish(path: Path, remembers: dict[str, float] | None = None) -> None:
    """Says in the run that its training has come to its end, and what was found that it remembers of its records."""
    about = described(path)
    if not about["finished"]:
        _write(path, {**about, "finished": True, "remembers": remembers})


def remembers(path: Path) -> dict[str, float] | None:
    """What `finish` was told; None where it could not be measured."""
    return described(path).get("remembers")


def unfinished(path: Path) -> str | None:
    """A line about a run whose training was not brought to its end; None of one that was."""
    if described(path)["finished"]:
        return None
    return f"{path} is unfinished: its training has not come to its end; continue it with jaxehr fit --resume"


def reopen(path: Path, recipe, trained_on: str, fitted: dict) -> None:
    """Checks that the run in the folder is this one. Raises RunError naming what differs."""
    check_recipe(path, recipe.name)
    about = described(path)
    _check_schema(path, read(path)[2].schema, recipe.codec.schema)
    codec = _digest(_text(recipe.codec.to_json()))
    if codec != about["files"]["codec.json"] or about["trained_on"] != trained_on:
        raise RunError(
            f"{path} was begun on other records or with another seed; give the same ones"
        )
    settings = json.loads(json.dumps(recipe.settings))
    begun = {**about["settings"], **about["fitted"]}
    for name, value in {**settings, **fitted}.items():
        if begun.get(name) != value:
            raise RunError(
                f"{path} was begun with {name} = {begun.get(name)}, not {value}; "
                "a run is resumed with the settings it began with"
            )


def check_recipe(path: Path, name: str) -> None:
    """Raises RunError if the run in the folder is of another recipe."""
    found = described(path)["recipe"]
    if found != name:
        raise RunError(f"{path} is a run of {found}, not of {name}; choose another folder")


def _check_schema(path: Path, begun: Schema, now: Schema) -> None:
    """Raises RunError naming the first difference."""
    if begun == now:
        return
    sides = [
        [
            f"{c.name} ({c.kind}, {c.dtype}{f', {c.format}' if c.format else ''})"
            for c in (*s.columns, *s.events)
        ]
        for s in (begun, now)
    ]
    laws = [[f"the constraint {law}" for law in s.constraints] for s in (begun, now)]
    gone, new = (
        _only(a, b) + _only(c, d) for a, b, c, d in ((*sides, *laws), (*sides[::-1], *laws[::-1]))
    )
    what = "; ".join(
        f"{word} {listed(found)}" for word, found in (("with", gone), ("without", new)) if found
    )
    raise RunError(
        f"{path} was begun {what or 'with another schema'}; resume it with the schema it began with, "
        "or choose another folder"
    )


def _only(these: Sequence[str], those: Sequence[str]) -> list[str]:
    return [each for each in these if each not in those]


def check_schema_file(file: Path) -> None:
    """Raises RunError if the file is a run's own schema.json, and not as it was written."""
    if file.name == "schema.json" and (file.parent / "run.json").is_file():
        described(file.parent)


def read(path: Path) -> tuple[str, dict, Codec]:
    """The recipe's name, its settings, and the codec. Raises RunError."""
    about = described(path)
    return (
        about["recipe"],
        about["settings"],
        codec_from_json(json.loads(_checked(path, about, "codec.json"))),
    )


def origin(path: Path) -> dict[str, Any]:
    """What a report says of where records come from: the recipe, its steps, the version that trained it.

    Raises RunError.
    """
    about = described(path)
    named = {"recipe": about["recipe"], "trained with jaxehr": about["jaxehr"]}
    steps = about["settings"].get("steps")
    return named if steps is None else {**named, "steps": steps}


def described(path: Path) -> dict[str, Any]:
    """run.json, after the files beside it are found to be those that were written."""
    if not (path / "run.json").is_file():
        raise RunError(f"{path} is not a run: it has no run.json (make one with `jaxehr fit`)")
    try:
        about = json.loads((path / "run.json").read_text(encoding="utf-8"))
        found, digest = about["version"], about.pop("digest", None)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RunError(_damaged(path / "run.json")) from None
    if found != VERSION and isinstance(found, int):
        what = "train again, in another folder" if found < VERSION else "upgrade jaxehr"
        raise OtherVersionError(
            f"{path} has format version {found}, this jaxehr reads {VERSION}; {what}"
        )
    if digest != _digest(_text(about)):
        raise RunError(_damaged(path / "run.json"))
    for name in about["files"]:
        _checked(path, about, name)
    return about


def _checked(path: Path, about: dict[str, Any], name: str) -> bytes:
    try:
        found = (path / name).read_bytes()
    except FileNotFoundError:
        raise RunError(f"{path} has lost its {name}; take it from a backup, or fit again") from None
    if _digest(found) != about["files"][name]:
        raise RunError(_damaged(path / name))
    return found


def _damaged(file: Path) -> str:
    return (
        f"{file} is not as it was written; take it from a backup, or fit again "
        "(to change a schema, edit a copy and give it with --schema)"
    )


def _write(path: Path, about: dict[str, Any]) -> None:
    about = json.loads(json.dumps(about))
    files.write_text(path / "run.json", _text({**about, "digest": _digest(_text(about))}))


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
