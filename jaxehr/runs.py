"""Runs of the published recipes, by the names that they keep."""

from collections.abc import Callable
from pathlib import Path

from jaxehr import recipes
from jaxehr.synthesis import Recipe, Synthesizer, run
from jaxehr.synthesis.load import load as load_with


def load(
    path: str | Path, *, recipe: Callable[..., Recipe] | None = None, **changes
) -> Synthesizer:
    """The synthesizer of a run, or one that was saved.

    recipe      the function that made it, if it is not one of jaxehr.recipes
    changes     settings to change, such as sampling_steps or posterior_sigma
    Logs a warning where its training has not come to its end.
    Raises run.RunError if there is no run at `path`, or none that this version can read.
    """
    path = Path(path)
    name, _, _ = run.read(path)
    made_by = recipe or getattr(recipes, name, None)
    if made_by is None:
        raise run.RunError(
            f"{path} was made by the recipe '{name}', which is not one of jaxehr's; "
            "load it in Python with load(path, recipe=...)"
        )
    return load_with(path, made_by, **changes)
