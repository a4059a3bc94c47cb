"""The plan of the house: who may import whom. Arrows only point down, and some walls have no door."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxehr"

# A part may import parts of lower floors, and of its own.
FLOORS = {
    6: ("__init__", "__main__", "cli", "commands", "names", "settings", "runs"),
    5: ("recipes", "benchmark", "audit"),
    4: ("synthesis",),
    3: ("training", "evaluation", "baselines", "samplers", "denoisers", "losses"),
    2: ("codecs", "processes"),
    1: ("data", "networks", "numerics"),
    0: ("types", "files", "version"),
}

SCIENCE = ("processes", "denoisers", "losses", "samplers")
EVERYWHERE = tuple(part for parts in FLOORS.values() for part in parts)

# What no file of these parts may import.
WALLS = {
    "pandas": (*SCIENCE, "training", "networks", "types"),
    "flax": tuple(part for part in EVERYWHERE if part != "networks"),
    "diffrax": tuple(part for part in EVERYWHERE if part not in ("samplers", "names", "benchmark")),
    "jax": ("data", "codecs", "baselines"),
    "pickle": EVERYWHERE,
    "cloudpickle": EVERYWHERE,
    "joblib": EVERYWHERE,
    "jaxehr.training": SCIENCE,
    "jaxehr.data": (*SCIENCE, "training"),
    "jaxehr.codecs": (*SCIENCE, "training", "evaluation"),
}

NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def floor_of(part):
    return next(floor for floor, parts in FLOORS.items() if part in parts)


def imports(path):
    """Every module that a file imports, at its head or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path, package):
    return path.relative_to(package).with_suffix("").parts[0]


def broken(package):
    """A line for each import that the plan does not allow."""
    for path in sorted(package.rglob("*.py")):
        part = part_of(path, package)
        for name in imports(path):
            words = name.split(".")
            if (
                words[0] == "jaxehr"
                and len(words) > 1
                and any(words[1] in p for p in FLOORS.values())
            ):
                other = words[1]
                if other != part and floor_of(other) >= floor_of(part) < 6:
                    yield f"{path.name} of {part} imports {name}: not below it"
            for wall, parts in WALLS.items():
                if part in parts and (name == wall or name.startswith(wall + ".")):
                    yield f"{path.name} of {part} imports {name}: a wall"


def test_imports_follow_the_plan():
    assert list(broken(PACKAGE)) == []


def test_every_part_is_on_a_floor():
    parts = {part_of(path, PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert parts <= set(EVERYWHERE)


def test_every_file_has_a_name_that_says_something():
    assert not [path for path in PACKAGE.rglob("*.py") if path.stem in NAMELESS]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("samplers/x.py", "import pandas"),
        ("losses.py", "from jaxehr.training import train"),
        ("evaluation/x.py", "from jaxehr.recipes import fit"),
        ("recipes/x.py", "from flax import linen"),
        ("recipes/x.py", "import diffrax"),
        ("cli.py", "import diffrax"),
        ("data/x.py", "import jax.numpy as jnp"),
        ("training/x.py", "def f():\n    import pickle"),
        ("processes/x.py", "from jaxehr import data"),
    ],
)
def test_a_planted_import_is_caught(tmp_path, file, line):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(line + "\n")
    assert len(list(broken(tmp_path))) >= 1
