"""What a run's files hold of the patients it was trained on: nothing that fewer than 11 of them have."""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr import names, settings
from jaxehr.data import DataError, long_frame
from jaxehr.synthesis import wishes
from jaxehr.synthesis.recipe import Synthesizer
from jaxehr.synthesis.run import checkpoints

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
}
# One patient each: a category, a level, an age, numbers to their last digit, a day, and a dose that all others lack.
WORDS = ("Tristan da Cunha", "Xhosa", "2031-12-24")
NUMBERS = (113.0, 77.3137, 8.2919, 3.7193)


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "born": rng.choice(["here", "there"], n).astype(object),
            "language": rng.choice(["en", "fr", "de"], n).astype(object),
            "potassium": np.round(rng.normal(4, 0.4, n), 1),
            "creatinine": np.round(rng.lognormal(0, 0.3, n), 4),
            "dose": np.zeros(n),
            "seen": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 99, n), unit="D").to_series(index=range(n)),
            "dialysis": np.arange(n) < 3,
            "lactate": np.where(np.arange(n) < 5, np.nan, np.round(rng.normal(2, 0.5, n), 2)),
        }
    )
    frame.loc[7, ["age", "born", "language"]] = [113, WORDS[0], WORDS[1]]
    frame.loc[8, ["potassium", "creatinine", "dose"]] = NUMBERS[1:]
    frame.loc[9, "seen"] = pd.Timestamp(WORDS[2])
    return frame.astype({"language": "category"})


def codes(n=200, seed=0):
    held = np.random.default_rng(seed).random((n, 6)) < 0.4
    held[:, 0] |= ~held.any(axis=1)
    held = np.column_stack([held, np.arange(n) == 7, np.arange(n) != 9])
    return long_frame(held, np.arange(n), [*(f"C{j}" for j in range(6)), WORDS[0], "nearly all"])


def stored(folder: Path) -> tuple[str, np.ndarray, list[np.ndarray]]:
    """All JSON of a run's folder as one text, the numbers in it, and all arrays of its checkpoints."""
    import orbax.checkpoint as ocp

    texts = [p.read_text() for p in [*folder.glob("*.json"), *folder.glob("*.jsonl")]]
    found: list[float] = []
    for line in "\n".join(texts).replace(",", "\n").replace("]", "\n").split("\n"):
        try:
            found.append(float(line.rpartition(":")[2].rpartition("[")[2].strip(' "{}')))
        except ValueError:
            continue
    arrays = []
    for stage in checkpoints(folder, "").iterdir():
        for item in stage.glob("*/*/_METADATA"):
            read = ocp.PyTreeCheckpointer().restore(item.parent.absolute())
            arrays += [np.asarray(leaf) for leaf in jax.tree.leaves(read)]
    return "\n".join(texts), np.array(found), arrays


def recipe_of(name, records, **changes):
    tiny = {k: v for k, v in TINY.items() if k in settings.of(RECIPES[name])}
    if name == "masked":
        tiny |= {"width": 8, "blocks": 1}
    if name == "scoehr":
        tiny |= {"channels": 4, "multipliers": (1,), "blocks": 0}
    return RECIPES[name](records, **{**tiny, **changes})


def saved(recipe, folder) -> Synthesizer:
    """A run of no steps: what it holds was there before any."""
    params: dict = {}
    for stage in recipe.stages:
        model = stage.model(params) if callable(stage.model) else stage.model
        params[stage.name] = jax.jit(model.init)(jax.random.key(0))
    synthesizer = Synthesizer(recipe, params)
    synthesizer.save(folder)
    return synthesizer


def read_of_patients(folder: Path, n: int) -> list:
    """What is found of the planted values: words, numbers as they are, and as the average of one and of zeros."""
    text, numbers, arrays = stored(folder)
    assert len(numbers) > 20 and sum(a.size for a in arrays) > 100
    found: list = [word for word in WORDS if word in text]
    everything = np.concatenate([numbers, *(a.ravel().astype(float) for a in arrays)])
    found += [v for v in NUMBERS if np.isclose(everything, v, rtol=1e-6).any()]
    shares = numbers[:, None] * np.arange(1, n + 1)
    found += [v for v in NUMBERS[1:] if np.isclose(shares, v, rtol=1e-10).any()]
    day = (pd.Timestamp(WORDS[2]) - pd.Timestamp(0)).days
    return found + [day for _ in range(int((numbers == day).any()))]


