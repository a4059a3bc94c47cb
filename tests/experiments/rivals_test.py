"""Rivals: what is asked is what is run, and what cannot be is refused in one line."""

import contextlib
import importlib.util
import inspect
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import rival_models
import rivals


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.parquet"
    pd.DataFrame({"age": [1.0, 2.0, 3.0], "ward": ["a", "b", None]}).to_parquet(path)
    return str(path)


def test_each_rival_has_a_model_that_takes_its_settings_and_versions_are_pinned():
    assert set(rival_models.MODELS) == set(rivals.RIVALS) - {rivals.JUDGE}
    for name, rival in rivals.RIVALS.items():
        assert all("==" in package for package in rival.packages), name
    for name, model in rival_models.MODELS.items():
        taken = set(inspect.signature(model).parameters)
        assert {"train", "seed", *rivals.RIVALS[name].settings} <= taken, name


@pytest.mark.parametrize(
    "given, said",
    [
        (["ctgan"], "give the rows to learn as --train FILE"),
        (["ctgan", "--train", "rows.csv"], "--train wants a Parquet file"),
        (["ctgan", "--train", "nowhere.parquet"], "there is no nowhere.parquet"),
        (
            ["copula", "--train", "TRAIN", "--set", "epochs=3"],
            "takes epochs=N, of tabularargn, ctgan",
        ),
        (["ctgan", "--train", "TRAIN", "--set", "epochs=few"], "got epochs=few"),
        (["ctgan", "--train", "TRAIN", "--set", "width=3"], "got width=3"),
        (["synthpop", "--train", "TRAIN"], "invalid choice: 'synthpop'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_installed(
    train, tmp_path, given, said, capsys
):
    arguments = [train if each == "TRAIN" else each for each in given]
    with pytest.raises(SystemExit):
        rivals.main([*arguments, "--envs", str(tmp_path / "envs")])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "envs").exists()


def test_an_environment_of_other_versions_is_refused_and_the_others_go_on(train, tmp_path, capsys):
    folder = tmp_path / "envs" / "sdv"
    folder.mkdir(parents=True)
    (folder / "packages.txt").write_text("sdv==0.1")
    judge = tmp_path / "envs" / "sdmetrics"
    judge.mkdir()
    (judge / "packages.txt").write_text("\n".join(rivals.RIVALS["sdmetrics"].packages))
    out = ["--out", str(tmp_path / "out"), "--envs", str(tmp_path / "envs"), "--train", train]
    assert rivals.main(["copula", "sdmetrics", *out]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "copula: " in said.err and "other versions" in said.err
    assert "| sdmetrics | sdmetrics==" in said.out and "| copula |" not in said.out


def test_what_pip_cannot_install_is_refused_and_leaves_nothing(tmp_path):
    rival = rivals.Rival("none", ("no-such-rival==0.0",), (), "")
    with pytest.raises(
        rivals.Refused, match=r"could not install no-such-rival==0\.0: ERROR: No matching"
    ):
        rivals.installed(rival, tmp_path, ["--no-index"])
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("sdv") is not None, reason="sdv is here")
def test_a_rival_that_fails_is_refused_in_one_line_and_leaves_its_log_only(train, tmp_path):
    arguments = ["copula", "--train", train, "--out", str(tmp_path), "--envs", str(tmp_path)]
    with pytest.raises(
        rivals.Refused, match="it failed: ModuleNotFoundError: No module named 'sdv'"
    ):
        rivals.run("copula", sys.executable, rivals.options_of(arguments), {})
    assert {path.name for path in tmp_path.iterdir()} == {"train.parquet", "copula.log"}


def test_what_takes_too_long_is_stopped(train, tmp_path):
    arguments = ["copula", "--train", train, "--out", str(tmp_path), "--envs", str(tmp_path)]
    options = rivals.options_of([*arguments, "--minutes", "0.0001"])
    with pytest.raises(rivals.Refused, match=r"not done after 0\.0001 minutes"):
        rivals.run("copula", sys.executable, options, {})
    assert {path.name for path in tmp_path.iterdir()} == {"train.parquet", "copula.log"}


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked up in /proc")
def test_what_a_rival_started_ends_with_it(tmp_path):
    """A worker that outlives its parent is stopped, whether the parent ends or is too slow."""
    started = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); "
    for after, refused, minutes in (("pass", None, 1), ("time.sleep(60)", rivals.Refused, 1 / 20)):
        log = tmp_path / "log"
        command = [sys.executable, "-S", "-c", started + after]
        with pytest.raises(refused) if refused else contextlib.nullcontext():
            rivals._started(command, log, minutes, str(tmp_path))
        time.sleep(0.1)
        state = Path(f"/proc/{int(log.read_text())}/stat")
        assert not state.exists() or state.read_text().split()[2] == "Z"
