"""A sampler in a file: the run's draws, bit for bit, without what trains; or a line that says why not."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from untrained import untrained

import jaxehr
from jaxehr import exported, names
from jaxehr.cli import main
from jaxehr.export import export
from jaxehr.exported import ExportError
from jaxehr.recipes import tabddpm, vae
from jaxehr.runs import load
from jaxehr.types import Draw

KEY = jax.random.key(5)
BATCH, ROWS = 16, 40


def records(n=80):
    rng = np.random.default_rng(0)
    hdl = np.where(rng.random(n) < 0.3, np.nan, rng.normal(50, 9, n).round(1))
    ward = rng.choice(["er", "icu", "rehab"], n)
    return pd.DataFrame(
        {"id": np.arange(n), "age": rng.integers(18, 95, n), "ward": ward, "hdl": hdl}
    )


NARROW = {"width": (8,), "time_width": 8, "batch_size": 16}
RECIPES = {  # the probability flow of numbers; a chain of both, under a label; one pass
    "ehrdiff": lambda r: jaxehr.ehrdiff(r, **NARROW, posterior_sigma=0.3, sampling_steps=3),
    "tabddpm": lambda r: tabddpm(r, **NARROW, label="ward", timesteps=3),
    "vae": lambda r: vae(r, width=(8,), latent=4, batch_size=16),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(a folder of exported samplers, the synthesizers that they are of)."""
    folder = tmp_path_factory.mktemp("exported")
    synthesizers = {name: untrained(make(records())) for name, make in RECIPES.items()}
    for name, synthesizer in synthesizers.items():
        export(synthesizer, folder / name, batch_size=BATCH)
    return folder, synthesizers


ELSEWHERE = f"""
import sys
import jax, numpy as np
from jaxehr import exported
never = {{"flax", "diffrax", "orbax", "optax", "jaxehr.training", "jaxehr.recipes", "jaxehr.networks"}}
for name in {list(RECIPES)}:
    sampler = exported.load(name)
    x, kept = sampler.x(jax.random.key(5), np.arange(3, 3 + {BATCH}))
    np.savez(name + ".npz", kept, *jax.tree.leaves(x))
    assert name != {next(iter(RECIPES))!r} or "pandas" not in sys.modules
    sampler.sample(jax.random.key(5), {ROWS}).to_pickle(name + ".pickle")
assert not never & set(sys.modules), never & set(sys.modules)
"""


def test_an_exported_sampler_draws_what_the_run_draws_without_the_code_that_trains(made):
    """Bit for bit, as the model has records and as tables, in a process of its own."""
    folder, synthesizers = made
    subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=folder, check=True)
    for name, synthesizer in synthesizers.items():
        x, kept = synthesizer.drawer().x(KEY, np.arange(3, 3 + BATCH))
        with np.load(folder / f"{name}.npz") as found:
            for ours, theirs in zip([kept, *jax.tree.leaves(x)], found.values(), strict=True):
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)
        drawn = synthesizer.sample(KEY, ROWS, batch_size=BATCH)
        pd.testing.assert_frame_equal(
            drawn, pd.read_pickle(folder / f"{name}.pickle"), check_exact=True
        )
        assert len(drawn.drop(columns="id").drop_duplicates()) > 3


def test_the_command_writes_it_with_the_sampler_that_is_asked_for(tmp_path, made, capsys):
    """Of a run in a folder; it holds no record, and what is there already stays."""
    run, file = tmp_path / "run", tmp_path / "a.sampler"
    made[1]["ehrdiff"].save(run)
    command = ["export", str(run), "--out", str(file), "--batch-size", "8"]
    assert main([*command, "--sampler", "ddim", "--nfe", "4"]) == 0
    back = load(run)
    ddim, grid = names.samplers()["ddim"].sampler, back.recipe.stages[-1].model.grid(4)
    other = back.sample(KEY, 8, sampler=ddim, grid=grid, batch_size=8)
    sampler = exported.load(file)
    pd.testing.assert_frame_equal(sampler.sample(KEY, 8), other)
    with pytest.raises(ValueError, match="draws 8 records at once; got 9 indices"):
        sampler.x(KEY, np.arange(9))
    before = file.read_bytes()
    capsys.readouterr()
    assert main(command) == 2 and "is there already" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sampler", "run"]


def called_back(params, key, **asked):
    at = jax.ShapeDtypeStruct((), jnp.float32)
    return Draw(jax.pure_callback(lambda: np.float32(0), at) * jnp.ones(7), jnp.ones((), int))


def test_what_cannot_be_exported_is_refused_in_a_line_and_nothing_is_written(made, tmp_path):
    good = made[1]["ehrdiff"]
    recipe, stage = good.recipe, good.recipe.stages[-1]
    host = stage._replace(model=stage.model._replace(draw=called_back))
    own = recipe._replace(view=recipe.view._replace(made=None))
    refused = {
        r"ehrdiff cannot be exported \(.*callback.*\)$": good._replace(
            recipe=recipe._replace(stages=(host,))
        ),
        "ehrdiff cannot be exported: it sees records in a way of its own": good._replace(
            recipe=own
        ),
    }
    for said, synthesizer in refused.items():
        with pytest.raises(ExportError, match=said) as error:
            export(synthesizer, tmp_path / "a", batch_size=4)
        assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_damaged_or_none_is_refused_in_a_line(made, tmp_path):
    """Of 300 flipped bits: each is refused, or changes nothing that is read."""
    text, file = (made[0] / "vae").read_bytes(), tmp_path / "a.sampler"
    about, leaves, program = exported._read(made[0] / "vae", "cpu")
    rng, seen = np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(text)
        damaged[rng.integers(len(text))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            found = exported._read(file, "cpu")
        except ExportError as error:
            assert len(str(error).splitlines()) == 1
            seen += 1
            continue
        assert (found[0], found[2]) == (about, program)
        for ours, theirs in zip(found[1], leaves, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert seen > 60  # two thirds of the file are programs for other platforms
    for cut in (b"", text[:-9], b"age,sex\n"):
        file.write_bytes(cut)
        with pytest.raises(ExportError, match="no exported sampler, or not as it was written"):
            exported.load(file)
    with pytest.raises(FileNotFoundError):
        exported.load(tmp_path / "none")


def test_another_format_or_platform_is_said(made, tmp_path):
    with np.load(made[0] / "vae") as file:
        arrays = dict(file)
    about = json.loads(arrays["about"].tobytes())
    for change, said in (
        ({"format": 0}, "has format 0, this jaxehr reads 1; export the run again"),
        ({"platforms": ["tpu"]}, "was exported for tpu, not for cpu"),
    ):
        told = json.dumps({**about, **change}).encode()
        np.savez(tmp_path / "a.npz", **{**arrays, "about": np.frombuffer(told, np.uint8)})
        with pytest.raises(ExportError, match=said):
            exported.load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", **{**arrays, "cpu": arrays["cpu"][:100]})
    with pytest.raises(ExportError, match="does not read it"):
        exported.load(tmp_path / "a.npz")
