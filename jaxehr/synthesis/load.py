"""A run, or a synthesizer that was saved, as one that draws."""

import logging
from collections.abc import Callable
from pathlib import Path

import jax

from jaxehr.numerics import in_float32, seeded
from jaxehr.synthesis import run
from jaxehr.synthesis.recipe import Recipe, Synthesizer, model_of
from jaxehr.training.checkpoint import read_params
from jaxehr.types import Model, Params

log = logging.getLogger(__name__)


@in_float32
def load(path: str | Path, recipe: Callable[..., Recipe], **changes) -> Synthesizer:
    """The synthesizer of a run, or one that was saved.

    recipe      the function that made it (jaxehr.load finds that of a published one by its name)
    changes     settings to change, such as sampling_steps or posterior_sigma
    Logs a warning where its training has not come to its end.
    Raises run.RunError if there is no run at `path`, or none that this version can read.
    """
    path = Path(path)
    _, settings, codec = run.read(path)
    if line := run.unfinished(path):
        log.warning(line)
    made = recipe(codec, **{**settings, **changes})
    params: dict[str, Params] = {}
    stages = []
    for stage in made.stages:
        model = model_of(stage, params)
        stages.append(stage._replace(model=model))
        params[stage.name] = _read(path, stage.name, model)
    if made.look is not None:
        params[made.look.name] = _read(path, made.look.name, made.look.model)
    return Synthesizer(made._replace(stages=tuple(stages)), params)


def _read(path: Path, name: str, model: Model) -> Params:
    found = read_params(run.checkpoints(path, name), jax.eval_shape(model.init, seeded(0)))
    if found is None:
        raise run.RunError(f"{path} has no checkpoint of its {name} yet; fit it with --resume")
    return found
