"""What a column is taken for: identifiers, row numbers and people's names are not learnt; amounts are."""

import time

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import DataError, Schema, hints, read_records
from jaxehr.data.identity import named_like_id, names_patients

N = 200


SYLLABLES = [a + b for a in "bdklmnrst" for b in ("a", "el", "ina", "or", "us")]


def person(i):
    first, last = SYLLABLES[i % 45], SYLLABLES[i * 7 % 44] + "son"
    return f"{first.title()} {last.title()}"


def kind(name, values):
    return Schema.infer(pd.DataFrame({name: values, "other": [1.5] * len(values)})).columns[0].kind


def different(n=N, low=1000, high=99_999, seed=0):
    return np.random.default_rng(seed).permutation(np.arange(low, high))[:n]


@pytest.mark.parametrize("name", ["total_paid", "fluid", "uric_acid", "steroid", "thyroid", "Paid"])
def test_an_amount_is_learnt_whatever_its_name_ends_in(name):
    assert kind(name, different()) == "integer"


@pytest.mark.parametrize(
    "name",
    [
        "rownames",
        "Pat-Nr",
        "RANDID",
        "USUBJID",
        "patientID",
        "patientunitstayid",
        "Unnamed: 0",
        "MRN",
    ],
)
def test_an_identifier_is_known_by_whole_words(name):
    assert kind(name, different()) == "id"
    assert kind(name, [f"P{i}" for i in different()]) == "id"


def test_numbers_of_many_digits_and_numbers_of_rows_are_identifiers():
    nhs = different(low=0, high=10**6) * 5_001 + 4 * 10**9
    assert kind("code", nhs) == "id"
    assert kind("x", np.arange(1, N + 1)) == kind("x", np.arange(N)) == "id"
    assert kind("x", different(low=1, high=N + 1)) == "integer"  # in no order: they may be ranks
    assert kind("charges", different(low=10**6, high=10**6 + 9999) * 50 - 49 * 10**6) == "integer"
    assert kind("seen", 20_200_101 + np.arange(N) % 28) == "datetime"


@pytest.mark.parametrize("name", ["patient_nbr", "id", "subject_id", "hadm_id", "uniquepid"])
def test_an_identifier_that_repeats_is_not_learnt(name):
    assert kind(name, np.repeat(different(50), 4)) == "id"
    assert kind(name, [f"P{i}" for i in np.repeat(different(50), 4)]) == "id"


@pytest.mark.parametrize("name", ["admission_type_id", "hospital_id", "number_inpatient", "bed_no"])
def test_a_number_that_stands_for_a_kind_is_no_identifier(name):
    assert kind(name, np.arange(N) % 30) == "integer"
    assert not names_patients(name)
    assert not named_like_id("number_inpatient") and not named_like_id("body_mass_index")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("contact", lambda i: f"{person(i).split()[0].lower()}{i}@example.org"),
        ("x", lambda i: f"+49 30 {1_000_000 + 37 * i}"),
        ("x", lambda i: f"{200 + i}-{300 + i}-{4000 + i}"),
        ("home_phone", lambda i: str(5_550_000 + 13 * i)),
        ("x", lambda i: f"{100 + i}-{10 + i % 89}-{1000 + i}"),
        ("x", person),
        ("last_name", lambda i: person(i).split()[1]),
    ],
)
def test_text_that_names_a_person_is_not_learnt(name, text):
    """Half of the values twice, so that they are no unique texts, which were never learnt."""
    values = [text(i % (N * 2 // 3) + 7) for i in range(N)]
    assert kind(name, values) == "id"


@pytest.mark.parametrize(
    "texts",
    [
        ["Heart Failure", "Acute Bronchitis", "Hip Fracture"],
        ["12345-6789-01", "00002-8215-01", "50090-1234-00"],
        ["ICU", "er", "Ward 3"],
        ["718-7", "2345-7", "33914-3"],
        [
            person(i).replace("son", "fever") for i in range(40)
        ],  # of as many rows each as diagnoses have
    ],
)
def test_diagnoses_and_codes_are_categories(texts):
    assert kind("x", np.resize(texts, N)) == "categorical"


def test_a_draft_has_a_line_for_all_that_no_kind_fits():
    frame = pd.DataFrame(
        {
            "age": [50] * 300,
            "note": [f"seen {i % 290}" for i in range(300)],
            "seen": ["2020-01-02"] * 299 + ["0000-00-00"],
            "empty": [None] * 300,
        }
    )
    schema, problems = Schema.draft(frame)
    assert [(c.name, c.kind) for c in schema.columns] == [
        ("age", "integer"),
        ("note", "id"),
        ("seen", "datetime"),
        ("empty", "categorical"),
    ]
    for problem, said in zip(problems, ("'note'", "'0000-00-00'"), strict=True):
        assert said in problem and "\n" not in problem
    with pytest.raises(DataError, match="'note'"):
        Schema.infer(frame)


def test_days_and_months_are_in_the_order_that_other_columns_tell():
    early, late = ["03/04/2020", "05/06/2020"], ["30/04/2020", "05/06/2020"]
    alone = Schema.infer(pd.DataFrame({"came": early, "born": ["1.2.1950", "3.4.1960"]}))
    assert [c.format for c in alone.columns] == ["%m/%d/%Y", "%-d.%-m.%Y"]
    told = Schema.infer(pd.DataFrame({"came": early, "left": late}))
    assert [c.format for c in told.columns] == ["%d/%m/%Y", "%d/%m/%Y"]
    both = pd.DataFrame({"came": early, "left": late, "seen": ["04/30/2020", "05/06/2020"]})
    assert Schema.infer(both).columns[0].format == "%m/%d/%Y"


def test_formats_are_not_tried_on_every_row():
    """Formats of dates on 700,000 texts that are none, or one only: CPU time beside that of counting different values.

    10 times as much; when each format was tried on all of them it was 340 times.
    """
    n, rng = 100_000, np.random.default_rng(0)
    days = (pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(900), "D")).strftime("%d/%m/%Y")
    frame = pd.DataFrame({f"c{i}": rng.choice(["alpha", "beta"], n) for i in range(6)})
    frame["seen"] = np.resize(days, n)

    def cost(work):
        begun = time.process_time()
        work()
        return time.process_time() - begun

    ratio = min(cost(lambda: Schema.infer(frame)) / cost(frame.nunique) for _ in range(3))
    assert ratio < 60


def test_unique_numbers_beyond_2_to_the_53_are_ids():
    """Accession numbers: more digits than float64 keeps, and no dates."""
    numbers = 20_250_101_000_000_000 + np.arange(300) * 7
    schema = Schema.infer(pd.DataFrame({"acc": numbers, "age": np.arange(300) % 70}))
    assert [c.kind for c in schema.columns] == ["id", "integer"]


def test_a_duration_of_parquet_is_an_amount(tmp_path):
    """In microseconds it is a different whole number of many digits in each row; but it says what it is."""
    rng = np.random.default_rng(0)
    whole = rng.permutation(10**6)[:300] + 10**8
    stay = pd.Series(pd.to_timedelta(whole, "s"))
    pd.DataFrame({"stay": stay, "nhs": whole + 10**9}).to_parquet(tmp_path / "a.parquet")
    frame = read_records(tmp_path / "a.parquet")
    schema = Schema.infer(frame)
    assert [(c.name, c.kind) for c in schema.columns] == [("stay", "integer"), ("nhs", "id")]
    assert hints(frame, schema) == ()
