"""Actions and rewards read off the events of patients, up to a policy that is known."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import DataError, Grid, Records, Schema, Variable
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.measures.decisions import Roles, decisions_of

VARIABLES = (
    Variable("HR", "numerical", "float64"),
    Variable("fluid", "categorical", "text"),
    Variable("dose", "numerical", "float64"),
    Variable("drug", "binary", "none"),
    Variable("gain", "numerical", "float64"),
    Variable("alive", "binary", "float64"),
)
GRID = Grid("1h", 4, VARIABLES, start="2000-01-01")
LINES = [
    (7, 0, "HR", 80.0),
    (7, 0, "fluid", "none"),
    (7, 0, "gain", -1.5),
    (7, 0, "dose", 2.0),
    (7, 1, "HR", 82.0),
    (7, 1, "fluid", "bolus"),
    (7, 1, "gain", 2.0),
    (7, 1, "drug", None),
    (7, 3, "HR", 99.0),
    (7, 3, "gain", 0.0),
    (7, 3, "dose", 0.0),
    (5, 0, "fluid", "drip"),
    (5, 0, "gain", 1.0),
    (5, 0, "dose", 5.0),
    (5, 0, "alive", 1.0),
    (5, 1, "fluid", "none"),
    (5, 1, "HR", 60.0),
    (5, 1, "alive", 0.0),
]


def sets(*more):
    found = {}
    for name, lines in zip(("real", "synthetic"), (LINES, *more), strict=False):
        subject, hour, code, value = zip(*lines, strict=True)
        events = pd.DataFrame(
            {
                "subject_id": subject,
                "time": pd.Timestamp("2000-01-01") + pd.to_timedelta(hour, "h"),
                "code": code,
                "numeric_value": [x if isinstance(x, float) else np.nan for x in value],
                "text_value": [x if isinstance(x, str) else None for x in value],
            }
        )
        static = pd.DataFrame({"subject_id": [7, 5], "age": [50.0, 60.0]})
        found[name] = Records(static, events)
    schema = Schema.infer(found["real"])
    schema = Schema(schema.columns, schema.events, whole=True, grid=GRID)
    return dict(zip(found, comparable(schema, found), strict=True))


def decisions(action, *more, reward="gain"):
    return decisions_of(GRID, Roles(action, reward), sets(*more))


def test_actions_are_classes_and_nothing_recorded_is_one():
    """Of the fluid "none" is the most frequent, then bolus and drip, by the alphabet; the last hour has no fluid."""
    found = decisions("fluid")["real"]
    assert found.actions.tolist() == [[1, 2, 0, 0], [3, 1, 0, 0]]
    assert found.lengths.tolist() == [4, 2]
    assert found.ended.tolist() == [False, True]  # the grid ends in the fourth hour
    np.testing.assert_array_equal(
        found.rewards, [[-1.5, 2, np.nan, 0], [1, np.nan, np.nan, np.nan]]
    )
    pulse = [[80, 82, np.nan, 99], [np.nan, 60, np.nan, np.nan]]
    np.testing.assert_array_equal(found.features[..., 0], pulse)
    assert found.features.shape[2] == 4  # neither the fluids nor the gain


def test_something_done_or_not_and_a_dose_of_few_values():
    """A channel's 1 is the action 2."""
    assert decisions("drug")["real"].actions.tolist() == [[0, 2, 0, 0], [0, 0, 0, 0]]
    assert decisions("dose")["real"].actions.tolist() == [[2, 0, 0, 1], [3, 0, 0, 0]]


def test_what_real_patients_never_had_is_an_action_of_its_own():
    other = [(s, h, code, 3.0 if code == "dose" else x) for s, h, code, x in LINES]
    assert decisions("dose", other)["synthetic"].actions.tolist() == [[4, 0, 0, 4], [4, 0, 0, 0]]


@pytest.mark.parametrize(
    ("action", "reward", "said"),
    [
        ("heart", "gain", "no variable 'heart' to be the action; it has HR, fluid, dose"),
        ("fluid", "gains", "no variable 'gains' to be the reward"),
        ("gain", "gain", "cannot be the action and the reward"),
        ("fluid", "drug", "'drug' is binary and cannot be the reward, which is a number$"),
        ("fluid", "alive", "is a number; if it is one, say so"),
        ("fluid", "dose", None),
        ("fluid", "HR", None),
    ],
)
def test_what_cannot_be_is_refused(action, reward, said):
    if said is None:  # the reward of 3 of 6 steps is enough
        assert decisions(action, reward=reward)
        return
    with pytest.raises(DataError, match=said):
        decisions(action, reward=reward)


def test_numbers_that_are_no_choices_and_actions_that_never_differ_are_refused():
    halves = [(s, h, code, x + 0.5 if code == "dose" else x) for s, h, code, x in LINES]
    with pytest.raises(DataError, match="'HR' is a number of 4 values"):
        pulses = [(s, h, code, x + 0.5 if code == "HR" else x) for s, h, code, x in LINES]
        decisions_of(GRID, Roles("HR", "gain"), {"real": list(sets(pulses).values())[1]})
    with pytest.raises(DataError, match="'dose' is a number of 3 values and cannot be the action"):
        decisions_of(GRID, Roles("dose", "gain"), {"real": list(sets(halves).values())[1]})
    without = [line for line in LINES if line[2] != "gain" or line[1] > 2]
    with pytest.raises(DataError, match="recorded in 17% of the steps of the synthetic records"):
        decisions("fluid", without)
    never = [line for line in LINES if line[2] != "drug"]
    with pytest.raises(DataError, match="same in all steps of the real records"):
        decisions_of(GRID, Roles("drug", "gain"), {"real": list(sets(never).values())[1]})


def test_a_table_has_no_policy():
    with pytest.raises(DataError, match="a policy is learnt from a series"):
        decisions_of(None, Roles("fluid", "gain"), sets())
