"""A white-box audit: loud on a model that learnt its patients by heart, silent on one that never saw them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from patients import bits, frame, table

from jaxehr.audit import audit, learnt, losses, remembered, said, scored, scores
from jaxehr.cli import main
from jaxehr.codecs import fit_codec
from jaxehr.data import DataError
from jaxehr.recipes import ddpm, masked
from jaxehr.synthesis import fit
from jaxehr.synthesis.look import DRAWN, as_records
from jaxehr.types import Draw, Model


def test_every_row_has_the_same_draws():
    """The loss is a row's product with the noise of its draw: a row of another batch has the same."""

    def loss(params, key, x0):
        return jnp.sum(x0 * jax.random.normal(key, x0.shape), axis=-1)

    model = Model(lambda key: {}, loss, lambda params, key: Draw(jnp.zeros(3), jnp.asarray(0)))
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    found = losses(model, {}, x, jax.random.key(0), draws=7, batch_size=16)
    noise = np.stack(
        [jax.random.normal(k, (1, 3))[0] for k in jax.random.split(jax.random.key(0), 7)]
    )
    np.testing.assert_allclose(found, x @ noise.T, atol=1e-5)


def test_a_draw_of_large_losses_does_not_drown_the_others():
    rng = np.random.default_rng(0)
    members, others = (
        np.stack([rng.normal(m, 1, 500), 1e6 * rng.normal(size=500)], 1) for m in (-4, 0)
    )
    found = scores(members, others)
    assert np.mean(found.members > 0) > 0.7 and np.mean(found.others < 0) > 0.7


def law(n, seed):
    """Rows that differ from each other in many bits: what a patient equals by chance, no loss can tell."""
    return (np.random.default_rng(seed).random((n, 64)) < 0.3).astype(np.int8)


@pytest.fixture(scope="module")
def by_heart():
    """200 patients, and a network that can hold them all: scores of them and of others, with an untrained reference."""
    members, others = law(200, 0), law(2000, 1)
    codec = fit_codec(frame(np.concatenate([members, others])))
    small = {"width": (256, 256), "timesteps": 100, "batch_size": 200, "ema_decay": 0.99}
    recipe = ddpm(codec, steps=1500, learning_rate=2e-3, **small)
    synthesizer = fit(recipe, frame(members), jax.random.key(0))
    to_x = lambda f: recipe.view.to_x(codec.encode(f))
    params = (synthesizer.params["denoiser"], synthesizer.model.init(jax.random.key(5)))
    ask = lambda p, a, b: scored(
        (synthesizer.model, p), to_x, frame(a), frame(b), jax.random.key(9), draws=64
    )
    return [ask(p, members, others) for p in params], ask(params[0], others[:1000], others[1000:])


def test_a_model_that_learnt_its_patients_by_heart_is_caught(by_heart):
    found = {m.name: m for m in audit(*by_heart[0])}
    for way in ("audit_loss", "audit_reference"):
        assert found[f"{way}_auc"].value >= 0.95
        assert found[f"{way}_tpr_at_1pct"].value >= 0.5
        assert found[f"{way}_epsilon"].value > 1


def test_patients_that_a_model_never_saw_are_alike_to_it(by_heart):
    """Twice the 95% interval: 1 in 2,000."""
    found = {m.name: m for m in audit(by_heart[1])}
    m = found["audit_loss_auc"]
    assert 2 * m.low - m.value <= 0.5 <= 2 * m.high - m.value
    assert found["audit_loss_epsilon"].value == 0


def rowwise(heart):
    """A loss that is a row's own noise, and lower by `heart` standard deviations for the rows that begin with 1."""

    def loss(params, key, x0):
        return (
            jax.random.normal(jax.random.fold_in(key, 1), x0.shape[:1])
            + x0[:, 1]
            - heart * x0[:, 0]
        )

    return Model(lambda key: {}, loss, lambda params, key: Draw(jnp.zeros(3), jnp.asarray(0)))


def test_what_a_run_remembers_is_said_in_a_line():
    """Losses apart by d standard deviations have an AUC of Phi(d / sqrt 2): .760 for 1, within 4 standard errors of a
    thousand against 120."""
    rng = np.random.default_rng(0)
    rows = lambda n, known: np.stack([np.full(n, known), rng.normal(size=n)], 1).astype(np.float32)
    learnt_, others = rows(1500, 1), rows(120, 0)
    found = {heart: remembered(rowwise(heart), {}, learnt_, others) for heart in (0, 1, 9)}
    assert found[1]["auc"] == pytest.approx(0.760, abs=0.1)
    assert found[9]["auc"] == found[9]["high"] == 1.0
    assert (found[1]["members"], found[1]["others"]) == (1000, 120)
    assert said(found[9], 1500).startswith("it leaks: ") and "AUC 1.000" in said(found[9], 1500)
    assert said(found[1], 1500).startswith("it leaks: ")
    assert said(found[0], 1500).startswith("the run's losses do not tell")
    assert "none was held out" in said(None, 250) and "250 patients" in said(None, 250)


