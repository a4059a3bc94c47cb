"""Tables nothing was tuned on: what the halves are, and what is left out of them."""

import open_tables
import pandas as pd


def test_halves_have_no_ids_share_no_row_and_are_the_same_each_time():
    table = pd.DataFrame({"rownames": range(101), "id": 7, "value": range(100, 201)})
    train, holdout = open_tables.halves(table)
    assert list(train) == list(holdout) == ["value"] and len(train) == len(holdout) == 50
    assert len(set(train["value"]) | set(holdout["value"])) == 100
    pd.testing.assert_frame_equal(open_tables.halves(table)[0], train)


def test_a_patient_with_colon_cancer_is_one_row():
    """929 patients (R's survival); death does not come before recurrence, and without one both times are equal."""
    table = open_tables.colon()
    assert len(table) == table["id"].nunique() == 929
    assert (table["time_death"] >= table["time_recurrence"]).all()
    assert not table.columns.isin(["rownames", "etype", "study"]).any()
