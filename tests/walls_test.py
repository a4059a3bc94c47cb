"""The plan of the house: who may import whom. Arrows only point down, and some walls have no door."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxehr"

# A part may import parts of lower floors, and of its own.
FLOORS = {
    6: (
        "__init__",
        "__main__",
        "cli",
        "commands",
        "names",
        "settings",
        "runs",
        "export",
        "exported",
    ),
    5: ("recipes", "benchmark", "audit"),
    4: ("synthesis",),
    3: ("training", "evaluation", "baselines", "samplers", "denoisers", "losses"),
    2: ("codecs", "processes"),
    1: ("data", "networks", "numerics"),
    0: ("types", "files", "machine", "version"),
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
    "meds": EVERYWHERE,  # of the tests
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


def circle(package):
    """Files that need each other, through whatever others, to be imported at all; what only types are for is none."""
    files = {name_of(path, package): path for path in package.rglob("*.py")}
    needs = {name: set(needed(path, files)) - {name} for name, path in files.items()}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    # What is left needs a circle; what only leads to one is not of it.
    while top := needs.keys() - set().union(*needs.values()):
        for name in top:
            del needs[name]
    return sorted(needs)


def name_of(path, package):
    words = (package.name, *path.relative_to(package).with_suffix("").parts)
    return ".".join(words).removesuffix(".__init__")


def needed(path, files):
    for node in run(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                file = f"{node.module}.{alias.name}"
                yield file if file in files else node.module


def run(node):
    """All that stands below a node, but for what stands under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from run(child)


# The evaluation sees blocks. One file makes them, and nowhere else is asked what kind of records there are.
MADE_IN = "evaluation/blocks/frames.py"
ONE_WAY = ("evaluation/**/*.py", "benchmark/quality.py")
KINDS = {"Records", "DataFrame", "Table", "Bits", "Blocks", "TableCodec", "CodesCodec"}


def branches(package):
    """A line for each place that asks of which kind records are."""
    files = {path for pattern in ONE_WAY for path in package.glob(pattern)}
    for path in sorted(files - {package / MADE_IN}):
        for node in ast.walk(ast.parse(path.read_text())):
            inside = [*ast.walk(node)]
            words = {n.id for n in inside if isinstance(n, ast.Name)}
            words |= {n.attr for n in inside if isinstance(n, ast.Attribute)}
            said = {n.value for n in inside if isinstance(n, ast.Constant)}
            compares = isinstance(node, ast.Compare)
            asks = compares or (
                isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
            )
            if (asks and words & KINDS) or (compares and said & {"codes", "table"}):
                yield f"{path.name}: {ast.unparse(node)}"


def test_no_files_form_a_circle():
    assert circle(PACKAGE) == []


def test_the_evaluation_asks_for_no_kind_of_records():
    assert list(branches(PACKAGE)) == []


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


def test_a_planted_circle_is_caught(tmp_path):
    package = tmp_path / "jaxehr"
    package.mkdir()
    for name, line in {
        "__init__": "",
        "a": "from jaxehr import b",
        "b": "def f():\n    from jaxehr.c import x",
        "c": "import jaxehr.a",
        "d": "from jaxehr.a import x",
    }.items():
        (package / f"{name}.py").write_text(line + "\n")
    assert circle(package) == ["jaxehr.a", "jaxehr.b", "jaxehr.c"]
    line = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jaxehr.a\n"
    (package / "c.py").write_text(line)
    assert circle(package) == []


@pytest.mark.parametrize(
    "line",
    [
        "if isinstance(real, Bits | Table): pass",
        "x = 1 if type(data) is pd.DataFrame else 2",
        "if job.records == 'table': pass",
        "codes = schema.records == 'codes'",
    ],
)
def test_a_planted_branch_is_caught(tmp_path, line):
    path = tmp_path / "evaluation" / "measures" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert len(list(branches(tmp_path))) >= 1
    (tmp_path / MADE_IN).parent.mkdir(parents=True)
    path.rename(tmp_path / MADE_IN)
    assert list(branches(tmp_path)) == []
