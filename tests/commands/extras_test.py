"""Of a plain `pip install jaxehr`: what needs an extra says in one line which; all else needs none."""

import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from jaxehr import exported
from jaxehr.cli import main

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
FILES = {"a.xlsx": b"", "a.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.sav": b"$FL2"}
COMMANDS = {
    "schema": ["schema", "--data", "FILE"],
    "fit": ["fit", "masked", "--data", "FILE", "--out", "run"],
    "baseline": ["baseline", "marginals", "--data", "FILE", "-n", "3", "--out", "drawn.csv"],
    "evaluate": ["evaluate", "--real", "FILE", "--synthetic", "FILE", "--out", "report"],
    "review": ["review", "--real", "FILE", "--synthetic", "FILE", "--out", "review"],
}


@pytest.fixture(autouse=True)
def _plain(tmp_path, monkeypatch):
    """Without any package of the extras that users install."""
    monkeypatch.chdir(tmp_path)
    for extra in ("files", "demo", "export"):
        for wanted in EXTRAS[extra]:
            monkeypatch.setitem(sys.modules, re.split("[<>=]", wanted)[0], None)
    for name, begins in FILES.items():
        (tmp_path / name).write_bytes(begins + b"\0" * 600)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "")


def said(capsys, *command):
    assert main(list(command)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_needs_an_extra_names_it(capsys, name, file):
    command = [file if word == "FILE" else word for word in COMMANDS[name]]
    line = said(capsys, *command)
    assert line.startswith(f"jaxehr: {file} needs the package ")
    assert line.endswith(": pip install 'jaxehr[files]'; or save it as CSV")


def test_the_demo_names_its_extra(capsys):
    assert said(capsys, "demo").endswith("pip install 'jaxehr[demo]'")


def test_an_exported_sampler_names_its_extra(tmp_path):
    with pytest.raises(ImportError, match=r"a needs the package .*pip install 'jaxehr\[export\]'$"):
        exported.load(tmp_path / "a")


@pytest.mark.parametrize("what", [["recipes"], ["samplers"], ["help", "data"]])
def test_nothing_else_needs_one(capsys, what):
    assert main(what) == 0


def test_csv_needs_none(tmp_path, capsys):
    rows = "".join(f"{20 + i % 50},{'fm'[i % 2]}\n" for i in range(60))
    (tmp_path / "in.csv").write_text("age,sex\n" + rows)
    assert main(["schema", "--data", "in.csv"]) == 0
    assert main(["baseline", "marginals", "--data", "in.csv", "-n", "3", "--out", "a.parquet"]) == 0