@pytest.mark.parametrize("name", RECIPES)
def test_no_value_of_one_patient_is_in_the_files_of_a_table(name, tmp_path):
    records = table()
    saved(recipe_of(name, records), tmp_path)
    assert read_of_patients(tmp_path, len(records)) == []


def test_nor_in_those_of_one_that_was_trained(tmp_path):
    """With the optimizer's averages and the losses."""
    records = table()
    recipe = recipe_of("masked", records)
    jaxehr.fit(recipe, records, jax.random.key(0), run_dir=tmp_path)
    assert (tmp_path / "metrics.jsonl").exists()
    assert read_of_patients(tmp_path, len(records)) == []


@pytest.mark.parametrize("name", RECIPES)
def test_no_value_of_one_patient_is_drawn_whatever_a_network_says(name):
    """Of noise far beyond the scale, too: what decodes is nothing but what was learnt."""
    codec = recipe_of(name, table(), steps=1).codec
    rng = np.random.default_rng(0)
    n = 4000
    parts = {
        "number": rng.uniform(-1, 2, (n, codec.sizes["number"])),
        "bit": rng.integers(0, 2, (n, codec.sizes["bit"])).astype(np.int8),
        "category": np.stack([rng.integers(0, k, n) for k in codec.classes], 1),
    }
    drawn = codec.decode(parts)
    assert not set(WORDS[:2]) & {*drawn["born"], *drawn["language"]}
    assert drawn["seen"].max() < pd.Timestamp("2025-01-01") and drawn["age"].max() < 100
    assert not drawn["dialysis"].any() and drawn["lactate"].notna().all()
    assert not drawn[["potassium", "creatinine", "dose"]].isin(NUMBERS).any(axis=None)


def test_with_one_patient_as_the_least_all_of_it_is_found(tmp_path):
    """The search itself: what is stored on request is found."""
    records = table()
    saved(recipe_of("masked", records, min_patients=1), tmp_path)
    found = read_of_patients(tmp_path, len(records))
    assert {*WORDS[:2], *NUMBERS} <= set(found) and len(found) > 6


def test_counts_of_few_are_not_in_the_start_of_a_network(tmp_path):
    """`masked` begins with log((count + 1/2) / (n + k / 2)): no count of 1 to 10, and none that n makes one of."""
    records = codes()
    synthesizer = saved(recipe_of("masked", records), tmp_path)
    text, _, _ = stored(tmp_path)
    assert WORDS[0] not in text and "nearly all" in text
    n = synthesizer.recipe.codec.rows
    params = synthesizer.params["denoiser"]
    counts = np.exp(np.asarray(params["first_bias"], float)) * (n + 1) - 0.5
    assert (counts > 10.9).all() and (counts < n - 10.9).all()
    numbers = np.asarray(params["number_bias"], float)
    seen = 0.01 * np.exp(
        numbers - numbers.min()
    )  # how many have each number of codes; .01 for none
    assert ((seen < 0.02) | (seen > 10.9)).all() and (seen > 10.9).any()


@pytest.mark.parametrize("name", ["ncsn", "score_sde_ve"])
def test_the_highest_noise_is_not_the_distance_of_two_patients(name):
    sigma = [RECIPES[name](table(seed=seed), steps=1).settings["sigma_max"] for seed in range(2)]
    assert all(4 * np.log2(s) == pytest.approx(round(4 * np.log2(s)), abs=1e-9) for s in sigma)


def test_a_condition_on_what_few_had_is_refused_without_a_word_of_it():
    codec = recipe_of("masked", table(), steps=1).codec
    columns = codec.by_name
    for name, value in (("born", WORDS[0]), ("language", WORDS[1]), ("dialysis", True)):
        with pytest.raises(DataError, match=r"in training, or too seldom to be learnt; it was one"):
            wishes.wish(columns[name], value)
    with pytest.raises(DataError, match="missing in training, or too seldom to be learnt"):
        wishes.wish(columns["lactate"], None)
    with pytest.raises(DataError, match="113 cannot be drawn"):
        wishes.wish(columns["age"], 113)
