"""Codes whose values lie in two heaps far apart, as those of two units do."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data.grid import Grid

FACTOR = 1.8  # between the heaps at least: inches and centimetres are 2.5 apart, F and C 2.3 at a body's temperature
DISTINCT = 5  # values in either
WIDE = 0.5  # of the lower heap's width the gap is at least so much


def mixed_units(events: pd.DataFrame, grid: Grid) -> Iterator[tuple[Any, str]]:
    """(code, what to look at) for each numerical variable of which no value lies in a wide gap between others."""
    numerical = [v.name for v in grid.variables if v.kind == "numerical"]
    frame = events.loc[events["code"].isin(numerical), ["code", "numeric_value"]].dropna()
    for code, numbers in frame.groupby("code", observed=True)["numeric_value"]:
        values, counts = np.unique(numbers.to_numpy(float), return_counts=True)
        values, counts = values[values > 0], counts[values > 0]
        if len(values) < 2 * DISTINCT:
            continue
        cuts = np.arange(DISTINCT, len(values) - DISTINCT + 1)
        ratio = values[cuts] / values[cuts - 1]
        cut = int(cuts[np.argmax(ratio)])
        low, high = values[cut - 1], values[cut]
        width = low - values[0]
        if ratio.max() < FACTOR or high - low < WIDE * width:
            continue
        below, above = int(counts[:cut].sum()), int(counts[cut:].sum())
        yield (
            code,
            f"{below:,} values lie up to {low:g} and {above:,} from {high:g} on, none between: two units under one "
            "code, or slips? Bring them to one unit, or give each a code of its own (--map code=COLUMN+UNIT)",
        )
