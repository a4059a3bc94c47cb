"""Patients with a static table and codes: both parts are judged, and what ties them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from patients import codes, table, whole

from jaxehr.cli import main
from jaxehr.data import DataError, Records, Schema
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.blocks import joined
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.blocks.nearest import nearest
from jaxehr.evaluation.blocks.rows import comparable_rows, without
from jaxehr.evaluation.judges.furthest import furthest
from jaxehr.evaluation.judges.verdict import standing
from jaxehr.evaluation.measures import attacks, copies
from jaxehr.evaluation.measures.counts import Moments
from jaxehr.evaluation.measures.downstream import predictable
from jaxehr.evaluation.measures.fairness import groupings
from jaxehr.evaluation.measures.learners import Features, score, target, trained
from jaxehr.evaluation.measures.pairs import pairs
from jaxehr.evaluation.measures.tells import views
from jaxehr.evaluation.report import plots
from jaxehr.evaluation.review.sheets import review_packet
from jaxehr.evaluation.rules.rule_file import read_rules
from jaxehr.evaluation.rules.rules import rates


def sets(*records):
    names = [str(i) for i in range(len(records))]
    return comparable(Schema.infer(records[0]), dict(zip(names, records, strict=True)))


@pytest.fixture(scope="module")
def judged():
    real, fresh, held = (whole(110, seed) for seed in range(3))
    return evaluate(real, fresh, held, by="sex", pillars=("fidelity", "privacy", "fairness"))


def test_a_patient_with_both_has_the_figures_of_both(judged):
    done = {m.name for m in judged.metrics if m.status == "ok"}
    assert {
        "shape_error", "trend_error", "missing_share_error", "unseen_values",
        "prevalence_spearman", "codes_present", "pair_gap",
        "column_code_gap", "column_code_pearson", "correlation_difference",
        "detection_auc", "detection_auc_linear", "coverage",
        "copied_rows", "copied_numbers_excess", "attribute_inference_excess", "nnaa_loss",
    } <= done  # fmt: skip
    assert {p.title for p in judged.pictures} >= {
        "Columns", "Prevalence of codes", "Correlation of columns and the 18 most frequent codes",
    }  # fmt: skip
    assert "column_code_gap" in judged.to_html()


def test_a_fresh_sample_is_as_real(judged):
    """At 99.9% for each figure, and with a floor as noisy as the value: 1 run in 100 by chance."""
    for m in judged.metrics:
        assert standing(m) not in ("off", "far off", "leak"), m


def test_subgroups_of_a_static_column_have_the_figures_of_codes(judged):
    of = {g.metric for g in judged.groups if g.by == "sex" and g.group == "f"}
    assert {"prevalence_gap", "column_code_gap", "shape_error"} <= of
    assert "column_code_gap_worst_group[sex]" in {m.name for m in judged.metrics}


def test_subgroups_of_both_parts():
    (a,) = sets(whole(200, 0))
    by_code, by_sex, by_age = groupings(a, "F//5,sex,age:30")
    assert (
        by_code.of(a) == np.array(["without F//5", "with F//5"])[a.bits[:, a.codes.index("F//5")]]
    ).all()
    assert set(by_sex.of(a)) == {"f", "m"} and "30 to 60" in by_age.of(a)


def test_what_ties_the_parts_is_seen_alone():
    """The events of other patients: every figure within a part is what it was, to the last digit of a float32 sum."""
    real, fresh = whole(2000, 0), whole(2000, 1)
    a, good, torn = sets(real, fresh, whole(2000, 1, tied=False))
    by = [pairs(a, other)(None) for other in (good, torn)]
    for name in ("trend_error", "pair_gap", "pair_pearson"):
        assert by[0][name] == pytest.approx(by[1][name], abs=1e-6)
    assert by[1]["column_code_gap"] > 1.5 * by[0]["column_code_gap"]
    assert by[1]["column_code_pearson"] < 0.3 < 0.7 < by[0]["column_code_pearson"]
    first = [f for f in furthest(a, torn, good) if f.what == "pair"]
    assert {f.names[0] for f in first if f.names[0] in a.columns} <= {"sex", "age", "ill"}
    assert ("sex", "F//5") in {f.names for f in first}


def test_a_value_and_a_code_by_hand():
    """phi of each value, a missing one among them, with each code that 5 patients would have with it by chance."""
    real, other = (
        Records(x.static[["subject_id", "sex"]], x.events) for x in (whole(500, 0), whole(400, 1))
    )
    a, b = sets(real, other)
    found = pairs(a, b)(None)
    gaps = []
    for value in (1, 2):
        for j in range(len(a.codes)):
            if (a.labels[:, 0] == value).mean() * a.bits[:, j].mean() * len(a) >= 5:
                r, s = (np.corrcoef(x.labels[:, 0] == value, x.bits[:, j])[0, 1] for x in (a, b))
                gaps.append(abs(r - s))
    assert 20 < len(gaps) < 2 * len(a.codes)
    assert found["column_code_gap"] == pytest.approx(np.mean(gaps), abs=1e-6)


def test_correlations_of_a_number_and_a_code_are_pearsons():
    """Over the rows that have the number; without a group as counted without it."""
    (a,) = sets(whole(300, 0))
    moments = Moments.of(a.numbers, a.bits)
    for leave in (None, 3):
        kept = np.arange(300) * 20 // 300 != (-1 if leave is None else leave)
        for j, x in enumerate(a.numbers.T):
            seen = ~np.isnan(x) & kept
            by_hand = np.corrcoef(x[seen], a.bits[seen].T)[0, 1:]
            np.testing.assert_allclose(moments.correlation(leave)[j], by_hand, atol=1e-12)


def test_the_whole_matrix_of_correlations_is_compared():
    """Numbers without gaps beside codes: Frobenius' norm of NumPy's matrices."""
    a, b = sets(
        *(
            Records(x.static[["subject_id", "age"]], x.events)
            for x in (whole(900, 0), whole(900, 1))
        )
    )
    r, s = (np.corrcoef(np.hstack([x.numbers, x.bits]).T) for x in (a, b))
    found = pairs(a, b)(None)["correlation_difference"]
    assert found == pytest.approx(np.linalg.norm(r - s), rel=1e-5)


def test_distance_is_the_mean_over_columns_and_codes():
    a, b = sets(whole(40, 0), whole(50, 1))
    rows = comparable_rows({"a": a, "b": b}, a)
    low, span = np.nanmin(a.numbers, 0), np.ptp(a.numbers[~np.isnan(a.numbers).any(1)], 0)
    span = np.nanmax(a.numbers, 0) - low
    x, y = (np.clip((blocks.numbers - low) / span, 0, 1) for blocks in (a, b))
    gap = np.abs(x[:, None] - y)
    alone = np.isnan(x)[:, None] != np.isnan(y)
    gap = np.where(alone, 1.0, np.nan_to_num(gap)).sum(2)
    gap += (a.labels[:, None] != b.labels).sum(2) + (a.bits[:, None] != b.bits).sum(2)
    brute = gap / (len(a.columns) + len(a.codes))
    np.testing.assert_allclose(nearest(rows["a"], rows["b"]).least, brute.min(1), atol=1e-6)


def test_hidden_columns_count_for_nothing():
    """The same as where everybody has the same in them."""
    a, b = sets(whole(200, 0), whole(200, 1))
    hidden = np.array([0, 3, 5, 21])  # age, a label and two codes
    hide = without(a, hidden)
    rows = {name: hide(part) for name, part in comparable_rows({"a": a, "b": b}, a).items()}
    assert (a.columns[0], a.columns[3], a.codes[1], a.codes[17]) == ("age", "ill", "F//1", "X//5")

    def plain(blocks):
        numbers, labels, bits = blocks.numbers.copy(), blocks.labels.copy(), blocks.bits.copy()
        numbers[:, 0], labels[:, 1], bits[:, [1, 17]] = 0.0, 1, 0
        return replace(blocks, numbers=numbers, labels=labels, bits=bits)

    wanted = comparable_rows({"a": plain(a), "b": plain(b)}, plain(a))
    np.testing.assert_allclose(
        nearest(rows["a"], rows["b"]).least, nearest(wanted["a"], wanted["b"]).least, atol=1e-6
    )


def test_copies_of_whole_patients():
    """Of 4 columns and the 6 codes that a patient has one may differ; the same table without any code is no copy."""
    (a,) = sets(whole(90, 0))
    many = int(np.flatnonzero(a.bits.sum(1) == 7)[0])
    bits = np.repeat(a.bits[[many]], 3, axis=0)
    own = np.flatnonzero(bits[0])
    bits[1, own[0]] = 0
    bits[2, own] = 0
    other = replace(a.rows(np.array([many] * 3)), bits=bits)
    assert copies.copied_rows(a, other).value == pytest.approx(1 / 3)
    assert copies.nearly_copied_rows(a, other).value == pytest.approx(2 / 3)


def test_attacks_see_both_parts():
    a, b, c = sets(*(whole(150, seed) for seed in range(3)))
    secrets = attacks._secrets(b, 0)
    assert sorted(np.concatenate(secrets).tolist()) == [*range(len(b.columns) + len(b.codes))]
    copied = {"synthetic": a, "real": a, "holdout": c}
    rows = comparable_rows(copied, a)
    for trial in (
        attacks.attribute_inference(copied, rows, 0),
        attacks.linkability(copied, rows, 0),
        attacks.singling_out(copied, 0),
    ):
        assert trial.estimate is not None and trial.estimate.low > 0.1


def test_either_part_predicts_the_other():
    """A code that women have from the table; sex from the codes; and both are among what is predicted of all else."""
    real, held = sets(whole(400, 0), whole(400, 1))
    assert {"sex", "ill", "F//5"} <= set(predictable(real))
    for label in ("F//5", "sex"):
        found = trained("linear", Features(real, label), real, label, 0)(held)
        assert score(target(held, label), found) > 0.7


def test_learners_and_detectors_see_both_parts():
    (a,) = sets(whole(200, 0))
    features = Features(a, "ill")
    assert features.names == ["age", "bmi", "sex", *(a.codes[j] for j in a.frequent(99))]
    assert features.boosting(a).shape == (200, len(features.names))
    linear = features.linear(a)
    # A number and whether it is missing, twice; of sex each of three values; the codes.
    assert linear.shape == (200, 4 + 3 + 18)
    np.testing.assert_array_equal(linear[:, -18:].toarray(), a.bits[:, a.frequent(18)])
    assert [features.names.index(n) for n in ("sex",)] == np.flatnonzero(
        features.categorical
    ).tolist()
    own, derived = views(joined(a, a))
    assert {"age", "sex", "F//5", "number of codes"} <= set(own.names)
    assert {"age", "number of missing cells", "number of F codes"} <= set(derived.names)


def test_a_part_alone_is_the_frame():
    """Records of one part have the report of the frame that they hold."""
    judge = lambda sets: evaluate(*sets, pillars=("fidelity",)).to_json()
    for make, part in ((table, "static"), (codes, "events")):
        frames = [make(60, seed) for seed in range(2)]
        assert judge(frames) == judge(Records(**{part: frame}) for frame in frames)


def test_the_order_of_events_and_patients_without_any():
    """Events are joined by their subject, wherever they stand; who has none has no code."""
    real = whole(80, 0)
    mixed = Records(
        real.static.sample(frac=1, random_state=1), real.events.sample(frac=1, random_state=2)
    )
    a, b = sets(real, mixed)
    place = mixed.static["subject_id"].to_numpy() - 1000
    np.testing.assert_array_equal(a.bits[place], b.bits)
    np.testing.assert_array_equal(a.numbers[place], b.numbers)
    none = Records(real.static, real.events[real.events["subject_id"] != 1007])
    assert sets(real, none)[1].bits[7].sum() == 0


def test_sheets_and_rules_have_both_parts(tmp_path):
    real = whole(80, 0)
    packet = review_packet(real, real, 80, names={"F//5": "a cough"}, seed=1)
    lines = {line for sheet in packet.sheets for line in sheet.facts}
    assert ("sex", "f") in lines and ("F", "5  a cough") in lines
    by_age = {dict(sheet.facts)["age"]: sheet.facts for sheet in packet.sheets}
    first = real.static.iloc[0]
    own = real.events.loc[real.events["subject_id"] == first["subject_id"], "code"]
    found = by_age[f"{first['age']:.1f}"]
    assert {f"{kind}//{code.split()[0]}" for kind, code in found[4:]} == set(own)

    (tmp_path / "r.toml").write_text(
        '[codes]\nf = ["F//*"]\n[[rule]]\nname = "r"\nwho = { sex = "m" }\nnever = { code = "f" }\n'
    )
    rate = rates(read_rules(tmp_path / "r.toml"), real)["r"]
    men = set(real.static.loc[real.static["sex"] == "m", "subject_id"])
    broken = men & set(real.events.loc[real.events["code"].str.startswith("F"), "subject_id"])
    assert (rate.patients, rate.n) == (len(broken), len(men))


def test_a_review_of_two_files_each(tmp_path):
    for name in ("real", "synthetic"):
        records = whole(30, len(name))
        records.static.to_csv(tmp_path / f"{name}.csv", index=False)
        records.events.to_csv(tmp_path / f"{name}_events.csv", index=False)
    files = [f"--{n}{end}" for n in ("real", "synthetic") for end in ("", "-events")]
    paths = [f"{file[2:].replace('-', '_')}.csv" for file in files]
    given = [
        word for f, path in zip(files, paths, strict=True) for word in (f, str(tmp_path / path))
    ]
    assert main(["review", *given, "-n", "20", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "packet" / "patients.html").read_text()
    assert text.count("<section") == 40 and "<td>sex</td>" in text and "<td>O</td>" in text


def test_a_matrix_of_correlations_holds_both_parts():
    a, b = sets(whole(150, 0), whole(150, 1))
    ticks = [t.get_text() for t in plots.heat_maps(a, b).axes[0].get_yticklabels()]
    assert ticks[:4] == ["age", "bmi", "sex", "ill"] and len(ticks) == 22


def test_parts_that_do_not_fit_are_named():
    real = whole(200, 0)
    with pytest.raises(DataError, match=r"the synthetic records lack events \(subject_id and code"):
        evaluate(real, Records(static=real.static))
    with pytest.raises(
        DataError, match="the synthetic records have a static table, which the real"
    ):
        evaluate(Records(events=real.events), real)
    stray = pd.DataFrame({"subject_id": [7, 8, 8], "code": ["F//0"] * 3})
    with pytest.raises(DataError, match="2 subjects have events but no row in the static table, 7"):
        evaluate(real, Records(real.static, pd.concat([real.events, stray])))
    named = Records(real.static.rename(columns={"sex": "F//0"}), real.events)
    with pytest.raises(DataError, match="'F//0' is both a static column and a code; rename one"):
        evaluate(named, named)
    with pytest.raises(DataError, match=r"label 'x' must be a column .*, or one of their 18 codes"):
        evaluate(real, real, label="x")
    with pytest.raises(DataError, match=r"'x': no such column .*, nor one of their 18 codes"):
        evaluate(real, real, by="x")
