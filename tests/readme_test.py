"""The README's Python example is run, as it stands."""

import re
from pathlib import Path

import pandas as pd
import pytest

from jaxehr.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


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


@pytest.mark.parametrize(
    "command",
    ["demo", "recipes", "samplers", "fit", "sample", "evaluate", "benchmark samplers", "check"],
)
def test_every_command_is_shown(command):
    assert f"jaxehr {command}" in README