def test_fit_and_sample_say_what_the_run_remembers(tmp_path, capsys):
    small = ["--set", "width=(16,)", "--steps", "40", "--batch-size", "64"]
    for n, expected in ((240, "not measured: "), (1_050, "the run's losses ")):
        path, run = tmp_path / f"{n}.csv", str(tmp_path / f"run {n}")
        frame(bits(n, 0)).to_csv(path, index=False)
        assert main(["fit", "ddpm", "--data", str(path), "--out", run, *small]) == 0
        (line,) = [at for at in capsys.readouterr().err.splitlines() if expected in at]
        sample = ["sample", run, "-n", "8", "--batch-size", "8", "--out"]
        assert main([*sample, str(tmp_path / f"drawn {n}.csv")]) == 0
        assert line in capsys.readouterr().err.splitlines()


def test_what_was_never_learnt_is_left_out():
    codec = fit_codec(table(100, 0).drop(columns="id"))
    odd = table(20, 1).drop(columns="id")
    odd.loc[:2, "ward"] = "spa"
    kept, left = learnt(odd, [codec])
    assert left == 3 and len(kept) == 17
    codes = frame(bits(50, 0))
    more = pd.concat([codes, pd.DataFrame({"subject_id": [1, 999], "code": ["NEW", "NEW"]})])
    kept, left = learnt(more, [fit_codec(codes, min_patients=1)])
    assert left == 1 and kept["subject_id"].nunique() == 50


def scattered(n, seed):
    """Four columns of forty values that know nothing of each other: what is learnt of them is by heart."""
    rng = np.random.default_rng(seed)
    letters = np.array([f"w{i}" for i in range(40)])
    return pd.DataFrame({f"c{j}": letters[rng.integers(0, 40, n)] for j in range(4)})


def test_a_second_look_that_knows_its_patients_by_heart_is_found_out(monkeypatch):
    for name, value in {"LEAF": 5, "FEWEST": 31, "RATE": 0.1}.items():
        monkeypatch.setattr(f"jaxehr.synthesis.second_look.{name}", value)
    data, others = scattered(600, 0), scattered(600, 1)
    recipe = masked(data, width=32, blocks=1, steps=10, look_trees=200, min_patients=1)
    view, codec, look = recipe.view, recipe.codec, recipe.look
    rows, drawn = (view.to_x(codec.encode(frame_)) for frame_ in (data, scattered(600, 2)))
    params = look.learn(
        0, (rows, drawn), (rows, drawn)
    )  # judged by what it learns: by heart is best
    unseen = as_records(view.to_x(codec.encode(others)))
    assert remembered(look.model, params, as_records(rows), unseen)["low"] > 0.6
    fresh = look.model.init(jax.random.key(0))
    assert remembered(look.model, fresh, as_records(rows), unseen)["auc"] == 0.5


def test_a_run_and_the_command_audit_both(tmp_path):
    """What tells more is what the run remembers."""
    data, run = scattered(1200, 0), tmp_path / "run"
    recipe = masked(data, width=16, blocks=1, steps=20, min_patients=1)

    def audited(model, params, learnt_, others):
        return {"auc": 0.9 if DRAWN in learnt_ and DRAWN in others else 0.6}

    synthesizer = fit(recipe, data, jax.random.key(0), run_dir=run, audit=audited)
    assert json.loads((run / "run.json").read_text())["remembers"] == {"auc": 0.9}
    for name, frame_ in {"members": data[:200], "others": scattered(200, 1)}.items():
        frame_.to_csv(tmp_path / f"{name}.csv", index=False)
    ask = [f"--members={tmp_path / 'members.csv'}", f"--nonmembers={tmp_path / 'others.csv'}"]
    assert main(["audit", str(run), *ask, "--draws", "8", "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())["metrics"]
    by = {m["name"]: m["value"] for m in found}
    assert {"audit_loss_auc", "audit_second_look_auc", "audit_second_look_epsilon"} <= set(by)
    assert "audit_reference_auc" not in by and synthesizer.recipe.look is not None


def test_the_command(tmp_path, capsys):
    files = {name: tmp_path / f"{name}.csv" for name in ("members", "others")}
    for seed, path in enumerate(files.values()):
        frame(bits(240, seed)).to_csv(path, index=False)
    small = ["--set", "width=(16,)", "--steps", "30", "--batch-size", "64"]
    run = str(tmp_path / "run")
    assert main(["fit", "ddpm", "--data", str(files["members"]), "--out", run, *small]) == 0
    ask = ["audit", run, "--members", str(files["members"]), "--nonmembers", str(files["others"])]
    out = tmp_path / "audit"
    assert main([*ask, "--reference", run, "--draws", "8", "--out", str(out)]) == 0
    found = json.loads((out / "report.json").read_text())["metrics"]
    by = {m["name"]: m for m in found}
    assert by["audit_reference_auc"]["value"] == 0.5  # nothing is left beside itself
    assert by["audit_loss_tpr_at_01pct"]["status"] == "underpowered: not evaluated"
    assert "audit_loss_auc" in capsys.readouterr().out
    few = tmp_path / "few.csv"
    frame(bits(30, 3)).to_csv(few, index=False)
    assert main([*ask[:4], "--nonmembers", str(few)]) == 2
    assert "an audit needs 100 members and 100 others" in capsys.readouterr().err


def test_records_of_other_columns_are_named():
    train = table(200, 0)
    codec = fit_codec(train)
    with pytest.raises(DataError, match="has no column 'los', which the schema names"):
        learnt(train.rename(columns={"los": "stay"}), [codec])
    with pytest.raises(DataError, match="one of the runs is of a table, the other of codes"):
        learnt(train, [codec, fit_codec(frame(bits(200, 0)))])
