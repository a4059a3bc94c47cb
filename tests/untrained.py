"""Runs that learnt nothing."""

import jax
import numpy as np

from jaxehr.synthesis.recipe import Synthesizer


def untrained(recipe):
    """A synthesizer of random parameters: what is asked of a run holds whatever it learnt."""
    rng, params, stages = np.random.default_rng(0), {}, []
    for stage in recipe.stages:
        model = stage.model(params) if callable(stage.model) else stage.model
        shapes = jax.eval_shape(model.init, jax.random.key(0))
        params[stage.name] = jax.tree.map(
            lambda s: rng.normal(scale=0.3, size=s.shape).astype(s.dtype), shapes
        )
        stages.append(stage._replace(model=model))
    return Synthesizer(recipe._replace(stages=tuple(stages)), params)
