"""A recipe is what was chosen, by the names of its settings."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxehr import names, settings

RECIPES = {name: made for name, made in names.recipes().items() if name not in names.SERIES_ALONE}
MEASURED = ("sigma_data", "sigma_max")


def table(n=200):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.integers(20, 90, n), "ward": rng.choice(["er", "icu"], n)})


@pytest.mark.parametrize("name", RECIPES)
def test_settings_are_the_arguments_of_the_function_and_what_became_of_them(name):
    """In their order, under the recipe's own name; as JSON has them, and with no records, they make the same again."""
    make, records = RECIPES[name], table()
    recipe = make(records, learning_rate=1e-5, batch_size=32)
    assert recipe.name == name and recipe.batch_size == 32
    assert list(recipe.settings) == list(settings.of(make))
    assert recipe.settings["learning_rate"] == 1e-5 and recipe.settings["steps"] > 0
    assert all(recipe.settings[m] > 0 for m in MEASURED if m in recipe.settings)
    again = make(recipe.codec, **json.loads(json.dumps(recipe.settings)))
    assert again.settings == recipe.settings and again.rows is None


@pytest.mark.parametrize("name", ["ehrdiff", "ncsn", "score_sde_ve"])
def test_what_is_measured_on_records_must_be_given_where_there_are_none(name):
    codec = RECIPES[name](table(), steps=1).codec
    with pytest.raises(ValueError, match="is measured on records, and there are none here: give"):
        RECIPES[name](codec)
