"""Codes as bits: what comes back is joined and typed as what went in."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs.codec import fit_codec
from jaxehr.data import DataError, Records, Schema, stacked
from jaxehr.data.ids import new_ids


def records():
    ids = [f"{i:03d}" for i in range(40)]
    pairs = [(ids[i], code) for i in range(40) for code in ("AB" if i % 2 else "C")]
    events = pd.DataFrame(pairs, columns=["subject_id", "code"])
    return Records(pd.DataFrame({"subject_id": ids, "age": np.arange(40) % 7 + 30.5}), events)


def test_categorical_codes_are_so_whatever_the_batch():
    """One batch has A and B, the next C alone."""
    data = records()
    data = Records(data.static, data.events.astype({"code": "category"}))
    codec = fit_codec(data, min_patients=1)
    parts = codec.encode(data)
    drawn = [
        codec.decode({k: part[i : i + 1] for k, part in parts.items()}, first=i) for i in range(40)
    ]
    pd.testing.assert_frame_equal(stacked(drawn).events, codec.decode(parts).events)
    assert stacked(drawn).events["code"].dtype == "category"


@pytest.mark.parametrize(
    "dtype, most", [("int8", 127), ("UInt8", 255), ("int16[pyarrow]", 32767), ("float16", 2048)]
)
def test_no_two_subjects_have_one_id(dtype, most):
    assert new_ids(most, 0, dtype).is_unique
    with pytest.raises(DataError, match=r"ids are .*make them int64"):
        new_ids(1, most, dtype)


def test_what_says_whose_the_events_are_is_an_id():
    """Else the table would hold real ids, and none of its subjects would have events."""
    schema = Schema.infer(records())
    with pytest.raises(DataError, match="its kind in the schema is id; got categorical"):
        schema.with_kind("subject_id", "categorical")
    with pytest.raises(DataError, match="its kind in the schema is id; it is not there"):
        replace(schema, columns=schema.columns[1:])
    with pytest.raises(DataError, match=r"of events a schema names subject_id.*got code"):
        replace(schema, events=schema.events[1:])


def test_codes_of_text_and_numbers_are_refused():
    data = records()
    events = data.events.astype({"code": object}).replace({"code": {"A": 7}})
    with pytest.raises(DataError, match="'code' mixes text with other values"):
        fit_codec(Records(data.static, events), min_patients=1)
