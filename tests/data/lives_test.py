"""Which events fall outside a life."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.data.lives import BIRTH, DEATH, outside_life


def one_by_one(events):
    before, after = np.zeros(len(events), bool), np.zeros(len(events), bool)
    for i, event in enumerate(events.itertuples()):
        own = events[events["subject_id"] == event.subject_id]
        births = own["time"][own["code"] == BIRTH].dropna()
        deaths = own["time"][own["code"] == DEATH].dropna()
        before[i] = len(births) > 0 and event.time < births.min()
        last = deaths.max()
        if len(deaths) and last == last.normalize():  # a date
            last += pd.Timedelta("1D") - pd.Timedelta("1us")
        after[i] = len(deaths) > 0 and event.time > last
    return before, after


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_found_one_by_one(seed):
    """In any order, with several births and deaths, and with neither."""
    rng = np.random.default_rng(seed)
    n = 80
    time = pd.Series(rng.integers(0, 40, n).astype("datetime64[s]")).mask(rng.random(n) < 0.1)
    code = rng.choice([BIRTH, DEATH, "a", "b"], n, p=[0.05, 0.05, 0.6, 0.3])
    events = pd.DataFrame({"subject_id": rng.integers(0, 9, n), "time": time, "code": code})
    for frame in (events, events.astype({"code": "category", "subject_id": str})):
        found = outside_life(frame)
        np.testing.assert_array_equal(found, one_by_one(events))
    assert found[0].any() and found[1].any()


def test_without_times_none_is():
    events = pd.DataFrame({"subject_id": [1, 1], "code": [BIRTH, "a"]})
    assert not np.any(outside_life(events))
    assert not np.any(outside_life(events.assign(time=np.datetime64("NaT", "us"))))


def test_a_death_that_is_known_by_its_date_lasts_the_day():
    time = pd.to_datetime(["2150-03-01", "2150-03-01 23:59", "2150-03-02 00:00"], format="ISO8601")
    events = pd.DataFrame({"subject_id": 1, "code": [DEATH, "a", "a"], "time": time})
    assert outside_life(events)[1].tolist() == [False, False, True]
    at_eight = events["time"].where(events["code"] != DEATH, pd.Timestamp("2150-03-01 08:00"))
    assert outside_life(events.assign(time=at_eight))[1].tolist() == [False, True, True]
