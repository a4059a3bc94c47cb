"""Courses drawn on from what was measured before a time."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.data import DataError, Records, stacked
from jaxehr.synthesis import series
from jaxehr.synthesis.held import rows_that_hold
from jaxehr.synthesis.sampling import Drawer
from jaxehr.types import Key

log = logging.getLogger(__name__)


def forecast(
    drawer: Drawer,
    key: Key,
    data: Any,
    *,
    until: str,
    draws: int | None,
    still_there: bool,
    batch_size: int,
) -> Any:
    """See `Synthesizer.forecast`."""
    if draws is not None and draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    codec = drawer.codec
    own, step = series.of(codec), _step(codec, until)
    records = series.checked(codec, data)
    assert records.static is not None and records.events is not None
    n = len(records.static)
    ended = _ended(codec, records, step, until, still_there)
    known = codec.known_until(records, step)
    pending = np.flatnonzero(~np.tile(ended, draws or 1)) if step < own.steps else np.array([], int)
    drawn = []
    for held in rows_that_hold(
        drawer,
        key,
        known if any(mask.any() for mask in known.masks.values()) else None,
        pending,
        partial(_all_hold, codec),
        total=n * (draws or 1),
        batch_size=batch_size,
    ):
        after = own.there(codec.of_series(held.parts)) & (np.arange(own.steps) >= step)[:, None]
        drawn.append(series.cells_of(codec, held, after))
    before = _before(codec, records, step, ended)
    made = list(_by_draw(codec, data, Records(records.static, before), drawn, draws))
    return made[0] if draws is None else stacked(made)


def _by_draw(
    codec: Codec, data: Any, before: Records, drawn: list[series.Cells], draws: int | None
) -> Iterator[Any]:
    """The records of each draw in turn."""
    assert before.static is not None and before.events is not None
    n = len(before.static)
    for draw in range(draws or 1):
        of_draw = [tuple(each[cells[0] // n == draw] for each in cells) for cells in drawn]
        own = [(cells[0] % n, *cells[1:]) for cells in of_draw]
        frames = before.static, series.with_drawn(codec, before, before.events, own)
        if draws is not None:
            frames = tuple(frame.assign(draw=draw + 1)[["draw", *frame]] for frame in frames)
        yield series.as_it_came(data, *frames)


def _step(codec: Codec, until: str) -> int:
    own = series.of(codec)
    step = own.grid.steps_until(until)
    if step > own.steps:
        raise DataError(
            f"until={until} lies beyond the {own.steps:,} steps of {own.grid.every} that the run learnt; take "
            f"{own.grid.after(own.steps)} or less"
        )
    return step


def _ended(codec: Codec, records: Records, step: int, until: str, still_there: bool) -> np.ndarray:
    """[n]: who has no event in the last step before, or later; logs how many."""
    own = series.of(codec)
    lengths = own.lengths(records)
    silent = lengths < step if own.ends else np.zeros(len(lengths), bool)
    if not silent.any():
        return silent
    if still_there:
        what = "they are taken as still there, with nothing measured"
    else:
        what = "they have ended, and come back as they are (still_there=True, --still-there, goes on with them)"
    log.warning(
        "%s of %s subjects have no event in the last %s before %s, nor later: %s",
        *(f"{silent.sum():,}", f"{len(silent):,}", own.grid.every, until, what),
    )
    return silent & (not still_there)


def _before(codec: Codec, records: Records, step: int, ended: np.ndarray) -> pd.DataFrame:
    """The events before a step, and those without a time; of who has ended all."""
    assert records.static is not None and records.events is not None
    grid, events = series.of(codec).grid, records.events
    since = grid.since(events)
    over = events["subject_id"].isin(records.static["subject_id"].to_numpy()[ended])
    early = (since < step * grid.step).fillna(True).to_numpy(bool) | over.to_numpy()
    series.say_not_learnt(codec, events, early)
    if strange := int((early & (since < 0).fillna(False).to_numpy(bool)).sum()):
        log.warning(
            "%s events before the start come back, and say nothing of what is drawn", f"{strange:,}"
        )
    return events[early].reset_index(drop=True)


def _all_hold(
    codec: Codec, rows: np.ndarray, known: KnownParts | None, parts: Parts
) -> tuple[pd.DataFrame, np.ndarray]:
    """All: the table comes back as it was given, and no constraint is at stake."""
    return pd.DataFrame(index=range(len(rows))), np.ones(len(rows), bool)
