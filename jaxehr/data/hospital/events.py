"""A cohort as its hospital would hand it out: what was seen, and none of what is hidden."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import (
    ABOUT,
    BACKGROUND,
    DIES,
    DISEASES,
    GROUPS,
    LABS,
    REGIONS,
    SEXES,
    SMOKING,
    TREATMENTS,
    VISITS,
)
from jaxehr.data.hospital.cohort import Cohort
from jaxehr.data.hospital.world import Reals
from jaxehr.data.lives import BIRTH, DEATH

OPENED = np.datetime64("2010-01-01", "us")  # nobody enters before
DAY = 86_400_000_000  # microseconds
YEAR = 365.25  # days
LAB_CODES = tuple(f"LAB//{name}//{lab.unit}" for name, lab in LABS.items())
# In the order in which those of one time stand.
CODES = (
    BIRTH,
    *VISITS,
    *(disease.code for disease in DISEASES.values()),
    *BACKGROUND,
    *(treatment.code for treatment in TREATMENTS.values()),
    *LAB_CODES,
    DEATH,
)


def tables_of(cohort: Cohort, first: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Static facts and events, as Records hold them; subject_id counts from `first`."""
    ids = np.arange(first, first + len(cohort.age), dtype=np.int64)
    named = lambda places, names: np.array(names, object)[places]
    static = pd.DataFrame(
        {
            "subject_id": ids,
            "sex": named(cohort.male, SEXES),
            "age": np.floor(cohort.age).astype(np.int64),
            "group": named(cohort.group, GROUPS),
            "smoking": named(cohort.smoking, SMOKING),
            "region": named(cohort.region, REGIONS),
        }
    )
    static = static.astype(dict.fromkeys(("sex", "group", "smoking", "region"), str))
    row, age, code, value = (
        np.concatenate(column) for column in zip(*_events(cohort), strict=True)
    )
    time = _times(cohort, row, age)
    born = code == CODES.index(BIRTH)
    time[born] = time[born].astype("datetime64[D]")  # the day alone is written
    order = np.lexsort((code, time, row))
    events = pd.DataFrame(
        {
            "subject_id": ids[row[order]],
            "time": time[order],
            "code": pd.Series(np.array(CODES, object)[code[order]], dtype=str),
            "numeric_value": value[order],
        }
    )
    return static, events


def _events(cohort: Cohort):
    """Rows, ages, places in CODES and values of each kind of event."""
    rows = np.arange(len(cohort.age))
    yield _plain(rows, np.zeros(len(rows)), np.full(len(rows), CODES.index(BIRTH)))
    kinds = np.where(cohort.inpatient, *(CODES.index(kind) for kind in reversed(VISITS)))
    yield _plain(cohort.patient, cohort.visit_age, kinds)
    written = np.hstack([cohort.coded, cohort.background, cohort.renewed])
    visit, which = np.nonzero(written)
    place = CODES.index(next(iter(DISEASES.values())).code)
    yield _plain(cohort.patient[visit], cohort.visit_age[visit], which + place)
    for place, condition in enumerate(TREATMENTS.values(), len(DISEASES)):
        at = cohort.began[:, place]
        new = np.flatnonzero((at > cohort.age) & (at <= cohort.ends))
        yield _plain(new, at[new], np.full(len(new), CODES.index(condition.code)))
    visit, lab = np.nonzero(cohort.ordered)
    values = _rounded(cohort.values())[visit, lab]
    place = CODES.index(LAB_CODES[0])
    yield cohort.patient[visit], cohort.visit_age[visit], lab + place, values
    died = np.flatnonzero(cohort.began[:, DIES] <= cohort.age + cohort.followed)
    yield _plain(died, cohort.began[died, DIES], np.full(len(died), CODES.index(DEATH)))


def _plain(row: NDArray, age: Reals, code: NDArray):
    return row, age, code, np.full(len(row), np.nan)


def _rounded(values: Reals) -> Reals:
    return np.stack(
        [np.round(values[:, i], lab.decimals) for i, lab in enumerate(LABS.values())], axis=1
    )


def _times(cohort: Cohort, row: NDArray, age: Reals) -> NDArray:
    """Of ages in years of 365.25 days, by the day of entry."""
    days = cohort.entry[row] + (age - cohort.age[row]) * YEAR
    return OPENED + np.round(days * DAY).astype("timedelta64[us]")


def about_codes() -> pd.DataFrame:
    """code and description of each that is written."""
    labs = {
        code: f"{name} in {LABS[name].unit}" for code, name in zip(LAB_CODES, LABS, strict=True)
    }
    rest = {BIRTH: "birth", DEATH: "death"} | {
        code: code.split("//")[1] + " visit" for code in VISITS
    }
    return pd.DataFrame(list((rest | ABOUT | labs).items()), columns=["code", "description"])
