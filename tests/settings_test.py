"""Settings as they are typed: what counts something is at least 1, in every recipe that has it."""

import pytest

from jaxehr import names, settings

RECIPES = names.recipes()


@pytest.mark.parametrize("name", RECIPES)
def test_what_counts_is_at_least_one(name):
    recipe = RECIPES[name]
    for count in set(settings.COUNTS) & set(settings.of(recipe)):
        hint = str(recipe.__annotations__[count])
        zero, one = ("(0,)", "(1,)") if hint.startswith("tuple") else ("0", "1")
        with pytest.raises(ValueError, match=rf"{count} must be at least 1; got \(?0"):
            settings.parse([f"{count}={zero}"], recipe)
        assert settings.parse([f"{count}={one}"], recipe)[count] in (1, (1,))


@pytest.mark.parametrize("name", RECIPES)
def test_one_number_is_a_tuple_of_one(name):
    recipe = RECIPES[name]
    tuples = [n for n, hint in recipe.__annotations__.items() if str(hint).startswith("tuple")]
    for setting in set(tuples) & set(settings.of(recipe)):
        assert settings.parse([f"{setting}=32"], recipe) == {setting: (32,)}
        with pytest.raises(
            ValueError, match=rf"{setting} takes whole numbers, such as 64 or \(64, 64\).*'wide'"
        ):
            settings.parse([f"{setting}=wide"], recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_steps_and_batches_of_none_are_refused_in_python_too(name):
    import pandas as pd

    frame = pd.DataFrame({"age": range(40), "sex": ["f", "m"] * 20})
    for wrong in ({"steps": 0}, {"steps": -3}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=r"steps.*batch_size.*(at least 1|above 0); got"):
            RECIPES[name](frame, **wrong)
