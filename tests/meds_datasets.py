"""Records to be written as MEDS, and what a dataset must be."""

import json
from datetime import datetime

import meds
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from jaxehr.data import Records, read_meds, write_meds

TEXT = "str" if pd.__version__ >= "3" else object
WORDS = ["", "F", "M//x", "//", "STATIC", "ä, ö", "1.0", "nan", "None", "a b"]


def day(text):
    return np.datetime64(text, "us")


STATIC = pd.DataFrame(
    {
        "sex": pd.Series(["F", None, "M"], dtype=TEXT),
        "subject_id": [5, 3, 9],
        "age": [61.5, np.nan, 40.0],
        "smokes": [True, False, True],
    }
)
EVENTS = pd.DataFrame(
    {
        "subject_id": [5, 5, 3, 3, 3, 7],
        "time": [None, day("2019-01-01"), None, day("2020-01-01"), day("2020-01-02T03:04:05.000006"), day("2018")],
        "code": pd.Series(["x", "LAB//y", "x", "LAB//y", "z", "z"], dtype=TEXT),
        "numeric_value": [np.nan, 3.25, np.nan, 7.4, 5.0, np.nan],
        "text_value": pd.Series(["", None, None, "a", None, "q"], dtype=TEXT),
    }
).astype({"time": "datetime64[us]"})  # fmt: skip


def assert_same(found, wanted):
    for one, other in ((found.static, wanted.static), (found.events, wanted.events)):
        assert (one is None) == (other is None)
        if other is not None:
            pd.testing.assert_frame_equal(one, other.reset_index(drop=True))
            assert one.attrs == other.attrs


def there_and_back(records, folder, **more):
    write_meds(records, folder, **more)
    return read_meds(folder)


def check_meds(folder):
    """By the schemas of the package `meds`, and its two rules on where a subject's events are."""
    seen, codes = set(), set()
    shards = sorted((folder / meds.data_subdirectory).rglob("*.parquet"))
    for path in shards:
        table = pq.read_table(path)
        meds.DataSchema.validate(table)
        frame = table.to_pandas()
        ids = frame["subject_id"].to_numpy()
        order = list(dict.fromkeys(ids))
        assert len(order) == 1 + (np.diff(ids) != 0).sum(), "a subject's events are apart"
        assert not seen & set(order), "a subject in two shards"
        seen |= set(order)
        codes |= set(frame["code"])
        time = frame["time"].to_numpy().astype(np.int64)  # a null is the least
        assert not ((time[1:] < time[:-1]) & (ids[1:] == ids[:-1])).any()
    known = pq.read_table(folder / meds.code_metadata_filepath)
    meds.CodeMetadataSchema.validate(known)
    assert codes <= set(known["code"].to_pylist())
    if (folder / meds.subject_splits_filepath).exists():
        meds.SubjectSplitSchema.validate(pq.read_table(folder / meds.subject_splits_filepath))
    about = json.loads((folder / meds.dataset_metadata_filepath).read_text())
    meds.DatasetMetadataSchema.validate(about)
    assert datetime.fromisoformat(about["created_at"]) and about["etl_name"] == "jaxehr"
    assert about["meds_version"] == meds.__version__[:5]
    return len(shards), seen


def random_column(rng, n):
    """Of any dtype that a table of patients has, with gaps where it can have them."""
    gaps = rng.random(n) < rng.choice([0, 0.3, 1])
    words = rng.choice(WORDS, n)
    whole = rng.integers(-5, 5, n) * int(rng.choice([1, 2**25 + 1, 2**54 + 1]))
    real = np.round(rng.normal(0, 100, n), 2) * rng.choice([1.0, np.pi, 1e300, 1e-300])
    moments = rng.integers(-(10**9), 10**9, n)
    unit = rng.choice(["s", "ms", "us", "ns"])
    gappy = [
        pd.Series(words, dtype=TEXT),
        pd.Series(words, dtype="string"),
        pd.Series(words).astype(object),
        pd.Series(words).astype(pd.CategoricalDtype([*WORDS, "never"], ordered=True)),
        pd.Series(whole).astype("Int64"),
        pd.Series(whole % 7).astype("category"),
        pd.Series(real),
        pd.Series(real).clip(-1e6, 1e6).astype("float32"),
        pd.Series(real).astype("Float64"),
        pd.Series(rng.random(n) < 0.5).astype("boolean"),
        pd.Series(rng.random(n) < 0.5).astype(object),
        pd.Series(moments.astype(f"datetime64[{unit}]")),
        pd.Series(moments.astype(f"datetime64[{unit}]")).dt.tz_localize("Europe/Berlin", "NaT", "NaT"),
        pd.Series(moments.astype(f"timedelta64[{unit}]")),
    ]  # fmt: skip
    full = [
        pd.Series(whole),
        pd.Series(whole % 100).astype("int8"),
        pd.Series(np.abs(whole).astype("uint64") * 2 + 2**63),
        pd.Series(rng.random(n) < 0.5),
    ]
    j = rng.integers(len(gappy) + len(full))
    return gappy[j].mask(gaps) if j < len(gappy) else full[j - len(gappy)]


def random_records(seed):
    """Static facts, events, or both, of a few subjects; numeric values of few digits, as laboratories give them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    ids = rng.choice(10**6, n, replace=False).astype(rng.choice(["int64", "int32"]))
    if rng.random() < 0.3:
        ids = np.array([f"P{i:07d}" for i in ids], object)
    ids = pd.Series(ids, dtype=TEXT if ids.dtype == object else ids.dtype)
    static = pd.DataFrame({f"c{j}": random_column(rng, n) for j in range(rng.integers(0, 6))})
    static.insert(int(rng.integers(0, len(static.columns) + 1)), "subject_id", ids)
    static.attrs = {"format": {"c0": ".2f"}} if rng.random() < 0.3 else {}
    row = np.sort(rng.integers(0, n, rng.integers(1, 30)))
    time = rng.integers(0, 10**9, len(row)).astype("datetime64[s]").astype("datetime64[us]")
    time[rng.random(len(row)) < 0.3] = np.datetime64("NaT")
    time = time[np.lexsort((np.where(np.isnat(time), -1, time.astype(np.int64)), row))]
    number = np.round(rng.lognormal(2, 1, len(row)), 2)
    number[rng.random(len(row)) < 0.3] = np.nan
    events = {
        "subject_id": ids.iloc[row].reset_index(drop=True),
        "code": pd.Series(rng.choice(["MEDS_BIRTH", "LAB//1//mg", "ICD//I10"], len(row)), dtype=TEXT),
        "time": time,
        "numeric_value": number.astype(rng.choice(["float32", "float64"])),
        "text_value": pd.Series(rng.choice(WORDS, len(row)), dtype=TEXT).mask(rng.random(len(row)) < 0.3),
        "hadm_id": rng.integers(0, 99, len(row)),
        "unit": pd.Series(rng.choice(["mg", None], len(row)), dtype=TEXT),
    }  # fmt: skip
    for name in rng.choice(
        ["time", "numeric_value", "text_value", "hadm_id", "unit"], rng.integers(0, 5)
    ):
        events.pop(name, None)
    which = rng.integers(3)
    frame = pd.DataFrame({name: events[name] for name in rng.permutation(list(events))})
    return Records(None if which == 1 else static, None if which == 2 else frame)
