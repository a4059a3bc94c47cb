"""Rows of visits as a table and events, and back in the columns that they had."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.codecs import fit_codec
from jaxehr.commands.sample import _check_files
from jaxehr.data import (
    DataError,
    Schema,
    Visits,
    read_visits,
    records_writer,
    stacked,
    write_records,
)

PBCSEQ = Path(__file__).parents[3] / "shared" / "data" / "pbcseq.csv"
DAYS = {"subject_id": "id", "time": "day:days"}


def visits(n=30, seed=0):
    """Visits at irregular days, one in 90 at most: numbers, gaps, words, and true or false."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        fixed = {"id": 500 - i, "sex": str(rng.choice(["f", "m"])), "born": 1930 + i}
        steps = np.sort(rng.choice(10, int(rng.integers(2, 6)), replace=False))
        for day in 90 * steps + rng.integers(0, 90, len(steps)):
            rows.append(
                {
                    **fixed,
                    "day": int(day),
                    "bili": round(float(rng.gamma(2.0)), 1),
                    "stage": int(rng.integers(1, 5)),
                    "chol": float(rng.integers(100, 400)) if rng.random() < 0.5 else np.nan,
                    "ward": str(rng.choice(["a", "b", "c"])) if rng.random() < 0.8 else None,
                    "oedema": bool(rng.random() < 0.3),
                    "arm": "x" if day == 90 * steps[0] + day % 90 else None,  # at the first alone
                }
            )
    frame = pd.DataFrame(rows)
    frame.insert(0, "visit_no", np.arange(len(frame)) + 1)
    return frame


def written(frame, path):
    frame.to_csv(path, index=False)
    return path


