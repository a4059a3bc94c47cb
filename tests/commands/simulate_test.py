"""jaxehr simulate: the hospital's patients as a MEDS dataset, whole or not at all."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import hospital
from jaxehr.data.meds import read_meds, read_metadata


def refused(capsys, *words):
    capsys.readouterr()
    assert main(["simulate", *map(str, words)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_what_is_written_is_what_the_hospital_is(tmp_path, capsys):
    """Two ways to one answer, over the end of a block; the values as MEDS holds them, in 32 bits."""
    out = tmp_path / "hospital"
    assert main(["simulate", "-n", "1200", "--seed", "3", "--world", "1", "--out", str(out)]) == 0
    drawn, read = hospital(1200, 3, world=1), read_meds(out)
    pd.testing.assert_frame_equal(
        read.static.sort_values("subject_id").reset_index(drop=True), drawn.static
    )
    columns = ["subject_id", "time", "code", "numeric_value"]
    sets = [frame[columns].sort_values(columns[:3]) for frame in (read.events, drawn.events)]
    assert len(sets[0]) == len(sets[1])
    for name in columns[:3]:
        assert np.array_equal(sets[0][name], sets[1][name])
    values = [each["numeric_value"].to_numpy(np.float32) for each in sets]
    assert np.array_equal(*values, equal_nan=True)
    assert f"1,200 patients of world 1, {len(drawn.events):,} events" in capsys.readouterr().err
    codes = read_metadata(out).codes.set_index("code")["description"]
    assert codes["ICD10//E11.9"] == "type 2 diabetes"
    assert codes[drawn.events["code"].unique()].notna().all()


def test_a_trial(tmp_path):
    out = tmp_path / "arm"
    command = ["simulate", "-n", "40", "--out", str(out), "--do", "age=65", "--do", "sex=male"]
    assert main(command) == 0
    static = read_meds(out).static
    assert set(static["age"]) == {65} and set(static["sex"]) == {"male"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", 0], "patients: a whole number from 1 is wanted; got 0"),
        (["-n", 5, "--seed", -2], "a seed: a whole number from 0 is wanted; got -2"),
        (["-n", 5, "--do", "sex=m"], "sex='m'; wanted is one of female, male"),
        (["-n", 5, "--do", "statin"], "--do statin: wanted is NAME=VALUE, each name once"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(words, said, tmp_path, capsys):
    assert said in refused(capsys, *words, "--out", tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_dataset_is_not_written_over_unasked(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["simulate", "-n", "20", "--out", str(out)]
    assert main(command) == 0
    before = read_meds(out).events
    assert "is there already" in refused(capsys, *command[1:], "--seed", 1)
    pd.testing.assert_frame_equal(read_meds(out).events, before)
    assert main([*command, "--seed", "1", "--overwrite"]) == 0
    assert not read_meds(out).events.equals(before)


def test_what_is_no_dataset_is_never_taken_away(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "thesis.txt" in refused(capsys, "-n", 5, "--out", tmp_path, "--overwrite")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
