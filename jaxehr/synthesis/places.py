"""Where the entries of each step of a series lie in a row."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from jaxehr.codecs import Codec


def entry_places(
    codec: Codec, classes: Sequence[Int[np.ndarray, "class"]]
) -> Int[np.ndarray, "step feature"]:
    """Which columns of a row belong to each step: its own entries, and those of the static table. The row begins with
    the numbers; `classes` says of each bit, and then each category, where its classes lie.

    Raises DataError for records without a series.
    """
    layout, sizes = codec.layout, codec.sizes
    cells = {}
    for kind, of_steps in layout.items():
        static = np.setdiff1d(np.arange(sizes[kind]), of_steps)
        cells[kind] = np.concatenate([of_steps, np.tile(static, (len(of_steps), 1))], axis=1)
    of_tokens = np.concatenate([cells["bit"], sizes["bit"] + cells["category"]], axis=1)
    one_hot = [np.concatenate([classes[j] for j in row] or [[]]) for row in of_tokens]
    return np.concatenate([cells["number"], np.array(one_hot, int)], axis=1)
