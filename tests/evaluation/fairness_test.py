"""Fairness: one subgroup harmed on purpose is the one that is named, and small ones are not shown."""

import numpy as np
import pytest
from patients import bits, frame, shuffled, table

from jaxehr.data import DataError
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.verdict import verdict


def judged(real, synthetic, holdout=None, **options):
    return evaluate(real, synthetic, holdout, pillars=("fairness",), **options)


def test_the_subgroup_that_was_harmed_is_named():
    real, fresh, held = (table(3000, seed) for seed in range(3))
    men = fresh["sex"] == "m"
    harmed = fresh.copy()
    harmed.loc[men, "sbp"] += 10
    for name in ("ward", "death", "los"):
        harmed.loc[men, name] = shuffled(fresh[men])[name].to_numpy()
    found = judged(real, harmed, held, by="sex,age:20", label="death")
    worst = found["shape_error_worst_group[sex]"]
    assert worst.why == "the subgroup m" and worst.value > 3 * worst.floor
    assert found["shape_error_group_gap[sex]"].low > 0.02
    assert found["tstr_gap_auroc_worst_group[sex]"].why == "the subgroup m"
    by = {(g.by, g.group, g.metric): g.value for g in found.groups}
    assert by["sex", "m", "shape_error"] > 2 * by["sex", "f", "shape_error"]
    assert {g.group for g in found.groups if g.by == "age:20"} >= {"40 to 60", "60 to 80"}
    assert verdict("fairness", found.metrics).heading == "Subgroups differ"

    fair = judged(real, fresh, held, by="sex")
    assert verdict("fairness", fair.metrics).heading == "No gap beyond chance"


def test_a_subgroup_below_eleven_is_not_shown():
    real, fresh = table(400, 0), table(400, 1)
    real.loc[:9, "ward"] = "leper colony"
    fresh.loc[:50, "ward"] = "leper colony"
    found = judged(real, fresh, by="ward")
    assert "leper" not in found.to_html() + str(found.to_json())
    assert any("1 subgroups by ward have fewer than 11" in note for note in found.notes)


def test_subgroups_by_a_code():
    real, fresh, held = (frame(bits(1500, seed)) for seed in range(3))
    found = judged(real, fresh, held, by="C30")
    assert {g.group for g in found.groups} == {"with C30", "without C30"}
    gap = found["prevalence_gap_group_gap[C30]"]
    assert gap.value < 0.02 and np.isfinite([gap.low, gap.high]).all()


def test_mistakes_in_by():
    with pytest.raises(DataError, match="subgroups by 'colour': no such column"):
        judged(table(50, 0), table(50, 1), by="colour")
    with pytest.raises(DataError, match="subgroups by 'age' need a width above 0, as in 'age:10'"):
        judged(table(50, 0), table(50, 1), by="age")
