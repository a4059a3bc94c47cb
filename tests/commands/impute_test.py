"""Conditions and imputation on the command line, of a network that draws each column from its frequencies."""

import jax
import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import Inequality, Schema
from jaxehr.recipes import masked
from jaxehr.synthesis.recipe import Synthesizer


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    low = rng.integers(60, 80, 2000)
    frame = pd.DataFrame(
        {
            "low": low,
            "high": low + rng.choice([0, 10, 20], 2000),
            "lab": np.where(rng.random(2000) < 0.3, np.nan, rng.integers(1, 9, 2000)),
            "ward": rng.choice(["er", "icu"], 2000),
        }
    )
    schema = Schema(Schema.infer(frame).columns, (), (Inequality("low", "high"),))
    recipe = masked(frame, schema, width=8, blocks=1, steps=10, look_trees=0)
    params = recipe.stages[0].model.init(jax.random.key(0))
    Synthesizer(recipe, {"denoiser": params}).save(path / "run")
    gaps = frame[:60].astype({"low": float})
    gaps.loc[::2, "low"] = np.nan
    gaps.loc[1, ["low", "lab"]] = [99.0, np.nan]  # above its high, which is kept
    gaps.to_csv(path / "gaps.csv", index=False)
    return path


def test_given_on_the_command_line(home, capsys):
    out = home / "drawn.csv"
    words = ["--given", "high=79", "--given", "lab=", "--given", "ward=er"]
    assert main(["sample", str(home / "run"), "-n", "40", "--out", str(out), *words]) == 0
    drawn = pd.read_csv(out)
    assert (
        (drawn["high"] == 79).all() and drawn["lab"].isna().all() and (drawn["ward"] == "er").all()
    )
    assert set(79 - drawn["low"]) == {0, 10}
    for word, said in [("high=79.5", "whole numbers"), ("low=", "never missing"), ("ward=x", "er")]:
        assert main(["sample", str(home / "run"), "-n", "4", "--out", "x.csv", "--given", word])
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert said in error and "Traceback" not in error


def test_a_table_is_filled_within_its_constraints(home, capsys, caplog):
    out, gaps = home / "filled.csv", pd.read_csv(home / "gaps.csv")
    assert (
        main(["impute", str(home / "run"), "--data", str(home / "gaps.csv"), "--out", str(out)])
        == 0
    )
    filled = pd.read_csv(out)
    assert filled.notna().all(axis=None) and (filled["high"] == gaps["high"]).all()
    assert (filled["low"] > filled["high"]).tolist() == [row == 1 for row in range(60)]
    assert "rows 2 (the first is row 1)" in caplog.text
    assert (
        f"{int(gaps.isna().sum().sum())} missing cells of 60 rows filled" in capsys.readouterr().err
    )


def test_what_training_never_saw_stays_empty_or_is_refused_by_name(tmp_path, capsys):
    """A column without a value in training is left empty, and said; of one with one value another is refused."""
    frame = pd.DataFrame({"age": np.arange(60) % 7, "site": "A", "note": np.nan})
    frame = frame.astype({"age": float}).astype({"note": "str"}).assign(note=None)
    recipe = masked(frame, width=8, blocks=1, steps=10, look_trees=0)
    params = recipe.stages[0].model.init(jax.random.key(0))
    Synthesizer(recipe, {"denoiser": params}).save(tmp_path / "run")
    frame.loc[:4, "age"] = np.nan
    frame.loc[7, "site"] = "B"
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    out = tmp_path / "filled.csv"
    command = [
        "impute",
        str(tmp_path / "run"),
        "--data",
        str(tmp_path / "gaps.csv"),
        "--out",
        str(out),
    ]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "'site' has 'B'" in said and "(--unseen-as-missing) draws another instead" in said
    assert main([*command, "--unseen-as-missing"]) == 0
    filled = pd.read_csv(out)
    assert filled["note"].isna().all() and filled["age"].notna().all()
    assert (filled["site"] == "A").all()
    assert "5 missing cells of 60 rows filled 1 times" in (said := capsys.readouterr().err)
    assert "; 60 left empty, of note" in said
