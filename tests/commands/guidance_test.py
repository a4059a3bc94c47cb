"""Records under a label: fit --label, sample --given and --guidance."""

import jax
import numpy as np
import pandas as pd
import pytest
from untrained import untrained

from jaxehr.cli import main
from jaxehr.recipes import meddiff, tabddpm

KEY = jax.random.key(0)
TINY = {"width": (8,), "time_width": 8, "steps": 1, "timesteps": 8}


def patients(n=200):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            "ward": rng.choice(["icu", "er", "rehab"], n),
            "readmitted": rng.random(n) < 0.3,
            "ill": True,
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Runs that learnt nothing: of meddiff with a label and without, and of tabddpm that cannot be guided."""
    folder = tmp_path_factory.mktemp("guidance")
    frame = patients()
    frame.to_csv(folder / "table.csv", index=False)
    for name, recipe in {
        "labelled": meddiff(
            frame, label="readmitted", classifier_width=(8,), sampling_steps=4, **TINY
        ),
        "plain": meddiff(frame, sampling_steps=4, **TINY),
        "undropped": tabddpm(frame, label="ward", **TINY),
    }.items():
        untrained(recipe).save(folder / name)
    return folder


def refused(capsys, *arguments):
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_patients_under_a_label_by_a_sampler_of_choice(home, capsys):
    out = home / "back.csv"
    asked = ["--given", "readmitted=1", "--guidance", "2", "--sampler", "anderson", "--nfe", "6"]
    assert main(["sample", str(home / "labelled"), "-n", "30", "--out", str(out), *asked]) == 0
    assert "6 evaluations in 6 steps of anderson" in capsys.readouterr().err
    drawn = pd.read_csv(out)
    assert len(drawn) == 30 and drawn["readmitted"].all()


@pytest.mark.parametrize(
    ("run", "guidance", "said"),
    [
        ("labelled", "-1", "guidance must be a number from 0 to 100; got -1.0"),
        ("labelled", "inf", "guidance must be a number from 0 to 100; got inf"),
        ("labelled", "1e30", "guidance must be a number from 0 to 100; got 1e+30"),
        ("plain", "2", "this run of meddiff was trained without a label, which guidance needs"),
        ("undropped", "2", "this run of tabddpm was trained without label_dropout above 0"),
    ],
)
def test_guidance_that_cannot_be_is_refused_and_nothing_written(home, capsys, run, guidance, said):
    out = home / "none.csv"
    line = refused(capsys, "sample", home / run, "-n", 5, "--out", out, f"--guidance={guidance}")
    assert said in line and not out.exists()


def test_a_recipe_without_labels_has_no_guidance(home):
    from jaxehr.recipes import ddim

    run = untrained(ddim(patients(), sampling_steps=4, **TINY))
    with pytest.raises(
        ValueError, match="ddim draws without guidance; a run of meddiff with a label"
    ):
        run.sample(KEY, 5, guidance=1.0)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("ill", "the label 'ill' has one value only; there is nothing to predict"),
        ("age", "the label 'age' is a number, and a classifier of records needs classes"),
        ("readmited", "the label 'readmited' is no column; the columns are"),
    ],
)
def test_a_label_that_cannot_be_is_refused_in_one_line(home, capsys, label, said):
    data = ["--data", home / "table.csv", "--out", home / "new"]
    line = refused(capsys, "fit", "meddiff", *data, "--label", label)
    assert said in line and not (home / "new").exists()
    assert (home / "new.schema.json").exists() == (label == "age")  # which another schema mends
    (home / "new.schema.json").unlink(missing_ok=True)


def test_tabddpm_told_its_label_is_guided_by_it():
    """Where a tenth of the rows were not. At 0 it is what was learnt."""
    run = untrained(tabddpm(patients(), label="ward", label_dropout=0.1, **TINY))
    learnt = run.sample(KEY, 40)
    pd.testing.assert_frame_equal(run.sample(KEY, 40, guidance=0.0), learnt, rtol=1e-4)
    guided = run.sample(KEY, 40, guidance=2.0)
    assert (guided["ward"] == learnt["ward"]).all() and not guided.equals(learnt)
