"""MEDS folders on the command line: learnt from, and drawn into."""

import shutil

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import Records, read_meds, write_meds
from jaxehr.data.meds import SYNTHETIC_IDS, Metadata

SMALL = ["--set", "width=(16, 16)", "--set", "time_width=8", "--batch-size", "32", "--steps", "4"]
TEXT = "str" if pd.__version__ >= "3" else object


def patients():
    """A static table and events of 120 subjects."""
    rng = np.random.default_rng(0)
    ids = np.arange(120) + 1000
    sex = pd.Series(rng.choice(["F", "M"], 120), dtype=TEXT)
    static = pd.DataFrame({"subject_id": ids, "sex": sex, "age": rng.integers(20, 90, 120)})
    whose = np.sort(rng.integers(0, 120, 900))
    codes = pd.Series(rng.choice(["ICD//I10", "ICD//E11", "LAB//1"], 900), dtype=TEXT)
    events = pd.DataFrame({"subject_id": ids[whose], "code": codes})
    return Records(static, events.assign(time=np.datetime64("2020-01-01", "us")))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meds")
    write_meds(patients(), folder / "real")
    arguments = ["--data", str(folder / "real"), "--out", str(folder / "run"), *SMALL]
    assert main(["fit", "ehrdiff", *arguments]) == 0
    return folder


def run(*arguments):
    return main([str(each) for each in arguments])


def test_a_dataset_is_learnt_and_drawn(home, capsys):
    command = ["sample", home / "run", "-n", 60, "--batch-size", 16, "--out"]
    assert run(*command, home / "synthetic") == 0
    real, drawn = patients(), read_meds(home / "synthetic")
    assert len(drawn.static) == 60 and list(drawn.static) == list(real.static)
    assert list(drawn.static["subject_id"]) == list(SYNTHETIC_IDS[:60])
    assert drawn.static.drop(columns="subject_id").dtypes.equals(
        real.static.drop(columns="subject_id").dtypes
    )
    assert set(drawn.events["code"]) <= set(real.events["code"])
    assert set(drawn.events["subject_id"]) <= set(drawn.static["subject_id"])
    # The same draws as one batch: a seed is what decides.
    command[command.index(16)] = 1024
    assert run(*command, home / "synthetic", "--overwrite") == 0
    again = read_meds(home / "synthetic")
    pd.testing.assert_frame_equal(again.static, drawn.static)
    pd.testing.assert_frame_equal(again.events, drawn.events)


def test_a_split_is_read_alone_in_every_command(home, capsys, tmp_path):
    real = patients()
    splits = pd.Series("train", real.static["subject_id"]).mask(
        lambda s: s.index >= 1100, "held_out"
    )
    write_meds(real, tmp_path / "real", metadata=Metadata(splits=splits))
    for name, n in (("real", 120), ("real@train", 100), ("real@held_out", 20)):
        assert run("schema", "--data", tmp_path / name) == 0
        assert f"({n} rows, " in capsys.readouterr().out
    assert run("schema", "--data", tmp_path / "real@test") == 2
    assert "no split 'test'; it has train (100), held_out (20)" in capsys.readouterr().err
    assert run("schema", "--data", tmp_path / "none@train") == 2
    assert "none@train" in capsys.readouterr().err


def test_gaps_are_filled_and_events_stay(home):
    real = patients()
    gaps = real.static.assign(
        age=real.static["age"].astype("float64").mask(real.static.index % 3 == 0)
    )
    write_meds(Records(gaps, real.events), home / "gaps")
    assert run("impute", home / "run", "--data", home / "gaps", "--out", home / "filled") == 0
    filled, given = read_meds(home / "filled"), read_meds(home / "gaps")
    pd.testing.assert_frame_equal(filled.events, given.events)
    there = given.static["age"].notna()
    assert filled.static["age"].notna().all() and not there.all()
    assert (filled.static["age"] == given.static["age"])[there].all()
    assert filled.static["subject_id"].equals(given.static["subject_id"])


def test_mistakes_in_one_line(home, capsys):
    def refused(*arguments):
        capsys.readouterr()
        assert run(*arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        return [line for line in lines if line.startswith("jaxehr: ")][-1]

    shutil.copytree(home / "real", home / "mine")
    sample = ["sample", home / "run", "-n", 5, "--out"]
    assert "is there already; choose another --out" in refused(*sample, home / "mine")
    assert "is no part of a MEDS dataset and would be lost" in refused(*sample, home, "--overwrite")
    impute = ["impute", home / "run", "--data", home / "mine", "--draws", 2, "--out"]
    assert "name a file in --out" in refused(*impute, home / "two")
    fit = ["fit", "ehrdiff", "--out", home / "new", "--data"]
    assert "has no folder data/; a MEDS dataset has" in refused(*fit, home / "real" / "metadata")
    assert "--sep is for files" in refused(*fit, home / "real", "--sep", ",")
    shard = home / "mine" / "data" / "0.parquet"
    shard.write_bytes(shard.read_bytes()[:-9])
    assert "0.parquet cannot be read as Parquet" in refused(*fit, home / "mine")
    assert not (home / "new").exists()
