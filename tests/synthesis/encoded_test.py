"""Records are encoded once, of what they hold when they are trained on, and leave with the training."""

import copy
import gc
import pickle

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr import names, settings
from jaxehr.codecs import Codec
from jaxehr.data import DataError, Records, long_frame
from jaxehr.synthesis import recipe as recipes
from jaxehr.synthesis.encoded import Encoded
from jaxehr.training.packed import packed

RECIPES = {name: made for name, made in names.recipes().items() if name not in names.SERIES_ALONE}
TINY = {
    "width": (8, 8),
    "time_width": 8,
    "steps": 2,
    "batch_size": 16,
    "latent": 4,
    "autoencoder_steps": 2,
    "timesteps": 8,
    "levels": 4,
    "sampling_steps": 4,
    "label": "death",
}
N = 250


def table(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "ward": rng.choice(["er", "icu", "rehab"], N),
            "hdl": np.where(rng.random(N) < 0.2, np.nan, np.round(rng.normal(50, 9, N), 1)),
            "death": rng.random(N) < 0.4,
        }
    )


def codes(seed=0):
    held = np.random.default_rng(seed).random((N, 8)) < 0.4
    held[:, 0] |= ~held.any(axis=1)
    return long_frame(held, np.arange(N), [f"C{j}" for j in range(8)])


def both(seed=0):
    return Records(table(seed).assign(subject_id=np.arange(N)), codes(seed))


RECORDS = {"table": table, "codes": codes, "both": both}


def recipe_of(name, records):
    tiny = {k: v for k, v in TINY.items() if k in settings.of(RECIPES[name])}
    if name == "masked":
        tiny |= {"width": 8, "blocks": 1}
    if name == "scoehr":
        tiny |= {"channels": 4, "multipliers": (1,), "blocks": 0}
    if "code" in getattr(records, "columns", ()):
        tiny.pop("label", None)
    return RECIPES[name](records, **tiny)


class Begun(Exception):
    """Training begins, on `rows`."""


@pytest.fixture
def trained_on(monkeypatch):
    """(recipe, records) -> the rows that training begins with."""

    def begin(*_, table, **options):
        raise Begun(table)

    monkeypatch.setattr(recipes, "best_of", begin)

    def rows(recipe, records):
        with pytest.raises(Begun) as begun:
            jaxehr.fit(recipe, records, jax.random.key(0))
        return begun.value.args[0]

    return rows


def assert_rows(found, recipe, records):
    wanted = packed(recipe.view.to_x(recipe.codec.encode(records)))
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in RECIPES for kind in ("table", "codes")),
        *((name, "both") for name in ("masked", "ehrdiff", "ncsn", "tabddpm")),
    ],
)
def test_records_are_encoded_once(name, kind, trained_on, monkeypatch):
    calls, records, encode = [], RECORDS[kind](), Codec.encode
    monkeypatch.setattr(Codec, "encode", lambda *args: calls.append(1) or encode(*args))
    recipe = recipe_of(name, records)
    rows = trained_on(recipe, records)
    assert len(calls) == 1
    assert_rows(rows, recipe, records)


def changes(kind):
    """Ways to change records in place."""
    if kind == "codes":
        return {
            "a code": lambda f: f.__setitem__("code", f["code"].where(f.index != 3, "C7")),
            "a patient": lambda f: f.__setitem__("subject_id", f["subject_id"].replace(5, 6)),
        }
    if kind == "both":
        return {
            "a number": lambda r: changes("table")["a number"](r.static),
            "a code": lambda r: changes("codes")["a code"](r.events),
        }
    return {
        "a number": lambda f: f.__setitem__("age", f["age"].where(f.index != 7, 44)),
        "a category": lambda f: f.__setitem__("ward", f["ward"].where(f.index != 7, "icu")),
        "a gap": lambda f: f.__setitem__("hdl", f["hdl"].where(f.index > 20)),
        "the order": lambda f: [f.__setitem__(name, f[name].to_numpy()[::-1]) for name in f],
    }


@pytest.mark.parametrize(
    ("name", "kind", "change"),
    [
        *(("masked", kind, change) for kind in RECORDS for change in changes(kind)),
        *((name, "table", "a number") for name in ("ehrdiff", "ncsn", "score_sde_ve", "tabddpm")),
    ],
)
def test_records_changed_in_place_are_trained_on_as_they_are_now(name, kind, change, trained_on):
    records = RECORDS[kind]()
    recipe = recipe_of(name, records)
    changes(kind)[change](records)
    assert_rows(trained_on(recipe, records), recipe, records)


def test_other_records_are_trained_on_themselves(trained_on):
    recipe, others = recipe_of("masked", table()), table(seed=1)
    assert_rows(trained_on(recipe, others), recipe, others)
    with pytest.raises(DataError, match="hdl"):
        trained_on(recipe, table().drop(columns="hdl"))


def held(value):
    """All arrays and frames that can be reached from it, modules aside."""
    seen, left, found = set(), [value], []
    skipped = (type, type(gc))
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, skipped):
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray | jax.Array | pd.DataFrame | pd.Series):
            found.append(item)
            continue
        if type(item).__name__ == "function":  # what it closes over, not its module
            left += [cell.cell_contents for cell in item.__closure__ or () if cell_is_set(cell)]
            left += [*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
        else:
            left += gc.get_referents(item)
    return found


def cell_is_set(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["masked", "ncsn"])
def test_a_synthesizer_holds_no_records(name):
    """Nothing in it has as many rows as there were patients; in the recipe the search finds some."""
    records = table()
    recipe = recipe_of(name, records)
    synthesizer = jaxehr.fit(recipe, records, jax.random.key(0))
    rows = [np.shape(part) for part in held(recipe)]
    assert any(shape[:1] == (N,) for shape in rows)
    left = [np.shape(part) for part in held(synthesizer)]
    assert left and not any(N in shape for shape in left)


def test_encoded_records_are_not_shown_copied_or_pickled():
    recipe = recipe_of("masked", table())
    assert isinstance(recipe.rows, Encoded)
    assert "rows=Encoded(...)" in repr(recipe) and "array" not in repr(recipe.rows)
    assert pickle.loads(pickle.dumps(recipe.rows)) is None
    assert copy.deepcopy(recipe.rows) is None
