"""The folder of a run: whole and as it was written, or refused in one line; resumed with what it began with, or not."""

import json
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.cli import main
from jaxehr.data import Inequality, Schema
from jaxehr.synthesis import run
from jaxehr.synthesis.run import RunError
from jaxehr.synthesis.status import runs_under, status_of
from jaxehr.training import mesh_of
from jaxehr.training.checkpoint import Checkpoints

KEY = jax.random.key(0)
SMALL = {"width": (8,), "time_width": 8, "batch_size": 16, "steps": 20}


def records(n=60):
    rng = np.random.default_rng(0)
    admitted = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D")
    return pd.DataFrame(
        {
            "low": rng.integers(50, 80, n),
            "high": rng.integers(80, 120, n),
            "sex": rng.choice(["f", "m"], n),
            "admitted": admitted,
        }
    )


RECORDS = records()


def fit(frame, path, schema=None, make=jaxehr.ehrdiff, **options):
    recipe = make(frame, schema, **SMALL)
    return jaxehr.fit(recipe, frame, KEY, run_dir=path, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "whole"
    fit(RECORDS, path, checkpoint_every=10, steps_per_dispatch=10)
    return path


@pytest.fixture
def begun(whole, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(whole, tmp_path / "run")


def rewrite(path, **changes):
    about = json.loads((path / "run.json").read_text())
    about.pop("digest")
    run._write(path, {**about, **changes})


def flip(path):
    """One bit of the arrays of an item, where all of it is read: elsewhere are bytes that nothing refers to."""
    (payload,) = (path / "d").iterdir()
    damaged = bytearray(payload.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    payload.write_bytes(damaged)


@pytest.mark.parametrize("name", ["run.json", "codec.json", "schema.json"])
def test_a_flipped_byte_is_one_line_or_changes_nothing(begun, whole, name):
    """Of 250 places, every bit in turn: a flip that is let through is one of blanks."""
    text, meant = (begun / name).read_bytes(), run.read(whole)
    rng = np.random.default_rng(0)
    for i in range(250):
        damaged = bytearray(text)
        place = rng.integers(len(text))
        damaged[place] ^= 1 << (i % 8)
        (begun / name).write_bytes(damaged)
        try:
            assert run.read(begun) == meant and text[place : place + 1].isspace()
        except RunError as error:
            assert len(str(error).splitlines()) == 1
            assert "not as it was written" in str(error) or "format version" in str(error)
    for cut in (b"", text[: len(text) // 2], b"[]", b"3"):
        (begun / name).write_bytes(cut)
        with pytest.raises(RunError, match="is not as it was written"):
            jaxehr.load(begun)
    (begun / name).unlink()
    with pytest.raises(RunError, match=r"no run\.json|has lost its"):
        jaxehr.load(begun)


def test_a_run_s_own_schema_is_not_edited_but_a_copy_is(begun, tmp_path):
    own = begun / "schema.json"
    run.check_schema_file(own)
    text = own.read_text().replace("integer", "numerical")
    own.write_text(text)
    with pytest.raises(RunError, match="to change a schema, edit a copy and give it with --schema"):
        run.check_schema_file(own)
    (tmp_path / "schema.json").write_text(text)
    run.check_schema_file(tmp_path / "schema.json")


OTHER = {
    "doubled": lambda f: f.assign(low=2 * f["low"]),
    "dates shifted": lambda f: f.assign(admitted=f["admitted"] + pd.Timedelta(days=7)),
    "a column renamed": lambda f: f.rename(columns={"low": "lower"}),
    "a row changed": lambda f: f.assign(sex=["m" if f["sex"][0] == "f" else "f", *f["sex"][1:]]),
    "rows in another order": lambda f: f.iloc[::-1].reset_index(drop=True),
    "another type": lambda f: f.assign(low=f["low"].astype(float)),
}


@pytest.mark.parametrize("way", OTHER)
def test_a_run_is_not_resumed_with_other_records(begun, way):
    with pytest.raises(RunError, match=r"was begun (on other records|with (low|the) )"):
        fit(OTHER[way](RECORDS), begun, resume=True)


def test_numbers_that_encode_alike_are_other_records_too(begun):
    """Doubled, a min-max code is the same: with the codec of before, only the records themselves differ."""
    recipe = jaxehr.ehrdiff(RECORDS, **SMALL)
    table = recipe.view.to_x(recipe.codec.encode(RECORDS))
    one, two = (
        run.fingerprint(f, recipe.codec.schema, table, KEY)
        for f in (RECORDS, OTHER["doubled"](RECORDS))
    )
    assert one != two and one == run.fingerprint(RECORDS.copy(), recipe.codec.schema, table, KEY)


def test_a_run_is_not_resumed_with_another_schema(begun):
    schema = Schema.infer(RECORDS)
    law = Inequality("low", "high")
    said = "without the constraint low <= high"
    with pytest.raises(RunError, match=said):
        fit(RECORDS, begun, Schema(schema.columns, (), (law,)), resume=True)
    said = r"begun with low \(integer, int64\); without low \(numerical, int64\)"
    with pytest.raises(RunError, match=said):
        fit(RECORDS, begun, schema.with_kind("low", "numerical"), resume=True)
    with pytest.raises(RunError, match="is a run of ehrdiff, not of ddpm"):
        fit(RECORDS, begun, make=jaxehr.recipes.ddpm, resume=True)


def test_a_damaged_newest_checkpoint_is_set_aside_and_trained_anew(begun, whole, caplog):
    """Twice: what was set aside the first time is in no one's way the second."""
    folder = run.checkpoints(begun, "denoiser")
    for _ in range(2):
        flip(folder / "20" / "state")
        again = fit(RECORDS, begun, checkpoint_every=10, steps_per_dispatch=10, resume=True)
        assert Checkpoints(folder, read_only=True).steps() == [10, 20]
        assert (folder / "20.damaged").is_dir()
        jax.tree.map(np.testing.assert_array_equal, again.params, jaxehr.load(whole).params)
    assert "set aside as" in caplog.text


def test_an_unfinished_run_says_so(begun, caplog):
    assert run.unfinished(begun) is None
    jaxehr.load(begun)
    assert "unfinished" not in caplog.text
    rewrite(begun, finished=False)
    jaxehr.load(begun)
    assert "is unfinished: its training has not come to its end" in caplog.text
    fit(RECORDS, begun, resume=True)
    assert run.unfinished(begun) is None


def test_a_folder_is_a_run_or_it_is_not(begun, whole, tmp_path):
    (begun / "run.json").unlink()
    with pytest.raises(RunError, match=r"is not a run: it has no run\.json"):
        jaxehr.load(begun)
    for write in (lambda: fit(RECORDS, begun), lambda: jaxehr.load(whole).save(begun)):
        with pytest.raises(RunError, match=r"checkpoints of a run without its run\.json"):
            write()
    assert not (begun / "run.json").exists()
    recipe = jaxehr.ehrdiff(RECORDS, **SMALL)._replace(batch_size=-1)
    mesh = mesh_of([jax.devices()[0]] * 2)
    with pytest.raises(ValueError, match="cannot be split evenly over 2 devices"):
        jaxehr.fit(recipe, RECORDS, KEY, run_dir=tmp_path / "none", mesh=mesh)
    assert not (tmp_path / "none").exists()


def test_records_are_told_apart_by_all_that_they_hold():
    """Their values, what the values are, their names, dtypes and order; not by an index or other columns."""
    frame = pd.DataFrame({"a": [1, 2, 3], "b": pd.Series([1, 2, None], dtype=object)})
    schema = Schema.infer(pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]}))
    told = lambda frame: run.content(frame, schema).hexdigest()
    others = [
        frame.assign(a=[1, 2, 4]),
        frame.assign(a=[1.0, 2.0, 3.0]),
        frame.assign(b=pd.Series(["1", "2", None], dtype=object)),
        frame.assign(b=pd.Series([True, False, None], dtype=object)),
        frame[["a"]],
        frame[::-1],
        frame.rename(columns={"a": "b", "b": "a"}),
    ]
    assert len({told(frame), *map(told, others)}) == len(others) + 1
    same = frame.set_axis([7, 8, 9]).assign(c=0)[["b", "c", "a"]]
    assert told(same) == told(frame)


def test_a_run_is_trained_by_one_process_at_a_time(begun):
    """A second one is refused in a line that names the first, and changes nothing."""
    before = {p: p.read_bytes() for p in begun.rglob("*") if p.is_file()}
    with run.held(begun):
        with pytest.raises(RunError, match=r"process \d+ on .* is writing .*; wait for its end"):
            fit(RECORDS, begun, resume=True)
    assert {p: p.read_bytes() for p in begun.rglob("*") if p.is_file()} == before
    fit(RECORDS, begun, resume=True, checkpoint_every=10, steps_per_dispatch=10)
    assert not (begun / "lock").exists()


HOLD = "import sys, time; from jaxehr import files\nwith files.held(sys.argv[1]): print(flush=True); time.sleep(60)"


@pytest.fixture
def several(whole, tmp_path):
    """A folder of runs, one of each kind; one of them is held by a process of its own."""
    names = (
        "a/finished",
        "a/stopped",
        "b/died",
        "b/training",
        "edited",
        "newer",
        "lost",
        "set_aside",
    )
    path = {name.split("/")[-1]: shutil.copytree(whole, tmp_path / name) for name in names}
    for name in ("stopped", "died", "training", "lost"):
        rewrite(path[name], finished=False)
    (path["died"] / "lock").write_text("process 1 on a host")
    (path["edited"] / "codec.json").write_text("{}")
    rewrite(path["newer"], version=run.VERSION + 1)
    shutil.rmtree(run.checkpoints(path["lost"], "denoiser") / "20" / "ema" / "d")
    (run.checkpoints(path["lost"], "denoiser") / "20" / "ema" / "manifest.ocdbt").write_bytes(b"")
    (run.checkpoints(path["set_aside"], "denoiser") / "20").rename(
        run.checkpoints(path["set_aside"], "denoiser") / "20.damaged"
    )
    with (path["stopped"] / "metrics.jsonl").open("a") as log:
        log.write('{"stage": "denoiser", "step": 3')  # of a line that a crash cut off
    command = [sys.executable, "-c", HOLD, str(path["training"] / "lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield tmp_path, process
    process.kill()
    process.wait()


def held_in(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_the_runs_of_a_folder_are_listed_as_they_stand(several, capsys, monkeypatch):
    """Each in one line, and nothing is changed."""
    folder, process = several
    before = held_in(folder)
    assert main(["runs", str(folder)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    said = {line[0].split("/")[-1]: line for line in lines}
    assert list(said) == "finished stopped died training edited lost newer set_aside".split()
    for name in ("finished", "stopped", "died", "training"):
        assert said[name][1:5] == ["ehrdiff", name, "denoiser", "20/20"]
        last = json.loads((folder / "a/finished/metrics.jsonl").read_text().splitlines()[-1])
        assert said[name][5] == f"{last['loss']:.4f}" and "denoiser/20" in said[name]
    assert said["training"][-4:-2] == ["process", str(process.pid)]
    assert said["edited"][1:3] == ["-", "damaged"] and "as" in said["edited"]
    assert said["lost"][2] == "stopped" and said["lost"][-3:] == [
        "denoiser/10",
        "damaged:",
        "denoiser/20",
    ]
    assert said["newer"][2:5] == ["of", "another", "version"]
    assert said["set_aside"][2] == "finished" and said["set_aside"][-1] == "denoiser/20.damaged"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["runs", str(folder)]) == 0
    assert "newest whole checkpoint" in capsys.readouterr().out
    assert held_in(folder) == before


def test_a_listing_reads_no_parameters_but_to_check_them(whole, tmp_path, capsys, monkeypatch):
    """Without their bytes it is the same; with one bit flipped it is another as soon as digests are compared."""
    path = shutil.copytree(whole, tmp_path / "run")
    assert status_of(path, check=True) == status_of(path)
    monkeypatch.chdir(tmp_path)
    assert main(["runs", ".", "--check"]) == 0 and " damaged" not in capsys.readouterr().out
    folder = run.checkpoints(path, "denoiser")
    before = status_of(path)
    for item in ("state", "ema"):
        flip(folder / "20" / item)
        assert status_of(path) == before
        checked = before._replace(whole="denoiser/10", damaged=("denoiser/20",))
        assert status_of(path, check=True) == checked
        shutil.rmtree(folder / "20")
        shutil.copytree(run.checkpoints(whole, "denoiser") / "20", folder / "20")
    for step in ("10", "20"):
        flip(folder / step / "ema")
    assert main(["runs", str(path), "--check"]) == 1
    assert "no whole checkpoint of its denoiser is left; fit again" in capsys.readouterr().out
    shutil.rmtree(path)
    assert main(["runs", str(tmp_path)]) == 2 and "there is no run under" in capsys.readouterr().err


def test_a_hundred_runs_are_listed_in_a_second(whole, tmp_path):
    for i in range(100):
        shutil.copytree(whole, tmp_path / f"run{i}")
    began = time.process_time()
    assert len([status_of(path) for path in runs_under(tmp_path)]) == 100
    assert time.process_time() - began < 1
