"""A solver that lives in a file of its own, brought in by FILE.py:NAME."""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp

from jaxehr.benchmark.laws import not_compiled
from jaxehr.benchmark.problems import four_columns
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import is_stochastic, probability_flow, reverse_sde, sequential
from jaxehr.samplers.solvers import StochasticSolver
from jaxehr.types import Sampler


class Loaded(NamedTuple):
    name: str
    sampler: Sampler
    order: float | None  # as a solver states it: of the flow, or of ours the weak one


def load_sampler(where: str) -> Loaded:
    """The sampler of FILE.py:NAME. What NAME may be is said in `as_sampler`.

    Raises ValueError, in one line, where there is no such file or name, or the file does not run.
    """
    file, colon, name = where.rpartition(":")
    if not colon or not file.endswith(".py") or not name:
        raise ValueError(f"a solver is given as FILE.py:NAME; got '{where}'")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} does not run: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        public = ", ".join(n for n in _defined(path) if not n.startswith("_"))
        raise ValueError(f"{path} has no '{name}' (it has: {public})")
    value = getattr(module, name)
    return Loaded(name, as_sampler(value), _stated_order(value))


def _defined(path: Path) -> Iterator[str]:
    """The names that a file makes itself, and does not import."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def as_sampler(value: Any) -> Sampler:
    """A Sampler of any of the forms that a solver comes in.

    - a `diffrax.AbstractSolver`, or its class: of the probability flow, or of the reverse SDE if it takes a MultiTerm
    - a step function (key, denoise, process, x, t, s) -> x
    - a sampler (key, denoise, process, x_T, grid) -> Draw

    Raises ValueError for anything else, and for a step that cannot be compiled.
    """
    if inspect.isclass(value) and issubclass(value, diffrax.AbstractSolver):
        value = value()
    if isinstance(value, diffrax.AbstractSolver):
        return reverse_sde(value) if is_stochastic(value) else probability_flow(value)
    if callable(value):
        parameters = inspect.signature(value).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
        if len(needed) == 6:
            return sequential(value, evaluations=_evaluations_of_step(value))
        if len(needed) == 5:
            return value
    raise ValueError(
        "a solver is a diffrax.AbstractSolver, a step (key, denoise, process, x, t, s) -> x, "
        f"or a sampler (key, denoise, process, x_T, grid) -> Draw; got {value!r}"
    )


def _stated_order(value: Any) -> float | None:
    solver = value() if inspect.isclass(value) else value
    if not isinstance(solver, diffrax.AbstractSolver):
        return None
    if is_stochastic(solver) and not isinstance(solver, StochasticSolver):
        return None  # Diffrax states the order of an SDE solver without its noise
    order = solver.order(diffrax.ODETerm(lambda t, y, args: y))
    return None if order is None else float(order)


def _evaluations_of_step(step) -> int:
    """Rows that the denoiser sees in tracing one step."""
    rows = 0
    data, process = four_columns(), Gaussian(edm())

    def denoise(x, t):
        nonlocal rows
        rows += x.size // 4
        return data.denoiser(process)(x, t)

    def one(x):
        return step(jax.random.key(0), denoise, process, x, jnp.float32(2), jnp.float32(1))

    try:
        jax.eval_shape(one, jnp.ones(4))
    except jax.errors.JAXTypeError as refused:
        raise ValueError(f"{step.__name__}: {not_compiled(refused)}") from refused
    return rows
