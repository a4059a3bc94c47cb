"""A diffusion model of records given their label: rows of a matrix, and beside them one label each."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxehr.processes import Gaussian
from jaxehr.synthesis.diffusion import denoising_model
from jaxehr.types import Denoiser, Draw, Key, Known, Model, Params


class Told(NamedTuple):
    """What a denoiser goes by.

    label       that the record has; None where it is not said
    guidance    by how much more the label weighs than it does by Bayes' rule: records have the law p(x | y) p(y | x)^w,
                to a constant. None is 0
    """

    params: Params
    label: Array | None = None
    guidance: Array | float | None = None


def labelled_model(
    process: Gaussian,
    init: Callable[[Key], Params],
    denoise_with: Callable[[Told], Denoiser],
    *,
    label: Callable[[Key, Known | None], Array] | None = None,
    label_dropout: float = 0.0,
    **options: Any,
) -> Model:
    """A Model on the rows of `labelled_view`: a label is drawn, and then the rest of the record under it.

    label           (key, what is known) -> one: `label.label_drawn`; None where there is none
    label_dropout   share of the training rows whose label is not said; 1 says none
    options         of `denoising_model`
    """
    of_record = denoising_model(process, init, denoise_with, **options)
    dynamics: Any = of_record.dynamics

    def loss(params: Params, key: Key, x: Any) -> Array:
        if label is None or label_dropout >= 1:
            return of_record.loss(Told(params), key, x["record"])
        label_key, key = jax.random.split(key)
        hidden = jax.random.bernoulli(label_key, label_dropout, x["label"].shape)
        return of_record.loss(Told(params, jnp.where(hidden, -1, x["label"])), key, x["record"])

    def draw(
        params: Params,
        key: Key,
        *,
        known: Any = None,
        guidance: Array | float | None = None,
        **asked: Any,
    ) -> Draw:
        label_key, key = jax.random.split(key)
        said = None if label is None else label(label_key, known)
        held = None
        if known is not None and known.mask["record"] is not None:
            held = Known(known.x0["record"], known.mask["record"], {})
        x, nfe = of_record.draw(Told(params, said, guidance), key, known=held, **asked)
        return Draw({"record": x} if said is None else {"record": x, "label": said}, nfe)

    return of_record._replace(
        loss=loss,
        draw=draw,
        dynamics=lambda params: dynamics(Told(params)),
        guides=label is not None and label_dropout > 0,
    )
