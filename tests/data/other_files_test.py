"""Excel, Stata and SPSS: what pandas wrote is what is read, each column as what it is."""

import pandas as pd
import pytest

from jaxehr.data import DataError, Schema, read_records, write_records


def patients():
    return pd.DataFrame(
        {
            "age": [40, 50, 60],
            "lab": [1.5, None, 2.25],
            "zip": ["02139", "10001", "00501"],
            "born": pd.to_datetime(["1960-01-02", "1970-03-04", "1980-05-06"]),
        }
    )


def test_excel(tmp_path, caplog):
    pytest.importorskip("openpyxl")
    frame = patients().assign(
        dose=["5", 7, "7.5 mg"]
    )  # typed as text in one cell, a number in another
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        frame.to_excel(book, sheet_name="stays", index=False)
        patients().to_excel(book, sheet_name="more", index=False)
    found = read_records(tmp_path / "a.xlsx")
    assert "only its first sheet, 'stays', is read" in caplog.text
    assert found["age"].dtype == "int64" and found["lab"].dtype == "float64"
    assert found["zip"].tolist() == ["02139", "10001", "00501"]
    assert found["dose"].tolist() == ["5", "7", "7.5 mg"]
    kinds = [c.kind for c in Schema.infer(found).columns]
    assert kinds == ["integer", "numerical", "categorical", "datetime", "categorical"]
    assert found["born"].tolist() == frame["born"].tolist()
    write_records(found, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "40,1.5,02139,1960-01-02,5"
    assert read_records(tmp_path / "a.xlsx", missing=("40",))["age"].isna().tolist() == [
        True,
        False,
        False,
    ]


def test_stata_and_spss(tmp_path):
    patients().assign(sex=pd.Categorical(["f", "m", "f"])).to_stata(
        tmp_path / "a.dta", write_index=False
    )
    found = read_records(tmp_path / "a.dta")
    assert found["zip"].tolist() == ["02139", "10001", "00501"]
    assert found["sex"].tolist() == ["f", "m", "f"] and found["lab"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert [c.kind for c in Schema.infer(found).columns][-2:] == ["datetime", "categorical"]
    pyreadstat = pytest.importorskip("pyreadstat")
    pyreadstat.write_sav(patients(), tmp_path / "a.sav")
    found = read_records(tmp_path / "a.sav")
    assert found["zip"].tolist() == ["02139", "10001", "00501"]
    assert [c.kind for c in Schema.infer(found).columns][-1] == "datetime"


def test_a_reader_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.xlsx").write_bytes(b"PK")

    def lacking(*args, **kwargs):
        raise ImportError("Missing optional dependency 'openpyxl'")

    monkeypatch.setattr(pd, "read_excel", lacking)
    with pytest.raises(
        ImportError, match=r"needs the package openpyxl: pip install 'jaxehr\[files\]'"
    ):
        read_records(tmp_path / "a.xlsx")


def test_a_file_that_is_not_what_its_name_says(tmp_path):
    for name in (
        "a.xlsx",
        "a.dta",
        "a.parquet",
        "a.csv.gz",
        "a.zip",
        "a.sas7bdat",
        "a.sav",
        "a.xpt",
    ):
        (tmp_path / name).write_bytes(b"age,sex\n40,f\n")
        with pytest.raises((DataError, ImportError), match=f"{name} "):
            read_records(tmp_path / name)
