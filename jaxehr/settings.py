"""The settings of a recipe, as a person types them: name=value."""

import ast
import difflib
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def nearest(name: str, choices: Mapping[str, Any], what: str) -> Any:
    """choices[name]; raises ValueError with the nearest name where there is none."""
    if name in choices:
        return choices[name]
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"unknown {what} '{name}'{meant} (one of: {', '.join(choices)})")


# Settings that count something; a width counts in each of its numbers.
COUNTS = ("steps", "batch_size", "autoencoder_steps", "timesteps", "sampling_steps", "levels", "langevin_steps",
          "critic_steps", "channels", "multipliers", "classifier_width",
          "width", "time_width", "blocks", "embedding", "latent")  # fmt: skip


def of(recipe: Callable) -> dict[str, inspect.Parameter]:
    """The settings of a recipe are its keyword-only parameters."""
    parameters = inspect.signature(recipe).parameters
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def parse(pairs: Sequence[str], recipe: Callable) -> dict[str, Any]:
    """["steps=100", "width=(64, 64)"] -> {"steps": 100, "width": (64, 64)}; width=64 is (64,) where a tuple is due.

    Raises ValueError for an unknown setting (with the nearest name) or a value of another type.
    """
    known, hints = of(recipe), typing.get_type_hints(recipe)
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"--set takes name=value; got '{pair}'")
        nearest(name, known, "setting")
        settings[name] = value = _value(name, text, hints[name])
        counts = value if isinstance(value, tuple | list) else (value,)
        if name in COUNTS and value is not None and min(counts, default=0) < 1:
            raise ValueError(f"{name} must be at least 1; got {text}")
    return settings


def _value(name: str, text: str, hint: Any) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        if _fits(value, kind):
            return float(value) if kind is float else value
        if typing.get_origin(kind) is tuple and _fits((value,), kind):
            return (value,)
    wanted = " or ".join(map(_named, kinds))
    raise ValueError(f"{name} takes {wanted}; got '{text}'")


def _named(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return "whole numbers, such as 64 or (64, 64)"
    return getattr(kind, "__name__", str(kind)).replace("NoneType", "None")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple | list) and all(isinstance(v, int) for v in value)
    return isinstance(value, (int, float) if kind is float else kind)


def describe(name: str, recipe: Callable) -> str:
    """A recipe's first line, then its settings with their defaults."""
    first, _, rest = (inspect.getdoc(recipe) or "").partition("\n")
    lines = [f"{name}  {first}", ""]
    lines += [f"    {setting}={p.default}" for setting, p in of(recipe).items()]
    return "\n".join([*lines, rest.rstrip(), ""])
