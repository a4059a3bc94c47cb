"""The folder of a run: run.json, schema.json, codec.json, metrics.jsonl and checkpoints/<stage>/<step>."""

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from jaxehr.data import Codec, codec_from_json
from jaxehr.types import X

# Counted up with any change of what a recipe's parameters mean: an older run would draw wrongly.
VERSION = 2


class RunError(ValueError):
    """A folder that is not a run, is another run, or cannot be read; one line says what to do."""


def checkpoints(path: Path, stage: str) -> Path:
    return path / "checkpoints" / stage


def fingerprint(table: X, key) -> str:
    """Of the encoded training records and the key: what a resumed run must agree on."""
    key_data = np.asarray(
        jax.random.key_data(key) if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    )
    digest = hashlib.sha256()
    for part in jax.tree.leaves(table):
        digest.update(np.ascontiguousarray(part).data)
        digest.update(f"{part.shape} {part.dtype}".encode())
    digest.update(key_data.tobytes())
    return digest.hexdigest()


def create(path: Path, recipe, trained_on: str | None = None) -> None:
    """Writes the settings of a new run. Raises RunError if the folder holds one."""
    if (path / "run.json").exists():
        raise RunError(
            f"{path} holds a run already; continue it with --resume, or choose another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    recipe.codec.schema.save(path / "schema.json")
    _write(path / "codec.json", recipe.codec.to_json())
    about = {
        "version": VERSION,
        "jaxehr": version("jaxehr"),
        "recipe": recipe.name,
        "settings": recipe.settings,
        "trained_on": trained_on,
    }
    _write(path / "run.json", about)  # last: a folder with run.json is complete


def reopen(path: Path, recipe, trained_on: str) -> None:
    """Checks that the run in the folder is this one. Raises RunError naming what differs."""
    about = _read(path)
    settings = json.loads(json.dumps(recipe.settings))
    if about["recipe"] != recipe.name:
        raise RunError(f"{path} is a run of {about['recipe']}, not of {recipe.name}")
    for name, value in settings.items():
        if about["settings"].get(name) != value:
            raise RunError(
                f"{path} was begun with {name} = {about['settings'].get(name)}, not {value}; "
                "a run is resumed with the settings it began with"
            )
    if about["trained_on"] != trained_on:
        raise RunError(
            f"{path} was begun on other records or with another seed; give the same ones"
        )


def read(path: Path) -> tuple[str, dict, Codec]:
    """The recipe's name, its settings, and the codec. Raises RunError."""
    about = _read(path)
    codec = codec_from_json(json.loads((path / "codec.json").read_text()))
    return about["recipe"], about["settings"], codec


def _read(path: Path) -> dict:
    if not (path / "run.json").is_file():
        raise RunError(f"{path} is not a run: it has no run.json (make one with `jaxehr fit`)")
    try:
        about = json.loads((path / "run.json").read_text())
    except ValueError:
        raise RunError(f"{path / 'run.json'} is damaged: it is not JSON") from None
    found = about.get("version")
    if found != VERSION:
        older = isinstance(found, int) and found < VERSION
        what = "train again, in another folder" if older else "upgrade jaxehr"
        raise RunError(f"{path} has format version {found}, this jaxehr reads {VERSION}; {what}")
    return about


def _write(path: Path, value: dict) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(beside, path)
