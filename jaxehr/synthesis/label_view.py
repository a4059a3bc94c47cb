"""How a recipe sees records that are drawn under a label: rows of a matrix, and beside them one label each."""

from typing import Any

import numpy as np

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.synthesis.view import Layout, View, layout_of, matrix_view
from jaxehr.types import Known, X


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

    return View(to_x, of_x, known, ("labelled_view", {"token": token, "even": even}))
