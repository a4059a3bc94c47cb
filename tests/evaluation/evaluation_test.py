"""The whole evaluation: quiet where nothing is wrong, loud where a failure is planted, and clear about bad input."""

import numpy as np
import pandas as pd
import pytest
from patients import bits, codes, frame, shuffled, table

from jaxehr.data import DataError, Schema
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges.fidelity import of_columns, worst_of_ranges
from jaxehr.evaluation.judges.job import Job
from jaxehr.evaluation.judges.verdict import standing
from jaxehr.evaluation.measures.frequencies import prevalence


@pytest.fixture(scope="module")
def tables():
    """A fresh sample of the same law is the perfect generator; the same with its columns shuffled is a bad one."""
    real, fresh, held = (table(600, seed) for seed in range(3))
    judge = lambda records: evaluate(real, records, held, pillars=("fidelity",))
    return {"fresh": judge(fresh), "shuffled": judge(shuffled(fresh))}


def test_a_fresh_sample_scores_at_its_floor(tables):
    """Within twice the 95% interval of the floor, which has as much noise again: 1 in 250 a figure."""
    real, fresh, held = (codes(600, seed) for seed in range(3))
    for report in (tables["fresh"], evaluate(real, fresh, held, pillars=("fidelity",))):
        done = [m for m in report.metrics if m.status == "ok"]
        assert len(done) >= 14
        for m in done:
            assert m.floor is not None
            if m.low is not None:
                assert abs(m.value - m.floor) <= m.high - m.low + 1e-9, m.name
            assert standing(m) not in ("off", "far off"), m.name


def test_shuffled_columns_are_far_off_and_at_the_worst(tables):
    bad = tables["shuffled"]
    assert bad["detection_auc"].value > 0.65
    for name in ("trend_error", "correlation_difference"):
        m = bad[name]
        assert standing(m) == "far off"
        assert m.value == pytest.approx(m.worst, rel=0.3)
    assert standing(bad["shape_error"]) == "as real"  # shapes are the same


def test_lost_rare_codes_are_seen_where_pearson_is_blind():
    real, held, fresh = (bits(4000, seed) for seed in range(3))
    fresh[:, real.sum(0) <= 80] = 0
    names = ("real", "synthetic", "holdout")
    records = comparable(
        Schema.infer(frame(real)), dict(zip(names, map(frame, (real, fresh, held)), strict=True))
    )
    job = Job(dict(zip(names, records, strict=True)), None, 0)
    lost = {m.name: m for m in of_columns(job, prevalence, worst_of_ranges)}
    assert lost["prevalence_pearson"].value > 0.99
    for name in ("codes_present", "rare_codes_kept", "log_odds_gap_rare"):
        assert standing(lost[name]) in ("off", "far off")


def test_files_may_be_sorted():
    """Groups and halves are drawn at random, so that the order of rows in a file does not matter."""
    sets = [frame(bits(600, seed)) for seed in range(3)]
    ordered = [f.sort_values(["code", "subject_id"], kind="stable") for f in sets]
    for m in evaluate(*ordered, pillars=("privacy",)).metrics:
        assert standing(m) in ("no leak", "not evaluated", "as real"), m.name


def test_without_a_holdout_there_is_no_floor_and_of_privacy_only_copies():
    report = evaluate(table(600, 0), table(600, 1), label="death")
    counted = {m.name for m in report.metrics if m.pillar == "privacy"}
    assert counted == {"copied_rows", "nearly_copied_rows", "copied_numbers"}
    assert all(m.floor is None for m in report.metrics if m.name not in counted)
    assert {m.pillar for m in report.metrics} == {"fidelity", "privacy"}
    assert any("no holdout" in note for note in report.notes)
    assert report.verdicts["fidelity"].heading == "Without a yardstick"
    assert report.verdicts["utility"] == ("Not judged", "Give held-out patients to test on.")
    assert report.verdicts["privacy"].heading == "Only copies were counted"
    assert "Without a yardstick" in report.to_html()


def test_fewer_than_a_hundred_patients():
    """Columns are compared; what needs more is named, with the reason, and said in a note."""
    report = evaluate(table(60, 0), table(150, 1), table(150, 2), label="death")
    assert report["shape_error"].status == "ok"
    for name in ("detection_auc", "tstr_auroc", "share_closer_to_train"):
        assert report[name].status == "underpowered: not evaluated"
        assert report[name].why == "the training records have fewer than 100 patients"
    assert any("fewer than 100 patients in the real records" in note for note in report.notes)
    assert "fewer than 11" in evaluate(table(8, 0), table(9, 1)).to_html()


def test_a_holdout_of_training_patients_is_counted():
    real, fresh = table(300, 0), table(300, 1)
    held = pd.concat([real.head(40), table(260, 2)], ignore_index=True)
    (note,) = [n for n in evaluate(real, fresh, held, pillars=()).notes if "holdout rows" in n]
    assert "40 of the 300 holdout rows equal a training row, where about 0 would by chance" in note
    found = evaluate(real, fresh, held, pillars=("privacy",)).verdicts["privacy"]
    assert (
        found.heading == "Leaks would not be seen" and "40 of the 300 holdout rows" in found.words
    )
    leaking = evaluate(real, real.copy(), held, pillars=("privacy",)).verdicts["privacy"]
    assert leaking.heading == "It leaks" and "40 of the 300 holdout rows" in leaking.words
    other = evaluate(real, fresh, table(300, 2), pillars=("privacy",)).verdicts["privacy"]
    assert other.heading == "No leak was found"
    alike = [codes(300, seed) for seed in range(3)]  # many share their few codes
    assert not [n for n in evaluate(*alike, pillars=()).notes if "holdout rows" in n]


def test_codes_that_no_patient_has_are_counted():
    real = codes(300, 0)
    synthetic = pd.concat([real, pd.DataFrame({"subject_id": [1], "code": ["NEW"]})])
    notes = evaluate(real, synthetic, pillars=()).notes
    assert any("1 codes of the synthetic" in note for note in notes)


def test_columns_and_types_that_differ_are_named():
    real = table(50, 0)
    with pytest.raises(DataError, match=r"lack \['sbp'\] and have \['pulse'\]"):
        evaluate(real, table(50, 1).rename(columns={"sbp": "pulse"}))
    with pytest.raises(DataError, match="column 'age' is numerical in the real records, but holds"):
        evaluate(real, table(50, 1).assign(age="old"))
    with pytest.raises(DataError, match=r"column 'sex' shares no value .* 'f', 'm', .* '0', '1'"):
        evaluate(real, table(50, 1).assign(sex=np.arange(50) % 2))
    dated = real.assign(seen="2020-01-02")
    with pytest.raises(
        DataError, match="column 'seen' is datetime in the real records, but numbers"
    ):
        evaluate(dated, table(50, 1).assign(seen=3.5))


def test_an_unknown_pillar():
    with pytest.raises(DataError, match="unknown pillar 'privaty'; they are fidelity, utility"):
        evaluate(table(50, 0), table(50, 1), pillars=("privaty",))


@pytest.mark.parametrize("name", ["real", "synthetic", "holdout"])
def test_a_file_of_one_patient_is_refused(name):
    files = {"real": table(60, 0), "synthetic": table(60, 1), "holdout": table(60, 2)}
    with pytest.raises(DataError, match=f"the {name} records are of fewer than 2 patients"):
        evaluate(**{**files, name: files[name][:1]})
