"""What a file says is what is read, and what is written says it again."""

import ast
import gzip
import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxehr.codecs import fit_codec
from jaxehr.data import DataError, Schema, read_records, write_records
from jaxehr.data.words import missing_option


def file_of(folder, text, name="in.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def there_and_back(path, schema=None):
    """The text of a file that is read, learnt, drawn as it is, and written."""
    frame = read_records(path, schema)
    codec = fit_codec(frame, schema, min_patients=1)
    drawn = codec.decode(codec.encode(frame))
    for name in (c.name for c in codec.schema.of_kind("id")):
        drawn[name] = frame[name]
    write_records(drawn, path.with_name("out.csv"))
    return path.with_name("out.csv").read_text(encoding="utf-8")


def rows(header, *lines, times=1):
    return "\n".join([header, *(lines * times)]) + "\n"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (("0078", "0123", "1200"), "categorical"),  # hospitals
        (("250.00", "250.0", "250", "038.9"), "categorical"),  # ICD-9
        (("401.9", "250.00", "428.0", "486"), "categorical"),
        (("02139", "10001", "00501"), "categorical"),  # ZIP
        (("3", "14", "-15"), "integer"),
        (("3", "", "15"), "integer"),
        (("1.5", "2.0", "2.25"), "numerical"),
        (("1.50", "2.25", "3.00"), "numerical"),
        (("1.50", "", "3.10"), "numerical"),
        (("40", "50.5", "60.25"), "numerical"),  # Excel, R
        (('"1,200"', "30", '"1,000,000"'), "integer"),
        (("1e-05", "0.5", "2.5"), "numerical"),
        (("True", "False", ""), "boolean"),
        (("TRUE", "FALSE", "TRUE"), "categorical"),
        (("1", "0", ""), "boolean"),
        (("9007199254740993", "9007199254740995", "9007199254740993"), "integer"),
        (("None", "NA", "Penicillin", "null"), "categorical"),
        (("0x1F", "1e999", "inf"), "categorical"),
        ((" padded", "padded", "é"), "categorical"),
    ],
)
def test_a_column_is_written_as_it_was_read(tmp_path, cells, kind):
    path = file_of(
        tmp_path, rows("row,x", *(f"{7 - i % 3},{cell}" for i, cell in enumerate(cells * 4)))
    )
    frame = read_records(path)
    schema = Schema.infer(frame)
    assert schema.columns[1].kind == kind
    write_records(frame, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
    if (
        schema.columns[1].dtype != "int64"
    ):  # integers beyond 2^53 are refused by the codec, not changed
        assert there_and_back(path) == path.read_text(encoding="utf-8")
        saved = Schema.from_json(json.loads(json.dumps(schema.to_json())))
        assert saved == schema and there_and_back(path, saved) == path.read_text(encoding="utf-8")


cell = st.one_of(
    st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", "NA", "0", "1", "True", "?", "1,5", 'say "x"', "two\nlines", "é", "1e5"]),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(cell, min_size=1, max_size=6))
def test_no_text_is_lost_and_no_number_changes_its_value(tmp_path, cells):
    """Each cell comes back to the letter; or as the same number where it is one; or empty, where others are numbers
    and it says NA."""
    path = tmp_path / "in.csv"
    pd.DataFrame({"n": range(len(cells)), "x": cells}).to_csv(path, index=False)
    frame = read_records(path)
    write_records(frame, tmp_path / "out.csv")
    back = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)["x"]
    number = pd.api.types.is_numeric_dtype(frame["x"])
    for before, after in zip(cells, back, strict=True):
        if before != after:
            assert number or frame["x"].isna().any()
            assert before == "NA" or float(before) == float(after)
            assert not before.lstrip("-").startswith("0") or float(before) < 1


def test_a_row_wider_or_narrower_than_the_header_is_named_by_its_line(tmp_path):
    header, good = "age,sex,lab,death", '40,"of two\nlines",1.5,1'
    for bad, said in [
        ("29,M,1.2,1,7", r"line 4: 5 fields, where the header has 4 names; quote"),
        ("29,M,1.2,1,", "line 4: 5 fields, where the header has 4 names: it ends in ','"),
        ("29,M", "line 4: 2 fields, where the header has 4 names; correct"),
    ]:
        path = file_of(tmp_path, rows(header, good, bad, good))
        with pytest.raises(DataError, match=said):
            read_records(path)
    with pytest.raises(
        DataError, match=r"line 4: 2 fields.* it is the last line: the file was cut off"
    ):
        read_records(file_of(tmp_path, rows(header, good, "29,M")))
    with pytest.raises(DataError, match="decimal comma"):
        read_records(file_of(tmp_path, rows("age,lab", "40,1,5", "50,2")))


def test_blank_lines_and_blanks_around_numbers(tmp_path, caplog):
    path = file_of(tmp_path, "\n\nage,ward\n\n 40, A\n50 ,A\n\n")
    frame = read_records(path)
    assert frame.to_dict("list") == {"age": [40, 50], "ward": [" A", "A"]}
    assert "column 'age': blanks around 2 values are taken off" in caplog.text
    # Of a single column an empty line is a missing value.
    assert read_records(file_of(tmp_path, "age\n40\n\n50\n"))["age"].isna().tolist() == [
        False,
        True,
        False,
    ]
    with pytest.raises(DataError, match="has no rows"):
        read_records(file_of(tmp_path, "age,ward"))


def test_a_file_that_was_cut_off_is_said(tmp_path, caplog):
    read_records(file_of(tmp_path, "age,lab\n40,1.5\n41,1."))
    assert "its last value '1.' is too" in caplog.text
    assert len(read_records(file_of(tmp_path, 'age,note\n40,"x\n41,y"\n42,z\n'))) == 2
    assert "column 'note' of" in caplog.text and "1 values run over several lines" in caplog.text
    for text in ('age,note\n40,"abc\n41,def\n', 'age,note\n40,x\n41,"de'):
        with pytest.raises(DataError, match=r"a quote in line [23] or after is never closed"):
            read_records(file_of(tmp_path, text))


def test_what_counts_as_missing_is_a_choice_and_is_counted(tmp_path, caplog):
    path = file_of(tmp_path, rows("age,lab,ward", "40,NA,NA", "41,?,B", "NULL,1.5,?"))
    frame = read_records(path)
    assert frame["age"].isna().tolist() == [False, False, True]  # sure: all others are numbers
    assert frame["lab"].tolist() == ["NA", "?", "1.5"] and frame["ward"].tolist() == [
        "NA",
        "B",
        "?",
    ]
    assert "column 'age': read as missing: 'NULL' (1)" in caplog.text
    assert "column 'ward' holds 'NA' (1) as categories" in caplog.text
    caplog.clear()
    frame = read_records(path, missing=("?", "NA"))
    assert frame["lab"].isna().tolist() == [True, True, False] and frame["lab"].dtype == "float64"
    assert frame["ward"].isna().tolist() == [True, False, True]
    assert "column 'lab': read as missing: 'NA' (1), '?' (1)" in caplog.text
    schema = Schema.infer(frame)
    schema.save(tmp_path / "schema.json")
    again = Schema.load(tmp_path / "schema.json")
    assert again.missing == ("?", "NA") and "missing where empty, or ?, NA" in str(again)
    pd.testing.assert_frame_equal(read_records(path, again), frame)


def test_values_that_are_no_numbers_are_named_and_counted(tmp_path, caplog):
    ages = [str(age) for age in range(20, 90)] * 3
    path = file_of(tmp_path, rows("age,ward", *(f"{age},A" for age in [*ages, "90+", "?", "?"])))
    frame = read_records(path)
    assert "'age' is text, since 3 of 213 values are not numbers: '?' (2), '90+' (1)" in caplog.text
    schema = Schema.infer(frame).with_kind("age", "integer")
    with pytest.raises(
        DataError, match=r"3 of 213 values are not numbers: '\?' \(2\), '90\+' \(1\)"
    ):
        read_records(path, schema)
    labs = [f"{i / 7:.3f}" for i in range(200)]
    path = file_of(tmp_path, rows("lab,ward", *(f"{lab},A" for lab in [*labs, "<5", "<5"])))
    with pytest.raises(
        DataError, match=r"'lab' would be numbers, but for 2 of its 202 values: '<5' \(2\)"
    ):
        Schema.infer(read_records(path))


ODD = {  # what keeps a column from being numbers, and what is said of it
    "V58.61": "'V58.61' may be a code; ",
    "E11.9": "'E11.9' may be a code; ",
    "<0.5": "'<0.5' is beyond a limit: write a number for it, such as the limit; ",
    ">= 90": "'>= 90' is beyond a limit: ",
    "90+": "'90+' is beyond a limit: ",
    "?": '--missing="?" where that means missing, or correct it; ',
    "unknown": '--missing="unknown" where that means missing',
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_number_is_told_by_what_it_is(tmp_path, caplog, odd):
    """A code and a limit are no missing values; everywhere the way to keep them is named."""
    numbers = [f"{250 + i / 7:.2f}" for i in range(200)]
    path = file_of(tmp_path, rows("x,ward", *(f"{x},A" for x in [*numbers, *[odd] * 30])))
    frame = read_records(path)
    with pytest.raises(DataError, match="make the column categorical in a schema") as refused:
        Schema.infer(frame)
    column = {"name": "x", "kind": "numerical", "dtype": "float64"}
    schema = Schema.from_json({"version": 1, "records": "table", "columns": [column]})
    with pytest.raises(DataError, match="make it categorical in the schema") as unfit:
        read_records(path, schema)
    for said in (caplog.text, str(refused.value), str(unfit.value)):
        assert ODD[odd] in said and "\n" not in said.strip()
        assert ("--missing" in said) == ("--missing" in ODD[odd])
    kept = fit_codec(frame, Schema.draft(frame)[0].with_kind("x", "categorical"))
    assert odd in kept.by_name["x"].values


def test_a_limit_of_detection_beside_decimal_commas(tmp_path, caplog):
    """It says nothing of the commas, holds one itself, and can be said to be missing: in quotes."""
    lines = ["<0,5;1"] * 30 + [f"{10 + i / 10:.1f};{i % 7}".replace(".", ",") for i in range(270)]
    path = file_of(tmp_path, rows("crp;n", *lines))
    frame = read_records(path)
    assert frame["crp"].iloc[[0, 31]].tolist() == ["<0,5", "10,1"]
    with pytest.raises(DataError, match="'crp' would be numbers, but for 30 of its 300 values"):
        Schema.infer(frame)
    assert "'<0,5' is beyond a limit: write a number for it" in caplog.text
    frame = read_records(path, missing=("<0,5",))
    assert frame["crp"].isna().sum() == 30 and frame["crp"].max() == 36.9
    assert missing_option(["<0,5", "NA"]) == """--missing='"<0,5",NA'"""


def test_an_index_that_has_a_name_is_said_when_read_and_written(tmp_path, caplog):
    frame = pd.DataFrame({"age": [40, 50]}, index=pd.Index([7, 8], name="patient"))
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_records(tmp_path / "a.parquet")["patient"].tolist() == [7, 8]
    (said,) = caplog.messages
    assert "what pandas wrote as its index, 'patient', is read as a column" in said
    caplog.clear()
    write_records(frame, tmp_path / "b.parquet")
    assert caplog.messages == [
        "the index, 'patient', is not written: reset_index() makes it a column"
    ]
    caplog.clear()
    write_records(frame.reset_index(), tmp_path / "b.parquet")
    assert list(read_records(tmp_path / "b.parquet")) == ["patient", "age"] and not caplog.text


def test_a_comma_in_a_note_says_nothing_of_numbers(tmp_path):
    lines = [f"{i};{1.5 + i}" for i in range(40)] + ["see above, p. 3;2.5"]
    frame = read_records(file_of(tmp_path, rows("n;x", *lines)))
    assert frame["x"].dtype == "float64" and frame["n"].iloc[-1] == "see above, p. 3"


def test_a_synthetic_file_is_read_by_the_law_of_the_real_one(tmp_path):
    """So that a zero which a generator lost is seen."""
    real = read_records(file_of(tmp_path, rows("age,hosp", "40,0078", "41,1200")))
    made = read_records(
        file_of(tmp_path, rows("age,hosp", "40,78", "41,1200"), "made.csv"), Schema.infer(real)
    )
    assert made["hosp"].tolist() == ["78", "1200"]
    as_number = Schema.from_json(
        {
            "version": 1,
            "records": "table",
            "columns": [{"name": "hosp", "kind": "categorical", "dtype": "int64"}],
        }
    )
    with pytest.raises(DataError, match="'0078', whose zeros int64 would lose"):
        read_records(tmp_path / "in.csv", as_number)


TABLE = rows(
    'name;"wert, mmol";größe;kosten',
    "Müller;1,5;1.234,50;1.200",
    "Šimon;22,75;99,00;30",
    "x;0,5;3,25;1.000.000",
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_separator_decimals_and_encoding_are_told_where_they_are_certain(
    tmp_path, encoding, caplog
):
    frame = read_records(file_of(tmp_path, TABLE, encoding=encoding))
    assert frame["wert, mmol"].tolist() == [1.5, 22.75, 0.5]
    assert frame["kosten"].tolist() == [1200, 30, 1_000_000]
    assert frame["größe"].tolist() == [1234.5, 99.0, 3.25]
    assert frame["name"].tolist() == ["Müller", "Šimon", "x"]
    (said,) = [line for line in caplog.messages if "divided by semicolons" in line]
    assert said.endswith("; what is written is UTF-8, divided by commas")
    assert "decimal commas; they are written as points" in caplog.text
    assert ("UTF-16" in said) == encoding.startswith("utf-16")


def test_what_is_not_certain_names_its_option(tmp_path, caplog):
    latin = file_of(tmp_path, "name,age\nMüller,40\nx,50\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"not UTF-8: line 2 holds .* --encoding latin-1 .*'Müller"):
        read_records(latin)
    assert read_records(latin, encoding="latin-1")["name"].tolist() == ["Müller", "x"]
    assert "is read as LATIN-1; what is written is UTF-8" in caplog.text
    either = file_of(tmp_path, "a,b;c\n1,2;3\n")
    with pytest.raises(DataError, match="commas or semicolons; say which: --sep"):
        read_records(either)
    assert list(read_records(either, sep=";")) == ["a,b", "c"]
    thousands = file_of(tmp_path, "cost;age\n1,234;40\n2,500;50\n")
    with pytest.raises(
        DataError, match=r"'cost' may stand for decimals or between thousands; .*--decimal"
    ):
        read_records(thousands)
    assert read_records(thousands, decimal=",")["cost"].tolist() == [1.234, 2.5]
    assert read_records(thousands, decimal=".")["cost"].tolist() == [1234, 2500]
    with pytest.raises(DataError, match="no encoding is called 'klingon'"):
        read_records(latin, encoding="klingon")


def test_compressed_files(tmp_path):
    text = rows("age,code", "40,0078", "50,0123")
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(text.replace(",", "\t").encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/a.csv", text)
    for name in ("a.tsv.gz", "a.zip"):
        assert read_records(tmp_path / name)["code"].tolist() == ["0078", "0123"]
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("b.csv", text)
    with pytest.raises(DataError, match=r"to hold one CSV; it holds folder/a\.csv, b\.csv"):
        read_records(tmp_path / "a.zip")


def test_codes_are_stripped_and_what_is_left_out_is_said(tmp_path, caplog):
    lines = ("1,  I10 ,5,a", "1,I10,6,a", "2,NA,7,a", "2,0042,8,a")
    frame = read_records(file_of(tmp_path, rows("subject_id,code,time,ward", *lines)))
    assert frame.to_dict("list") == {
        "subject_id": [1, 1, 2, 2],
        "code": ["I10", "I10", "NA", "0042"],
    }
    assert (
        "are not learnt: time (jaxehr schema --every makes a series of them); ignored: ward"
        in caplog.text
        and "blanks around 1 codes" in caplog.text
    )
    assert "1 lines repeat a patient's code" in caplog.text
    path = file_of(tmp_path, rows("patient_id,icd9", "1,401.9", "1,250.00"))
    assert list(read_records(path)) == ["patient_id", "icd9"]
    assert "--map subject_id=patient_id,code=icd9" in caplog.text
    frame = read_records(path, names={"subject_id": "patient_id", "code": "icd9"})
    assert frame["code"].tolist() == ["401.9", "250.00"]
    with pytest.raises(DataError, match="has no column 'mrn'; it has patient_id, icd9"):
        read_records(path, names={"subject_id": "mrn"})


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_is_read_as_what_it_is_and_written_so(tmp_path):
    import datetime as dt
    from decimal import Decimal

    path = parquet(
        tmp_path / "a.parquet",
        born=pa.array([dt.date(1960, 1, 2), dt.date(1970, 3, 4), None]),
        cost=pa.array([Decimal("1.50"), Decimal("2.25"), Decimal("3.00")], pa.decimal128(6, 2)),
        stay=pa.array([60, 3600, 7200], pa.duration("s")),
        at=pa.array([dt.time(1, 2, 3), None, dt.time(23, 0)], pa.time64("us")),
        sex=pa.array(["f", "m", "f"]),
        count=pa.array([3, None, 9], pa.int16()),
    )
    frame = read_records(path)
    schema = Schema.infer(frame)
    kinds = {c.name: c.kind for c in schema.columns}
    assert kinds == dict(
        born="datetime",
        cost="numerical",
        stay="integer",
        at="integer",
        sex="categorical",
        count="integer",
    )
    codec = fit_codec(
        frame, Schema.from_json(json.loads(json.dumps(schema.to_json()))), min_patients=1
    )
    drawn = codec.decode(codec.encode(frame))
    write_records(drawn, tmp_path / "out.parquet")
    before, after = pq.read_table(path), pq.read_table(tmp_path / "out.parquet")
    assert after.to_pylist() == before.to_pylist()
    for name in ("born", "cost", "stay", "at", "count"):
        assert after.schema.field(name).type == before.schema.field(name).type
    write_records(drawn, tmp_path / "out.csv")
    pd.testing.assert_frame_equal(read_records(tmp_path / "out.csv", schema), frame)


def test_integers_of_parquet_with_gaps_stay_exact(tmp_path):
    path = parquet(tmp_path / "a.parquet", n=pa.array([2**53 + 1, None, 5]), age=[1, 2, 3])
    frame = read_records(path)
    assert frame["n"].tolist() == [2**53 + 1, pd.NA, 5]
    write_records(frame, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == pq.read_table(path).to_pylist()
    write_records(frame, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(
        encoding="utf-8"
    ) == "n,age\n9007199254740993,1\n,2\n5,3\n"


def test_parquet_cells_that_hold_more_than_a_value_are_refused(tmp_path):
    path = parquet(
        tmp_path / "a.parquet", age=[1, 2], labs=[[1, 2], [3]], place=[{"a": 1}, {"a": 2}]
    )
    with pytest.raises(
        DataError, match=r"'labs' \(list<.*'place' \(struct<.*one value|a cell is one value"
    ):
        read_records(path)


def bare_text_files(package):
    """Calls that open a text file in whatever encoding the locale has."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or "encoding" in {w.arg for w in node.keywords}:
                continue
            name = ast.unparse(node.func)
            said = [each.value for each in node.args if isinstance(each, ast.Constant)]
            mode = next((each for each in said if re.fullmatch("[rwax][bt+]*", str(each))), None)
            bare = name == "open" and mode is None
            text = mode is not None and "b" not in mode and name.endswith("open")
            method = re.search(r"\.(read|write)_text$", name) and not name.startswith("files.")
            if bare or text or method:
                yield f"{path.name}:{node.lineno}"


def test_text_is_utf8_whatever_the_locale(tmp_path):
    """Every text file that the package opens names its encoding."""
    assert list(bare_text_files(Path(__file__).parents[2] / "jaxehr")) == []
    (tmp_path / "x.py").write_text(
        "open(p)\nopen(p, 'w')\np.open('a')\np.read_text()\nopen(p, 'rb')\n"
    )
    assert list(bare_text_files(tmp_path)) == ["x.py:1", "x.py:2", "x.py:3", "x.py:4"]


def test_a_mark_that_is_a_number_counts_in_every_spelling_and_file(tmp_path):
    path = file_of(tmp_path, rows("lab,age", "-9.00,40", "1.25,-9", "2.50,50"))
    frame = read_records(path, missing=("-9",))
    assert frame.isna().to_numpy().tolist() == [[True, False], [False, True], [False, False]]
    read_records(path).to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(
        read_records(tmp_path / "a.parquet", missing=("-9",)), frame, check_dtype=False
    )


def test_a_kind_alone_is_enough_to_read_text_as_numbers(tmp_path):
    """What was taken for text is read and written as numbers where the schema says so."""
    lines = [f"{40 + i % 3},{['1.50', '1.5', '2.25'][i % 3]}" for i in range(40)] + ["90+,2.25"]
    path = file_of(tmp_path, rows("age,lab", *lines))
    value = Schema.infer(read_records(path)).to_json()
    assert {c["dtype"] for c in value["columns"]} <= {"str", "object"}
    value["columns"][0]["kind"], value["columns"][1]["kind"] = "integer", "numerical"
    schema = Schema.from_json({**value, "missing": ["90+"]})
    frame = read_records(path, schema)
    assert frame["age"].isna().sum() == 1 and frame["lab"].max() == 2.25
    codec = fit_codec(frame, schema, min_patients=1)
    drawn = codec.decode(codec.encode(frame))
    pd.testing.assert_frame_equal(drawn, frame)
    write_records(drawn, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1] == "40,1.5"
    with pytest.raises(DataError, match='"missing" of a schema is a list of texts'):
        Schema.from_json({**value, "missing": "NA"})
    value["columns"][0]["format"] = "%d"
    with pytest.raises(DataError, match="'age' has the format '%d'; numbers have one such as"):
        Schema.from_json(value)


def test_numbers_that_are_changed_in_between_keep_their_digits(tmp_path):
    """A spelling that was read is left where it would round, or where it is of another column."""
    frame = read_records(file_of(tmp_path, rows("height,sex", "1.50,f", "1.75,m")))
    assert frame.attrs["format"] == {"height": ".2f"}
    frame["height"] = frame["height"] / 3
    write_records(frame, tmp_path / "out.csv")
    assert read_records(tmp_path / "out.csv")["height"].tolist() == [1.5 / 3, 1.75 / 3]
