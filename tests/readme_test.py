"""The README's Python example is run, as it stands; its commands are those that there are."""

import re
from pathlib import Path
from textwrap import indent

import pandas as pd
from pages import commands, faults

from jaxehr.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_ten_lines_of_python(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[:1]
    assert len(code.strip().splitlines()) <= 12
    rows = range(240)
    table = pd.DataFrame(
        {
            "age": [20 + i % 60 for i in rows],
            "sex": ["fm"[i % 2] for i in rows],
            "death": [i % 7 == 0 for i in rows],
        }
    )
    monkeypatch.chdir(tmp_path)
    table[:120].to_csv("train.csv", index=False)
    table[120:].to_csv("holdout.csv", index=False)
    code = code.replace("steps=2_500", "steps=20, width=16, blocks=1")
    exec(compile(code.replace("10_000", "50"), "README.md", "exec"), {})
    assert (tmp_path / "report" / "report.html").exists()
    assert "shape_error" in capsys.readouterr().out


def test_the_example_solver_obeys_the_laws(tmp_path, capsys):
    (code,) = re.findall(r"```python\n(# my_solver.py.*?)```", README, flags=re.DOTALL)
    (tmp_path / "my_solver.py").write_text(code)
    assert main(["check", f"{tmp_path / 'my_solver.py'}:Midpoint"]) == 0
    assert "EDM: 1.99, stated 2" in capsys.readouterr().out


def test_nothing_is_named_that_is_not_there():
    page = re.sub(r"```(\w*)\n(.*?)```", lambda m: indent(m[2], "  "), README, flags=re.DOTALL)
    assert list(faults(page)) == []
    shown = {line.split()[1] for line in commands(page)}
    assert shown >= {"demo", "recipes", "fit", "sample", "evaluate", "benchmark", "check", "help"}


def test_it_is_read_in_ten_minutes():
    assert len(README.splitlines()) <= 170
    for link in re.findall(r"\]\((?!http)(.*?)\)", README):
        assert (ROOT / link).exists(), link
