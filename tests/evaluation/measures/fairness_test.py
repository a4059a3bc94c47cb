"""Fairness: one subgroup harmed on purpose is the one that is named, and small ones are not shown."""

import numpy as np
import pytest
from patients import bits, codes, frame, shuffled, table

from jaxehr.data import DataError
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.judges.fairness import compared
from jaxehr.evaluation.judges.verdict import verdict
from jaxehr.evaluation.measures.metric import Metric


def judged(real, synthetic, holdout=None, **options):
    return evaluate(real, synthetic, holdout, pillars=("fairness",), **options)


def test_the_subgroup_that_was_harmed_is_named():
    real, fresh, held = (table(3000, seed) for seed in range(3))
    men = fresh["sex"] == "m"
    harmed = fresh.copy()
    harmed.loc[men, "sbp"] += 10
    for name in ("ward", "death", "los"):
        harmed.loc[men, name] = shuffled(fresh[men])[name].to_numpy()
    found = judged(real, harmed, held, by="sex", label="death")
    worst = found["shape_error_worst_group[sex]"]
    assert worst.why == "the subgroup m" and worst.value > 3 * worst.floor
    assert found["shape_error_group_gap[sex]"].low > 0.01
    assert found["tstr_gap_auroc_worst_group[sex]"].why == "the subgroup m"
    by = {(g.by, g.group, g.metric): g.value for g in found.groups}
    assert by["sex", "m", "shape_error"] > 2 * by["sex", "f", "shape_error"]
    assert verdict("fairness", found.metrics).heading == "Subgroups differ"

    fair = judged(real, fresh, held, by="sex", label="death")
    assert verdict("fairness", fair.metrics).heading == "No gap beyond chance"


def test_every_metric_of_fidelity_and_utility_is_compared(monkeypatch):
    monkeypatch.setattr("jaxehr.evaluation.report.plots.pictures", lambda job, metrics: ())
    for label, by, sets in (
        ("death", "sex", [table(260, seed) for seed in range(3)]),
        ("C38", "C39", [codes(450, seed) for seed in range(3)]),
    ):
        pillars = ("fidelity", "utility", "fairness")
        found = evaluate(*sets, label=label, by=by, pillars=pillars)
        done = {m.name for m in found.metrics if m.pillar != "fairness" and m.status == "ok"}
        compared = {m.name for m in found.metrics if m.pillar == "fairness"}
        lost = {name for name in done if f"{name}_group_gap[{by}]" not in compared}
        lost = {name for name in lost if not name.startswith("trtr")}  # the floor of the others
        assert lost <= {"log_odds_gap_rare", "rare_codes_kept"}  # there may be none in a subgroup
        assert {name.split("_group_gap")[0] for name in compared if "_gap[" in name} <= done


def test_the_widest_of_many_equal_subgroups_is_no_finding():
    """Figures of ten subgroups that differ by their stated noise alone: the widest gap's interval excludes zero in 5%
    of draws (35 or more of 400, or fewer than 5, would be 1 chance in 900)."""
    rng = np.random.default_rng(0)
    half = 1.96 * 0.01

    def metric(x):
        return Metric("tstr_gap_r2", "fidelity", x, 0.0, "lower", 0.0, 50, x - half, x + half)

    found = 0
    for _ in range(400):
        values = 0.3 + 0.01 * rng.normal(size=10)
        _, gap = compared("tstr_gap_r2", {str(i): metric(x) for i, x in enumerate(values)}, "g")
        found += gap.low > 0
    assert 5 <= found < 35


def test_a_subgroup_below_eleven_is_not_shown():
    real, fresh = table(400, 0), table(400, 1)
    real.loc[:9, "ward"] = "leper colony"
    fresh.loc[:50, "ward"] = "leper colony"
    found = judged(real, fresh, by="ward")
    assert "leper" not in found.to_html() + str(found.to_json())
    assert any("1 subgroups by ward have fewer than 11" in note for note in found.notes)


def test_subgroups_that_lack_what_others_have():
    """A column that is missing in all men, a label unknown in all women, a subgroup of a few."""
    sets = [table(300, seed) for seed in range(3)]
    for i, records in enumerate(sets):
        records.loc[records["sex"] == "m", "sbp"] = np.nan
        records["ill"] = np.where(records["sex"] == "f", None, np.where(records["death"], "y", "n"))
        records["site"] = np.where(np.arange(300) < (20 if i == 0 else 75), "b", "a")
    found = judged(*sets, by="sex,site", label="ill")
    shown = {(g.group, g.metric) for g in found.groups}
    assert ("m", "detection_auc") in shown and ("f", "tstr_auroc") not in shown
    assert all(m.n >= 11 for m in found.metrics if m.status == "ok")


def test_subgroups_by_a_number_stand_in_its_order():
    sets = [table(300, seed) for seed in range(2)]
    for records in sets:
        records["stay"] = np.resize([3.0, 12.0, 101.0, np.nan], 300)
    found = judged(*sets, by="stay:10, sex, age:20")
    names = list(dict.fromkeys(g.group for g in found.groups if g.by != "age:20"))
    assert names == ["0 to 10", "10 to 20", "100 to 110", "f", "m"]
    assert {g.group for g in found.groups if g.by == "age:20"} >= {"40 to 60", "60 to 80"}


def test_without_held_out_patients_no_gap_is_found():
    real, fresh = table(600, 0), table(600, 1)
    real["site"], fresh["site"] = (np.where(np.arange(600) < 40, "b", "a") for _ in range(2))
    found = judged(real, fresh, by="site")
    assert all(m.low is None for m in found.metrics if "_group_gap" in m.name)


def test_subgroups_by_a_code():
    real, fresh, held = (frame(bits(500, seed)) for seed in range(3))
    found = judged(real, fresh, held, by="C30")
    assert {g.group for g in found.groups} == {"with C30", "without C30"}
    gap = found["prevalence_gap_group_gap[C30]"]
    assert gap.value < 0.02 and np.isfinite([gap.low, gap.high]).all()


def test_mistakes_in_by():
    with pytest.raises(DataError, match="subgroups by 'colour': no such column"):
        judged(table(50, 0), table(50, 1), by="colour")
    with pytest.raises(DataError, match="subgroups by 'age' need a width above 0, as in 'age:10'"):
        judged(table(50, 0), table(50, 1), by="age")
    with pytest.raises(DataError, match=r"'sex' are its values, .* write 'sex', not 'sex:10'"):
        judged(table(50, 0), table(50, 1), by="sex:10")
    named = [table(50, seed).rename(columns={"sex": "a:b"}) for seed in (0, 1)]
    assert judged(*named, by="a:b").groups  # a name may hold a colon


def test_a_subgroup_that_was_lost_is_missed():
    """A ward that a third of the real patients are in: it is not left out of the comparison, and heads the verdict."""
    real, fresh, held = (table(400, seed) for seed in range(3))
    lost = fresh.assign(ward="er")
    found = judged(real, lost, held, by="ward")
    assert (
        found["groups_lost[ward]"].value == 0.5 and found["groups_lost[ward]"].why == "without icu"
    )
    said = verdict("fairness", found.metrics)
    assert said.heading == "Subgroups are missing" and "by ward: without icu" in said.words
    assert "groups_lost[ward]" in str(found)
    kept = judged(real, fresh, held, by="ward")
    assert kept["groups_lost[ward]"].value == 0.0
    # Of 40 synthetic patients 12 would be there: too few to be missed.
    assert judged(real, lost.head(40), held, by="ward")["groups_lost[ward]"].value == 0.0
