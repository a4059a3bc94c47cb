"""Courses as a network sees them, and back: what is the last value again is the last one, to the digit."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import fit_codec
from jaxehr.codecs.numbers import Quantile
from jaxehr.data import Records, Schema
from jaxehr.synthesis.carried import (
    carried_layout,
    carried_places,
    carried_stands,
    carried_view,
)

WEIGHTS = {  # by patient: the value of each hour in which it was measured
    1: {0: 70.0, 1: 70.0, 3: 70.0, 4: 71.0},
    2: {1: 80.0, 2: 81.0, 4: 80.0},
    3: {2: 60.0},
    4: {0: 65.0, 2: 65.0, 3: 66.0, 4: 66.0},
}
SAME = {(1, 1), (1, 3), (4, 2), (4, 4)}


def stays(weights=WEIGHTS):
    """The pulse of every hour, and weights."""
    rows = [(i, h, "weight", v) for i, own in weights.items() for h, v in own.items()]
    rows += [(i, h, "HR", 60.0 + 7 * i + h) for i in weights for h in range(5)]
    frame = pd.DataFrame(rows, columns=["subject_id", "hour", "code", "numeric_value"])
    start = pd.Timestamp("2021-01-01").as_unit("us")
    frame["time"] = start + pd.to_timedelta(frame.pop("hour"), "h").dt.as_unit("us")
    events = frame.sort_values(["subject_id", "time", "code"], ignore_index=True)
    return Records(None, events[["subject_id", "time", "code", "numeric_value"]])


@pytest.fixture(scope="module")
def codec():
    records = stays()
    schema = Schema.infer(records).on_grid(records, every="1h", length=5, start="2021-01-01")
    return fit_codec(records, schema, Quantile, 1)


def same_of(x, codec):
    """[patient, step]: the bit of the weight."""
    layout = carried_layout(codec)
    at = [i for i, n in enumerate(codec.names["number"]) if n.startswith("weight, step")]
    return x[:, layout.numbers + np.array(layout.indicators)[at]] > 0.5


def weights_of(records):
    own = records.events[records.events["code"] == "weight"]
    hour = (own["time"] - own["time"].min().floor("D")) // pd.Timedelta("1h")
    at = zip(own["subject_id"], hour.astype(int), strict=True)
    return dict(zip(at, own["numeric_value"], strict=True))


def test_a_bit_says_what_is_the_last_one_again(codec):
    x = carried_view(codec).to_x(codec.encode(stays()))
    said = same_of(x, codec)
    for i, own in WEIGHTS.items():
        for h in range(5):
            assert said[i - 1, h] == (h not in own or (i, h) in SAME), (i, h)


def test_what_is_the_same_again_comes_out_as_the_last_one_whatever_was_drawn_there(codec):
    view = carried_view(codec)
    x = view.to_x(codec.encode(stays()))
    at = [i for i, n in enumerate(codec.names["number"]) if n.startswith("weight, step")]
    drawn, same = x.copy(), same_of(x, codec)
    drawn[:, at] += np.where(same, 0.3, 0.0)
    found = weights_of(codec.decode(view.of_x(drawn)))
    assert found == {(i, h): v for i, own in WEIGHTS.items() for h, v in own.items()}
    drawn[:, at] += 0.3  # what is not the same is as it was drawn
    assert weights_of(codec.decode(view.of_x(drawn)))[1, 4] != 71.0


def test_a_first_value_is_kept_though_it_is_said_to_be_the_last_again(codec):
    view = carried_view(codec)
    x, layout = view.to_x(codec.encode(stays())), carried_layout(codec)
    x[:, layout.numbers + codec.sizes["bit"] : layout.numbers + layout.bits] = 1.0
    found = weights_of(codec.decode(view.of_x(x)))
    assert {at: v for at, v in found.items() if at in {(1, 0), (2, 1), (3, 2), (4, 0)}} == {
        (1, 0): 70.0,
        (2, 1): 80.0,
        (3, 2): 60.0,
        (4, 0): 65.0,
    }
    assert found[2, 4] == 80.0 and found[1, 4] == 70.0


def test_what_is_known_stays_as_it_is_whatever_is_drawn_before_it(codec):
    """The weight is asked for where it was not measured: then no later one is known to be the same again."""
    records, view = stays(), carried_view(codec)
    given = codec.parts["series"].known_of(records, ["weight"])
    at = [i for i, name in enumerate(codec.names["number"]) if name.startswith("weight, step")]
    number = given.parts["number"].copy()
    number[2, at[:2]] = number[2, at[2]]  # what stands where nothing is known does not matter
    known = view.known(given._replace(parts={**given.parts, "number": number}))
    x = np.where(known.mask, known.x0, 0.9).astype(np.float32)
    found = weights_of(codec.decode(view.of_x(x)))
    for i, own in WEIGHTS.items():
        for h, v in own.items():
            assert found[i, h] == v, (i, h)
    assert (1, 2) in found and len(found) == 20


def test_of_a_prefix_it_is_known_what_is_the_same_again(codec):
    given = codec.parts["series"].known_until(stays(), 4)
    known = carried_view(codec).known(given)
    same, mask = same_of(known.x0, codec), same_of(known.mask, codec)
    for i, own in WEIGHTS.items():
        for h in range(5):
            assert mask[i - 1, h] == (h < 4 and h in own)
            assert same[i - 1, h] == ((i, h) in SAME and h < 4)


def test_a_clock_that_is_the_same_again_is_the_same_to_the_minute():
    """Patients are measured at 15 past each hour but for one hour, and the next is as that one."""
    rows = [(i, h, 40 if h in (2, 3) else 15) for i in range(1, 5) for h in range(5)]
    start = pd.Timestamp("2021-01-01").as_unit("us")
    frame = pd.DataFrame(rows, columns=["subject_id", "hour", "minute"])
    minutes = pd.to_timedelta(60 * frame["hour"] + frame["minute"], "min").dt.as_unit("us")
    whole = {"subject_id": frame["subject_id"], "time": start + minutes, "code": "HR"}
    events = pd.DataFrame(whole | {"numeric_value": 60.0 + 7 * frame["hour"] + frame["subject_id"]})
    records = Records(None, events)
    schema = Schema.infer(records).on_grid(records, every="1h", length=5, start="2021-01-01")
    codec = fit_codec(records, schema, Quantile, 1)
    view, layout = carried_view(codec), carried_layout(codec)
    x = view.to_x(codec.encode(records))
    at = [i for i, name in enumerate(codec.names["number"]) if name.startswith("clock")]
    same = x[:, layout.numbers + np.array(layout.indicators)[at]] > 0.5
    assert (same == [False, True, False, True, False]).all()
    x[:, at] += np.where(same, 0.3, 0.0)
    assert codec.decode(view.of_x(x)).events["time"].tolist() == events["time"].tolist()


WRITTEN = {1: {1, 3}, 2: {0}, 3: set(), 4: {2, 3, 4}}


@pytest.fixture(scope="module")
def coded():
    """(records, codec): the pulse of every hour, and a diagnosis."""
    records = stays()
    events = records.events[records.events["code"] == "HR"]
    own = {(i, h) for i, hours in WRITTEN.items() for h in hours}
    at = zip(events["subject_id"], events["time"].dt.hour, strict=True)
    more = events[[each in own for each in at]].assign(code="I50", numeric_value=np.nan)
    both = pd.concat([events, more]).sort_values(["subject_id", "time", "code"], ignore_index=True)
    records = Records(None, both)
    schema = Schema.infer(records).on_grid(records, every="1h", length=5, start="2021-01-01")
    return records, fit_codec(records, schema, Quantile, 1)


def written(records):
    own = records.events[records.events["code"] == "I50"]
    return set(zip(own["subject_id"], own["time"].dt.hour, strict=True))


def test_a_bit_says_what_has_begun(coded):
    records, codec = coded
    x, layout = carried_view(codec).to_x(codec.encode(records)), carried_layout(codec)
    bits = layout.numbers + layout.bits
    for i, hours in WRITTEN.items():
        begun = [h >= min(hours, default=5) for h in range(5)]
        assert (x[i - 1, bits - 5 : bits] == begun).all()


def test_what_has_not_begun_is_not_written(coded):
    records, codec = coded
    view, layout = carried_view(codec), carried_layout(codec)
    x, bits = view.to_x(codec.encode(records)), layout.numbers + layout.bits
    assert written(codec.decode(view.of_x(x))) == {(i, h) for i in WRITTEN for h in WRITTEN[i]}
    x[:, bits - 5 : bits - 2] = 0
    assert written(codec.decode(view.of_x(x))) == {(1, 3), (4, 3), (4, 4)}


def test_what_was_written_in_a_prefix_has_begun_for_good(coded):
    records, codec = coded
    layout = carried_layout(codec)
    known = carried_view(codec).known(codec.parts["series"].known_until(records, 2))
    begun, sure = (
        each[:, layout.numbers + layout.bits - 5 : layout.numbers + layout.bits] > 0.5
        for each in (known.x0, known.mask)
    )
    late = [True] * 2 + [False] * 3
    assert begun.tolist() == [[False] + [True] * 4, [True] * 5, [False] * 5, [False] * 5]
    assert sure.tolist() == [[True] * 5, [True] * 5, late, late]


def test_each_value_and_clock_of_a_step_has_a_feature_that_says_that_it_stands(coded):
    _, codec = coded
    layout, places, stands = carried_layout(codec), carried_places(codec), carried_stands(codec)
    carried = np.flatnonzero(stands >= 0)
    assert len(carried) == len(codec.parts["series"].values)
    for row in places:
        of_bits = layout.numbers + np.array(layout.indicators)[row[carried]]
        assert (row[stands[carried]] == of_bits).all()
