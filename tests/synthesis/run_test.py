"""The folder of a run: whole and as it was written, or refused in one line; resumed with what it began with, or not."""

import json
import shutil

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.data import Inequality, Schema
from jaxehr.synthesis import run
from jaxehr.synthesis.run import RunError
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
        payload = max((folder / "20" / "state").rglob("*"), key=lambda p: p.stat().st_size)
        damaged = bytearray(payload.read_bytes())
        damaged[len(damaged) // 2] ^= 4
        payload.write_bytes(damaged)
        again = fit(RECORDS, begun, checkpoint_every=10, steps_per_dispatch=10, resume=True)
        assert Checkpoints(folder, read_only=True).steps() == [10, 20]
        assert (folder / "20.damaged").is_dir()
        jax.tree.map(np.testing.assert_array_equal, again.params, jaxehr.load(whole).params)
    assert "set aside as" in caplog.text


def test_an_unfinished_run_says_so(begun, caplog):
    assert run.unfinished(begun) is None
    jaxehr.load(begun)
    assert "unfinished" not in caplog.text
    about = json.loads((begun / "run.json").read_text())
    about.pop("digest")
    run._write(begun, {**about, "finished": False})
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
    devices = [jax.devices()[0]] * 2
    with pytest.raises(ValueError, match="cannot be split evenly over 2 devices"):
        jaxehr.fit(recipe, RECORDS, KEY, run_dir=tmp_path / "none", devices=devices)
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
