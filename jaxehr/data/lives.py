"""Events that fall outside their subject's life."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

log = logging.getLogger(__name__)

BIRTH, DEATH = "MEDS_BIRTH", "MEDS_DEATH"
DAY = 86_400_000_000  # microseconds


def outside_life(events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(which events are before birth, which after death), by the first birth and the last death of a subject.

    A death at midnight is known by its date, and is not over until that day is.
    """
    none = np.zeros(len(events), bool)
    if "time" not in events or not pd.api.types.is_datetime64_any_dtype(events["time"]):
        return none, none
    born, died = (events["code"].eq(code).to_numpy(bool, na_value=False) for code in (BIRTH, DEATH))
    if not (born.any() or died.any()):
        return none, none
    subject = pd.factorize(events["subject_id"])[0]
    time = events["time"].to_numpy("datetime64[us]")
    there = ~np.isnat(time)
    start = np.full(subject.max() + 1, np.iinfo(np.int64).min)
    end = np.full(subject.max() + 1, np.iinfo(np.int64).max)
    at = time.view(np.int64)
    births, deaths = np.flatnonzero(born & there), np.flatnonzero(died & there)
    first = births[np.argsort(-at[births], kind="stable")]
    last = deaths[np.argsort(at[deaths], kind="stable")]
    start[subject[first]] = at[first]
    end[subject[last]] = np.where(at[last] % DAY == 0, at[last] + DAY - 1, at[last])
    return there & (at < start[subject]), there & (at > end[subject])


def say_outside_life(path: str | Path, events: pd.DataFrame) -> None:
    """Logs how many there are; they are kept."""
    before, after = outside_life(events)
    for found, what in ((before, f"before birth ({BIRTH})"), (after, f"after death ({DEATH})")):
        if found.any():
            subjects = events["subject_id"][found]
            log.warning(
                "%s: %s events of %s subjects are %s, such as one of subject %s; they are kept",
                *(path, f"{found.sum():,}", f"{subjects.nunique():,}", what, subjects.iloc[0]),
            )
