"""Where a command is to write is looked at before its work: no input is there, and yet it is not what is said."""

import os
import subprocess
import sys

import pytest

from jaxehr.cli import main

RECORDS = {
    "sample": ["sample", "no_run", "-n", "3"],
    "impute": ["impute", "no_run", "--data", "in.csv"],
    "baseline": ["baseline", "marginals", "--data", "in.csv", "-n", "3"],
}
FOLDERS = {
    "fit": ["fit", "masked", "--data", "no.csv"],
    "evaluate": ["evaluate", "--real", "no.csv", "--synthetic", "no.csv"],
    "audit": ["audit", "no_run", "--members", "no.csv", "--nonmembers", "no.csv"],
    "review": ["review", "--real", "no.csv", "--synthetic", "no.csv"],
    "demo": ["demo"],
}


def said(capsys, *command):
    capsys.readouterr()
    assert main([str(word) for word in command]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("age,sex\n40,f\n,m\n")


@pytest.mark.parametrize("name", RECORDS)
def test_a_file_is_not_written_over_unasked(capsys, tmp_path, name):
    before = (tmp_path / "in.csv").read_text()
    line = said(capsys, *RECORDS[name], "--out", "in.csv")
    assert line == "jaxehr: in.csv is there already; choose another --out, or give --overwrite"
    assert (tmp_path / "in.csv").read_text() == before
    if name != "baseline":  # asked to, it goes on to what is not there
        assert "no_run is not a run" in said(
            capsys, *RECORDS[name], "--out", "in.csv", "--overwrite"
        )
    else:
        assert main([*RECORDS[name], "--out", "in.csv", "--overwrite"]) == 0
        assert len((tmp_path / "in.csv").read_text().splitlines()) == 4


REPORTS = {
    "evaluate": (FOLDERS["evaluate"], "report.html"),
    "compare": (["evaluate", "--real", "no.csv", "--compare", "a=no.csv"], "comparison.json"),
    "audit": (FOLDERS["audit"], "report.json"),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_not_written_over_unasked(capsys, tmp_path, name):
    command, file = REPORTS[name]
    os.mkdir("last")
    (tmp_path / "last" / file).write_text("the last one")
    line = said(capsys, *command, "--out", "last")
    assert (
        line == f"jaxehr: last/{file} is there already; choose another --out, or give --overwrite"
    )
    for more in (["--out", "last", "--overwrite"], ["--out", "new"]):  # on to what is not there
        assert "no.csv" in (line := said(capsys, *command, *more)) or "no_run is not a run" in line
    assert (tmp_path / "last" / file).read_text() == "the last one"


@pytest.mark.parametrize("kind", ["json", "svg", "png"])
def test_a_page_of_a_benchmark_is_not_written_over_unasked(capsys, tmp_path, kind):
    (tmp_path / f"page.{kind}").write_text("the last one")
    command = ["benchmark", "samplers", "--nfe", "10", "--out", "page.json"]
    assert f"page.{kind} is there already" in said(capsys, *command)
    line = said(capsys, *command, "--data", "no.csv", "--overwrite")
    assert "--data wants --run RUN" in line


@pytest.mark.parametrize("name", RECORDS)
def test_a_file_that_cannot_be_is_said_first(capsys, name):
    os.mkdir("folder.csv")
    assert "folder.csv is a folder" in said(capsys, *RECORDS[name], "--out", "folder.csv")
    assert "written in these" in said(capsys, *RECORDS[name], "--out", "out.txt")
    line = said(capsys, *RECORDS[name], "--out", "in.csv/deeper/out.csv")
    assert "a file stands where a folder is wanted: " in line


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_cannot_be_is_said_first(capsys, name, tmp_path):
    line = said(capsys, *FOLDERS[name], "--out", "in.csv")
    assert "a file stands where a folder is wanted: " in line and "in.csv" in line
    if os.geteuid():  # the root may write anywhere
        os.mkdir("shut", 0o500)
        assert "nothing can be written in this folder" in said(
            capsys, *FOLDERS[name], "--out", "shut/out"
        )
    assert {path.name for path in tmp_path.iterdir()} <= {"in.csv", "shut"}


@pytest.mark.parametrize("what", [["recipes"], ["recipes", "vae"]])
def test_a_reader_that_has_seen_enough(what):
    """As of `jaxehr recipes | head -1`, and of what is shorter than a buffer: the code of a closed pipe alone."""
    command = [sys.executable, "-m", "jaxehr", *what]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    process.stdout.close()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (141, b"")


def test_one_recipe_is_shown(capsys):
    assert main(["recipes", "masked"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("masked  ") and "ehrdiff  " not in shown
    assert "did you mean masked?" in said(capsys, "recipes", "maskd")
