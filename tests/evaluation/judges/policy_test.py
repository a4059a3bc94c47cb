"""From files of events to the figures of a policy: of the decision process of measures/policy_test.py."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation.measures.policy_test import TREAT, courses

from jaxehr.cli import main
from jaxehr.data import Records, Schema
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges.job import Job
from jaxehr.evaluation.judges.policy import steps
from jaxehr.evaluation.measures.catalogue import POLICY
from jaxehr.evaluation.measures.decisions import Roles

HOURS = 15


def stays(n, seed, mistaken=False):
    """What is measured and gained in each hour; a treatment is written down when it is given, by the mistaken when it
    is not."""
    found = courses(n, seed)
    found = replace(found, lengths=np.full(n, HOURS))
    patient, hour = np.nonzero(found.within)
    x, treated = found.features[patient, hour], found.actions[patient, hour] == TREAT
    told = {"first": x[:, 0], "second": x[:, 1], "idle": x[:, 2]}
    told |= {"gain": found.rewards[patient, hour]}
    told |= {"treated": np.where(treated != mistaken, 1.0, np.nan)}
    frames = [
        pd.DataFrame({"subject_id": patient, "time": hour, "code": code, "numeric_value": value})
        for code, value in told.items()
    ]
    events = pd.concat(frames).dropna(subset="numeric_value")
    hours = pd.to_timedelta(events["time"], "h").dt.as_unit("us")
    events["time"] = pd.Timestamp("2021-01-01").as_unit("us") + hours
    return events.sort_values(["subject_id", "time"], kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def made():
    """(real, other real, mistaken) events, and their schema."""
    sets = {"real": stays(200, 0), "holdout": stays(100, 1), "synthetic": stays(100, 2, True)}
    records = Records(events=sets["real"])
    schema = Schema.infer(records)
    return sets, schema.on_grid(records, every="1h", length=HOURS, start="2021-01-01")


def test_a_mistaken_policy_gains_less_than_what_was_done_and_its_floor_more(made):
    """Known of the habit is BY_COIN, of the best policy BEST[0]; of a hundred states some are learnt wrongly."""
    sets, schema = made
    blocks = comparable(schema, {name: Records(events=events) for name, events in sets.items()})
    job = Job(dict(zip(sets, blocks, strict=True)), None, 0)
    (step,) = steps(job, schema.grid, Roles("treated", "gain"))
    found = {metric.name: metric for metric in step.run()}
    assert [*found] == [*POLICY] == [*step.names]
    value, same = found["policy_value"], found["policy_same_action"]
    assert value.high < found["policy_value_habit"].value < value.floor < value.ideal
    assert value.worst == found["policy_value_habit"].value
    assert value.ideal == found["policy_value_real"].value
    assert same.value < 0.3 < 0.7 < same.floor
    assert found["policy_value_habit"].floor is None
    assert {metric.pillar for metric in found.values()} == {"utility"}


def test_the_command_says_it_and_refuses_what_cannot_be(made, tmp_path, capsys):
    sets, schema = made
    files = []
    for name in ("real", "synthetic"):
        sets[name].to_csv(tmp_path / f"{name}.csv", index=False)
        files += [f"--{name}", str(tmp_path / f"{name}.csv")]
    schema.save(tmp_path / "schema.json")
    rest = ["--schema", str(tmp_path / "schema.json"), "--only", "utility"]
    command = ["evaluate", *files, *rest, "--out", str(tmp_path / "report")]
    assert main([*command, "--policy", "action=treated"]) == 2
    assert "is given twice, as --policy action=VARIABLE --policy" in capsys.readouterr().err
    assert main([*command, "--policy", "action=treatd", "--policy", "reward=gain"]) == 2
    assert "no variable 'treatd' to be the action; it has" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()
    assert main([*command, "--policy", "action=treated", "--policy", "reward=gain"]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {m["name"] for m in report["metrics"] if m["status"] == "ok"} == {*POLICY}
