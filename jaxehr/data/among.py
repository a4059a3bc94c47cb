"""Events put among others."""

import numpy as np
import pandas as pd


def put_among(events: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """The events as they are and in their order, with those that are added between them, in the columns of the events.

    One that is added stands after the last of its subject's events that is not later, else before its first.
    """
    if added.empty:
        return events
    columns = [*events.columns, *added.columns.difference(events.columns, sort=False)]
    sides = {name: _alike(events, added, name) for name in columns}
    both = {name: pd.concat(side, ignore_index=True) for name, side in sides.items()}
    frame = pd.DataFrame(both)
    frame = frame.take(_order(frame["subject_id"], frame["time"], len(events)))
    frame.attrs = dict(events.attrs)
    return frame.reset_index(drop=True)


def _order(subjects: pd.Series, times: pd.Series, n: int) -> np.ndarray:
    """Of rows of which the first n keep their order."""
    whose, when = pd.factorize(subjects)[0], pd.factorize(times, sort=True)[0]
    rows = np.arange(len(whose))
    by_time = np.lexsort((rows >= n, when, whose))
    stays = by_time < n
    last = by_time[np.maximum.accumulate(np.where(stays, rows, 0))]
    first = np.full(whose.max() + 1, n)
    np.minimum.at(first, whose[:n], rows[:n])
    own = (last < n) & (whose[last] == whose[by_time])
    place, turn = np.zeros(len(rows)), np.zeros(len(rows))
    place[by_time] = np.where(own, last, first[whose[by_time]] - 0.5)
    turn[by_time] = np.where(stays, 0, rows + 1)
    return np.lexsort((turn, place))


def _alike(events: pd.DataFrame, added: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """A column of both in one dtype: that of the events, but where it cannot hold what is added."""
    if name not in added:
        old = events[name]
        whole = isinstance(old.dtype, np.dtype) and old.dtype.kind in "iub"  # holds no gaps
        return _with_gaps(old.astype(object) if whole else old, len(added))
    if name not in events:
        return _with_gaps(added[name], len(events))[::-1]
    old, new = events[name], added[name]
    if isinstance(old.dtype, pd.CategoricalDtype):
        levels = old.cat.categories
        kind = pd.CategoricalDtype([*levels, *pd.Index(new.unique()).difference(levels)])
        return old.astype(kind), new.astype(kind)
    return old, new if name == "numeric_value" else new.astype(old.dtype)


def _with_gaps(values: pd.Series, n: int) -> tuple[pd.Series, pd.Series]:
    return values, pd.Series([None] * n, dtype=values.dtype)
