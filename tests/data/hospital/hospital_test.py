"""What the hospital hands out: records of MEDS's names, that say what the cohort is and no more."""

import time

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import hospital
from jaxehr.data.hospital import truths
from jaxehr.data.hospital.centres import BACKGROUND, DIES, DISEASES, LABS, TREATMENTS
from jaxehr.data.hospital.cohort import BLOCK, cohort
from jaxehr.data.hospital.events import CODES, LAB_CODES
from jaxehr.data.hospital.world import world_of

LIMIT = 4.5  # standard errors: once in 150,000 times by chance
N = BLOCK + 500


@pytest.fixture(scope="module")
def drawn():
    return hospital(N, 3), cohort(N, 3)


def test_types_and_names(drawn):
    records, _ = drawn
    static, events = records.static, records.events
    assert list(static) == ["subject_id", "sex", "age", "group", "smoking", "region"]
    assert list(events) == ["subject_id", "time", "code", "numeric_value"]
    assert static["subject_id"].dtype == events["subject_id"].dtype == np.int64
    assert events["time"].dtype == "datetime64[us]"
    assert np.array_equal(static["subject_id"], np.arange(1, N + 1))
    assert set(events["subject_id"]) == set(static["subject_id"])
    assert set(events["code"]) == set(CODES)
    assert (
        not static.isna().any().any()
        and not events.drop(columns="numeric_value").isna().any().any()
    )
    assert np.array_equal(events["numeric_value"].notna(), events["code"].isin(LAB_CODES))


def test_the_same_bit_for_bit(drawn):
    again, fewer, other = hospital(N, 3), hospital(700, 3), hospital(700, 3, world=1)
    for name in ("static", "events"):
        whole = getattr(drawn[0], name)
        pd.testing.assert_frame_equal(whole, getattr(again, name), check_exact=True)
        first = whole[whole["subject_id"] <= 700]
        pd.testing.assert_frame_equal(first, getattr(fewer, name), check_exact=True)
        assert not first.equals(getattr(other, name))


def test_events_are_sorted_from_birth_to_death(drawn):
    events = drawn[0].events
    later = np.diff(events["subject_id"]) == 0
    assert np.all(np.diff(events["subject_id"]) >= 0)
    assert np.all(np.diff(events["time"].to_numpy())[later] >= np.timedelta64(0))
    born, died = (events["code"] == code for code in ("MEDS_BIRTH", "MEDS_DEATH"))
    first = np.concatenate([[True], ~later])
    last = np.concatenate([~later, [True]])
    assert np.array_equal(born, first)
    assert np.all(last[died]) and 0 < died.sum() < N
    assert not events.duplicated(["subject_id", "time", "code"]).any()


def test_events_say_what_the_cohort_is(drawn):
    """Two ways to one answer: counts of each code, ages by the calendar, and values by their visits."""
    records, hidden = drawn
    events = records.events
    counts = events["code"].value_counts()
    for codes, written in (
        ([disease.code for disease in DISEASES.values()], hidden.coded),
        (list(BACKGROUND), hidden.background),
        (LAB_CODES, hidden.ordered),
    ):
        assert np.array_equal(counts[list(codes)], written.sum(0))
    begun = hidden.began[:, len(DISEASES) : DIES]
    new = ((begun > hidden.age[:, None]) & (begun <= hidden.ends[:, None])).sum(0)
    drugs = [treatment.code for treatment in TREATMENTS.values()]
    assert np.array_equal(counts[drugs], hidden.renewed.sum(0) + new)
    born = events.loc[events["code"] == "MEDS_BIRTH", "time"].to_numpy()
    visit = events["code"].str.startswith("VISIT").to_numpy()
    age = (
        (events["time"].to_numpy() - born[events["subject_id"] - 1])
        / np.timedelta64(1, "D")
        / 365.25
    )
    assert np.all(np.abs(age[visit] - hidden.visit_age) < 1.1 / 365.25)
    for place, (name, lab) in enumerate(LABS.items()):
        seen = events.loc[events["code"] == f"LAB//{name}//{lab.unit}", "numeric_value"]
        values = hidden.values()[hidden.ordered[:, place], place]
        assert np.all(np.abs(seen.to_numpy() - values) <= 0.5001 * 10.0**-lab.decimals)


def test_a_measured_mean_is_that_of_the_law():
    """From the records: the first ldl of women of 50 without a condition, whose mean is biased by who is measured.

    Two z scores: one false alarm in 75,000.
    """
    world = world_of(0)
    records, hidden = (
        make(6_000, 5, do={"sex": "female", "age": 50.0}) for make in (hospital, cohort)
    )
    well = records.static["subject_id"][~hidden.state(hidden.age).any(1)]
    events = records.events[records.events["subject_id"].isin(well)]
    at_entry = events["time"] == events.groupby("subject_id")["time"].transform(lambda t: t.iloc[1])
    values = events.loc[at_entry & (events["code"] == "LAB//ldl//mg/dL"), "numeric_value"]
    place, known = list(LABS).index("ldl"), truths.seen(world, "ldl")
    mean = world.mean[place] - world.by_decade[place]
    error = world.spread[place] * np.sqrt(known.variance / len(values))
    assert abs(values.mean() - mean - world.spread[place] * known.mean) < LIMIT * error
    assert abs(values.mean() - mean) > LIMIT * error  # the naive mean is wrong
    share = np.sqrt(known.ordered * (1 - known.ordered) / len(well))
    assert abs(len(values) / len(well) - known.ordered) < LIMIT * share


def test_two_thousand_patients_take_less_than_two_seconds():
    """Of CPU; ten times what it takes."""
    begun = time.process_time()
    hospital(2_000)
    assert time.process_time() - begun < 2
