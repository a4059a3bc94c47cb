"""Events put among others: what was there stays as it was, and where it was."""

import numpy as np
import pandas as pd

from jaxehr.data.among import put_among


def events(rows, code="HR"):
    subject, hours = zip(*rows, strict=True)
    time = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.array(hours, float), "h")
    return pd.DataFrame({"subject_id": subject, "time": time, "code": code, "numeric_value": 1.0})


def test_what_is_added_to_sorted_events_leaves_them_sorted():
    rng = np.random.default_rng(0)
    draw = lambda n: [
        (int(i), float(h)) for i, h in zip(rng.integers(0, 9, n), rng.random(n), strict=True)
    ]
    old = events(draw(80)).sort_values(["subject_id", "time"]).reset_index(drop=True)
    both = put_among(old, events(draw(50), "new"))
    assert both.equals(both.sort_values(["subject_id", "time"], kind="stable"))
    left = both[both["code"] == "HR"].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, old)


def test_events_in_no_order_keep_theirs():
    """Subject 2 comes first; 3 has none; one event has no time, and what is added is after all that is not later."""
    old = events([(2, 5), (2, 1), (1, 3), (1, np.nan), (1, 2)]).assign(
        code=pd.Categorical(["a", "b", "a", "a", "b"]),
        row=range(5),
        note=[None, "x", None, None, "y"],
    )
    new = events([(1, 2.5), (1, 0), (2, 0.5), (2, 9), (3, 1), (2, 6)], "z")
    both = put_among(old, new)
    hours = (both["time"] - pd.Timestamp("2020-01-01")) / pd.Timedelta("1h")
    assert [f"{s} {h:g}" for s, h in zip(both["subject_id"], hours, strict=True)] == [
        "2 0.5", "2 5", "2 6", "2 9", "2 1", "1 3", "1 nan", "1 0", "1 2", "1 2.5", "3 1",
    ]  # fmt: skip
    left = both[both["code"] != "z"].reset_index(drop=True)
    assert left["row"].tolist() == [0, 1, 2, 3, 4] and both["code"].cat.categories.tolist() == list(
        "abz"
    )
    pd.testing.assert_frame_equal(left.astype({"code": old["code"].dtype, "row": int}), old)
    assert list(both) == list(old) and put_among(old, new.iloc[:0]) is old