def test_rows_of_visits_are_read_and_written_as_they_were(tmp_path, caplog):
    frame = visits()
    frame["chol"] = frame["chol"].astype("Int64")  # written without a point, among gaps
    path = written(frame, tmp_path / "visits.csv")
    records = read_visits(path, DAYS)
    assert list(records.static) == ["subject_id", "sex", "born"]
    assert (
        "and so static: sex, born; variables: bili, stage, chol, ward, oedema, arm" in caplog.text
    )
    assert "numbered anew: visit_no" in caplog.text
    values = frame[["bili", "stage", "chol", "ward", "oedema", "arm"]]
    assert len(records.events) == values.notna().sum().sum()
    since = records.events["time"] - pd.Timestamp("2000-01-01")
    assert set(since // pd.Timedelta("1D")) == set(frame["day"])
    write_records(records, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == path.read_text()
    schema = Schema.infer(records).on_grid(records, "90d", length=10)
    codec = fit_codec(records, schema, min_patients=1)
    write_records(codec.decode(codec.encode(records)), tmp_path / "back.csv")
    anew = frame.assign(id=501 - frame["id"])
    assert (tmp_path / "back.csv").read_text() == written(anew, tmp_path / "anew.csv").read_text()


def test_the_rows_of_a_file_may_stand_in_any_order(tmp_path):
    frame = visits().drop(columns="visit_no")
    one = read_visits(written(frame, tmp_path / "one.csv"), DAYS)
    mixed = frame.sample(frac=1, random_state=1)
    other = read_visits(written(mixed, tmp_path / "other.csv"), DAYS)
    a, b = (
        r.events.sort_values(["subject_id", "time", "code"], ignore_index=True)
        for r in (one, other)
    )
    pd.testing.assert_frame_equal(a, b)
    for each in (one, other):
        assert (each.events.groupby("subject_id")["time"].diff().dropna() >= pd.Timedelta(0)).all()


@pytest.mark.parametrize("how", ["dates", "hours", "parquet"])
def test_times_may_be_dates_or_hours(tmp_path, how):
    frame = visits().drop(columns="visit_no")
    names = {"subject_id": "id", "time": "day"}
    if how == "hours":
        frame["day"], names["time"] = frame["day"] / 8, "day:hours"
    else:
        frame["day"] = pd.Timestamp("2010-03-01") + pd.to_timedelta(frame["day"], "D")
    if how == "parquet":
        frame.to_parquet(path := tmp_path / "visits.parquet")
        records = read_visits(path, names)
        write_records(records, tmp_path / "again.parquet")
        again = pd.read_parquet(tmp_path / "again.parquet")
        pd.testing.assert_frame_equal(again, pd.read_parquet(path), check_dtype=False)
        return
    if how == "dates":
        frame["day"] = frame["day"].dt.strftime("%d.%m.%Y")
    path = written(frame, tmp_path / "visits.csv")
    write_records(read_visits(path, names), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == path.read_text()


def test_others_are_read_by_the_law_of_those_that_were_learnt(tmp_path):
    frame = visits()
    schema = Schema.infer(read_visits(written(frame, tmp_path / "visits.csv"), DAYS))
    schema = Schema.from_json(schema.to_json())
    lone = frame[frame["id"] == 500].assign(stage=3)  # a static column, were it alone
    records = read_visits(written(lone, tmp_path / "lone.csv"), schema=schema)
    assert list(records.static) == ["subject_id", "sex", "born"]
    assert (records.events["code"] == "stage").sum() == len(lone)
    for change, said in {
        "born": "'born' changes from visit to visit of subject 500",
        "chol": "the visits have no column chol",
    }.items():
        odd = lone.drop(columns="chol") if change == "chol" else lone.assign(born=range(len(lone)))
        with pytest.raises(DataError, match=said):
            read_visits(written(odd, tmp_path / "odd.csv"), schema=schema)


def test_batches_number_their_rows_on(tmp_path):
    records = read_visits(written(visits(), tmp_path / "visits.csv"), DAYS)
    schema = Schema.infer(records).on_grid(records, "90d", length=10)
    codec = fit_codec(records, schema, min_patients=1)
    parts = codec.encode(records)
    batches = [
        codec.decode({k: part[i : i + 8] for k, part in parts.items()}, first=i)
        for i in range(0, 30, 8)
    ]
    write_records(stacked(batches), tmp_path / "whole.csv")
    with records_writer(tmp_path / "batches.csv") as write:
        for batch in batches:
            write(batch)
    frame = pd.read_csv(tmp_path / "batches.csv")
    assert frame["visit_no"].tolist() == list(range(1, len(frame) + 1))
    assert (tmp_path / "batches.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_what_are_no_visits_is_refused_in_one_line():
    frame = visits()
    said = {"subject_id": "id", "time": "day", "counts": "days"}
    for odd, line in {
        "time": "the visits have no column 'month' for time",
        "dates": "'seen' holds dates that change from visit to visit",
        "long": "share 'id' and 'day' with another, so rows are no visits; .* --map code=COLUMN",
        "table": "no column changes within a 'id'",
        "text": "'note' has .* different texts .*leave it out of the file",
        "subject": "row 3 of the visits has no id; correct or drop it",
        "day": "row 3 of the visits has no day that reads",
        "counts": r"'day' holds no dates, such as .*--map time=day:days",
        "far": "'day' counts days up to 8.9.e.14, beyond what times hold",
    }.items():
        own, how = frame.copy(), dict(said)
        if odd == "time":
            how["time"] = "month"
        elif odd == "dates":
            own["seen"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(own["day"], "D")
        elif odd == "long":
            own = pd.concat([own, own.assign(bili=9.9)], ignore_index=True)
        elif odd == "table":
            own = own.drop_duplicates("id")
        elif odd == "text":
            own = pd.concat(
                [own.assign(id=own["id"] + 1000 * k) for k in range(3)], ignore_index=True
            )
            own["note"] = [f"seen, and well, for the {i // 2} time" for i in own.index]
        elif odd in ("subject", "day"):
            own[{"subject": "id", "day": "day"}[odd]] = (
                own["day"].astype(float).mask(own.index == 2)
            )
        elif odd == "counts":
            how["counts"] = None
        else:
            own["day"] = own["day"] * 1e12
        with pytest.raises(DataError, match=line) as refused:
            Visits.draft(own, **how).records(own)
        assert "\n" not in str(refused.value)


def test_visits_without_a_value_are_counted(caplog):
    frame = visits()
    measured = ["bili", "stage", "chol", "ward", "oedema", "arm"]
    frame = frame.astype(dict.fromkeys(measured, object))
    frame[["bili", "stage", "chol"]] = frame[["bili", "stage", "chol"]].astype(float)
    frame.loc[4, measured] = np.nan
    made = Visits.draft(frame, subject_id="id", time="day", counts="days")
    records = made.records(frame)
    assert f"1 of {len(frame)} rows hold no variable" in caplog.text
    silent = records.events[records.events["subject_id"] != 500]
    back = made.frame(type(records)(records.static, silent))
    assert "1 of 30 subjects have no visit, and so no row" in caplog.text
    assert 500 not in set(back["id"])


def test_whole_numbers_are_written_so_among_gaps_too(tmp_path):
    records = read_visits(written(visits(), tmp_path / "visits.csv"), DAYS)
    gap = (records.events["code"] == "stage") & (records.events["subject_id"] == 490)
    write_records(type(records)(records.static, records.events[~gap]), tmp_path / "gaps.csv")
    found = pd.read_csv(tmp_path / "gaps.csv", dtype=str)
    assert found["stage"][found["id"] == "490"].isna().all()
    assert set(found["stage"].dropna()) == {"1", "2", "3", "4"}


@pytest.mark.skipif(not PBCSEQ.is_file(), reason="needs ../shared/data/pbcseq.csv")
def test_pbcseq_from_file_to_file(tmp_path, capsys):
    """312 patients with 1,945 visits, by the commands of `jaxehr help events`."""
    data = ["--data", str(PBCSEQ)]
    said, schema = ["--map", "subject_id=id,time=day:days"], str(tmp_path / "schema.json")
    assert main(["schema", *data]) == 0
    assert "where a row is a visit say so: --map subject_id=id" in capsys.readouterr().out
    for arguments, line in (
        (["--map", "subject_id=id"], "or where a row is a visit, when it was: --map time="),
        (["--map", "subject_id=id,time=day"], "say what: --map time=day:days"),
    ):
        assert main(["schema", *data, *arguments, "--every", "90d"]) == 2
        assert line in capsys.readouterr().err
    assert main(["schema", *data, *said]) == 2
    assert "say how long a step is: jaxehr schema --every 90d" in capsys.readouterr().err
    grid = ["--every", "90d", "--length", "40", "--out", schema]
    assert main(["schema", *data, *said, *grid]) == 0
    assert "12 variables, every 90d from 2000-01-01, 40 steps" in capsys.readouterr().out
    records = read_visits(PBCSEQ, DAYS)
    law = Schema.load(schema)
    _check_files(Namespace(out=tmp_path / "drawn.csv", events=None, run="run"), law)  # one file
    with pytest.raises(ValueError, match="draws a table and events; say --events FILE"):
        _check_files(
            Namespace(out=tmp_path / "d.csv", events=None, run="r"), replace(law, visits=None)
        )
    codec = fit_codec(records, law, min_patients=1)
    out = tmp_path / "drawn.csv"
    write_records(codec.decode(codec.encode(records)), out)
    drawn, real = pd.read_csv(out), pd.read_csv(PBCSEQ)
    early = real[real["day"] < 3600].reset_index(drop=True)
    early["rownames"] = np.arange(len(early)) + 1
    pd.testing.assert_frame_equal(drawn, early)
    records = read_visits(out, schema=law)  # as evaluate reads them
    assert len(records.static) == 312 and set(records.events["code"]) < set(real.columns)
