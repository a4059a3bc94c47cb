"""What imputation and forecast of series share: what they take, and draws put among the events that were measured."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, SeriesCodec
from jaxehr.codecs.placed import events_of
from jaxehr.data import DataError, Records, listed, records_of
from jaxehr.data.among import put_among
from jaxehr.data.records import check_joined
from jaxehr.synthesis.held import Held

log = logging.getLogger(__name__)

Cells = tuple[np.ndarray, ...]  # as `Steps.cells_of` has them


def checked(codec: Codec, data: Any) -> Records:
    """The records; of events alone with a table of their subjects. Raises DataError for records that do not fit."""
    records = records_of(data)
    if records.events is None or not len(records.events):
        raise DataError("the run learnt a series, and the data has no events; give them too")
    codec.schema.grid.check(records.events)  # type: ignore[union-attr]
    ids = records.events["subject_id"]
    if records.static is None and codec.columns:
        raise DataError("the run learnt a table with the series, and the data has none; give both")
    static = records.static
    if static is None:
        static = ids.drop_duplicates().to_frame().reset_index(drop=True)
    elif not codec.schema.columns:
        raise DataError("the run learnt events alone; the data has a table too, leave it out")
    absent = [c.name for c in codec.columns if c.name not in static.columns]
    if absent:
        raise DataError(
            f"the data has no column {listed(map(repr, absent))}, which the run was trained on"
        )
    check_joined(static, records.events)
    return Records(static, records.events)


def of(codec: Codec) -> SeriesCodec:
    """The codec of the series. Raises DataError where there is none."""
    if codec.series is None:
        raise DataError(
            "the run learnt no series, and has no course to go on with; `jaxehr schema --every 1h` makes one of events"
        )
    return codec.series


def variables_of(codec: Codec, asked: Sequence[str]) -> tuple[Any, ...]:
    """The variables by their names; "all" is every one. Raises DataError for one that was not learnt."""
    if not asked:
        return ()
    learnt = {str(name): name for name in of(codec).variables}
    if list(asked) == ["all"] and "all" not in learnt:
        return tuple(learnt.values())
    if unknown := [name for name in asked if str(name) not in learnt]:
        raise DataError(
            f"'{unknown[0]}' is no variable that the run learnt; these are {listed(learnt, str(unknown[0]))}, or all"
        )
    return tuple(learnt[str(name)] for name in asked)


def cells_of(codec: Codec, held: Held, where: np.ndarray) -> Cells:
    """Those of [n, step, variable] of rows that were drawn, by the numbers of the rows."""
    row, *rest = of(codec).cells_of(codec.of_series(held.parts), where)
    return (held.rows[row], *rest)


def with_drawn(
    codec: Codec, records: Records, measured: pd.DataFrame, drawn: Sequence[Cells]
) -> pd.DataFrame:
    """The events that were measured as they are, and those that are drawn among them.

    drawn   their rows are those of the static table
    """
    if not drawn:
        return measured
    assert records.static is not None
    cells = tuple(np.concatenate(each) for each in zip(*drawn, strict=True))
    order = np.argsort(cells[0], kind="stable")
    grid, ids = of(codec).grid, records.static["subject_id"].reset_index(drop=True)
    start = grid.starts(measured, ids)
    cells = tuple(each[order] for each in cells)
    return put_among(measured, events_of(cells, grid, codec.schema, ids, start))


def say_gaps(codec: Codec, records: Records, asked: np.ndarray) -> None:
    """Logs how many cells of the series have no value, and how many of these are filled in."""
    series = of(codec)
    gaps = int(series.gaps(records, series.variables).sum())
    if not asked.any():
        log.warning(
            "series: left as it was measured; %s cells of its grid before the subjects' ends have no value: variables "
            "(--variables HR, or all) says which are filled in",
            f"{gaps:,}",
        )
        return
    counts = asked.sum(axis=(0, 1))
    most = [f"{v} {n:,}" for v, n in zip(series.variables, counts, strict=True) if n]
    log.warning(
        "series: of %s cells of its grid before the subjects' ends that have no value %s are filled in (%s)",
        *(f"{gaps:,}", f"{asked.sum():,}", listed(most)),
    )


def say_not_learnt(
    codec: Codec, events: pd.DataFrame | None, kept: np.ndarray | bool = True
) -> None:
    """Logs what becomes of events of codes that were not learnt.

    kept    which events come back
    """
    assert events is not None
    strange = ~events["code"].isin(of(codec).variables).to_numpy()
    if not strange.any():
        return
    whole, left = int(strange.sum()), int((strange & ~np.asarray(kept)).sum())
    out = f", {left:,} are left out as all that follows" if left else ""
    log.warning(
        "%s events of %s codes that the run did not learn say nothing of what is drawn: %s are kept as they are%s",
        *(f"{whole:,}", f"{events['code'][strange].nunique():,}", f"{whole - left:,}", out),
    )


def as_it_came(data: Any, static: pd.DataFrame, events: pd.DataFrame | None) -> Any:
    """A frame where one was given."""
    if isinstance(data, Records):
        return Records(None if data.static is None else static, events)
    return static if events is None else events
