"""A diffusion model of records given their label: rows of a matrix, and beside them one label each."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.processes import Gaussian
from jaxehr.synthesis.diffusion import denoising_model
from jaxehr.synthesis.view import Layout, View, layout_of, matrix_view
from jaxehr.types import Denoiser, Draw, Key, Known, Model, Params, X


class Told(NamedTuple):
    """What a denoiser goes by.

    label       that the record has; None where it is not said
    guidance    by how much more the label weighs than it does by Bayes' rule: records have the law p(x | y) p(y | x)^w,
                to a constant. None is 0
    """

    params: Params
    label: Array | None = None
    guidance: Array | float | None = None


def labelled_layout(codec: Codec, token: int, *, even: bool = False) -> Layout:
    """Of the part "record" of `labelled_view`."""
    layout, bits = layout_of(codec, even=even), codec.sizes["bit"]
    if token < 0:
        return layout
    if token < bits:
        moved = tuple(bit - (token < bit) for bit in layout.indicators)
        return layout._replace(bits=layout.bits - 1, indicators=moved)
    classes = [*layout.classes]
    del classes[token - bits]
    return layout._replace(classes=tuple(classes))


def labelled_view(codec: Codec, token: int, *, even: bool = False) -> View:
    """`matrix_view` in two parts: "record" without the columns of the label, and "label", one number a row.

    token   the label (label.label_token); -1 for none: all is in "record"

    Where nothing is known of the record, its part in `Known` is None.
    """
    view, bits = matrix_view(codec, even=even), codec.sizes["bit"]
    sizes = [1] * (codec.sizes["number"] + bits) + [*codec.classes]
    cell = codec.sizes["number"] + token
    first, width = (sum(sizes[:cell]), sizes[cell]) if token >= 0 else (0, 0)
    classes = np.arange(max(width, 2))

    def rest(row: np.ndarray) -> np.ndarray:
        return np.delete(row, np.s_[first : first + width], axis=1)

    def label(arrays: Any) -> np.ndarray:
        return arrays["bit"][:, token] if token < bits else arrays["category"][:, token - bits]

    def to_x(parts: Parts) -> dict[str, np.ndarray]:
        record = {"record": rest(view.to_x(parts))}
        return {**record, "label": label(parts).astype(np.int32)} if width else record

    def of_x(x: X) -> Parts:
        row = np.asarray(x["record"])
        if width:
            said = np.asarray(x["label"])[:, None]
            hot = said if width == 1 else said == classes
            row = np.concatenate([row[:, :first], hot, row[:, first:]], axis=1)
        return view.of_x(row)

    def known(given: KnownParts) -> Known:
        found = view.known(given)
        mask = rest(found.mask)
        x0: dict[str, Any] = {"record": rest(found.x0) if mask.any() else None}
        masks: dict[str, Any] = {"record": mask if mask.any() else None}
        if not width:
            return Known(x0, masks, {})
        fits = np.ones((len(mask), len(classes)), bool)
        if token >= bits:
            missing = classes == codec.missing[token - bits]
            fits = ~(given.filled[:, [token - bits]] & missing)
        x0, masks = {**x0, "label": label(given.parts)}, {**masks, "label": label(given.masks)}
        return Known(x0, masks, {"label": fits})

    return View(to_x, of_x, known)


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
