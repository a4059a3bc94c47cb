"""The PhysioNet Challenge of 2012: stays of 48 hours, in a file each as they are downloaded, or in one long file.

https://physionet.org/content/challenge-2012/1.0.0/
"""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from jaxehr.data.kinds import DataError
from jaxehr.data.records import Records
from jaxehr.data.subjects import Unmatched, joined

log = logging.getLogger(__name__)

START = pd.Timestamp("2000-01-01")  # of every stay: times count from admission
# What is said once, at 00:00; a weight after that is measured.
ONCE = ("Age", "Gender", "Height", "ICUType", "Weight")
MISSING = -1
WORDS = {
    "Gender": {0: "female", 1: "male"},
    "ICUType": {1: "coronary care", 2: "cardiac surgery", 3: "medical", 4: "surgical"},
}
LONG = ["RecordID", "minute", "Parameter", "Value"]
FIRST_LINE = "Time,Parameter,Value"


def read_physionet2012(folder: str | Path, *, unmatched: Unmatched = "refuse") -> Records:
    """A row for each stay of what is said once (descriptors and outcomes, -1 is missing), and events of the rest.

    folder  holds files of stays (set-a/132539.txt, ...), or long files (RecordID, minute, Parameter, Value; .csv,
            .csv.gz), and Outcomes-a.txt, ... where the outcomes are known, at whatever depth

    Raises DataError for a folder without either, for a line of a file that is none, and for a number without a word.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; the layout physionet2012 is of a folder of stays")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = _named(_rows(folder, paths), folder)
    first = rows["minute"].eq(0) & ~rows.duplicated(["RecordID", "Parameter"])
    once = rows[first & rows["Parameter"].isin(ONCE)]
    if once.empty:
        raise DataError(
            f"{folder}: no stay says at 00:00 who it is of; its first lines are to be {', '.join(sorted(ONCE))}"
        )
    static = once.pivot(index="RecordID", columns="Parameter", values="Value").reset_index()
    static.columns.name = None
    static = _outcomes(_described(static), [p for p in paths if p.name.startswith("Outcomes-")])
    events = rows.drop(once.index)
    events = events[events["Parameter"] != "RecordID"]
    unknown = events["Value"].eq(MISSING)
    if unknown.any():
        log.warning("%s: %s values of -1 are missing, and left out", folder, f"{unknown.sum():,}")
    events = events[~unknown].sort_values(["RecordID", "minute"], kind="stable")
    times = START + pd.to_timedelta(events["minute"], "min")
    made = pd.DataFrame(
        {
            "subject_id": events["RecordID"],
            "time": times.astype("datetime64[us]"),
            "code": events["Parameter"].astype(str),
            "numeric_value": events["Value"],
        }
    ).reset_index(drop=True)
    return joined(static, made, unmatched=unmatched, static_is=str(folder), events_are=str(folder))


def _rows(folder: Path, paths: Sequence[Path]) -> pd.DataFrame:
    """RecordID, minute, Parameter, Value of all stays, as they stand in the files."""
    stays = [path for path in paths if path.suffix == ".txt" and path.stem.isdecimal()]
    tables = [path for path in paths if path.name.endswith(("_long.csv", "_long.csv.gz"))]
    if not stays and not tables:
        raise DataError(
            f"{folder} holds no stays: neither files such as 132539.txt, nor one such as set-a_long.csv.gz"
        )
    if stays and tables:
        raise DataError(
            f"{folder} holds stays both in files of their own and in {tables[0].name}; take one away"
        )
    if tables:
        return pd.concat([_of_long(path) for path in tables], ignore_index=True)
    at = {int(path.stem): path for path in stays}
    if twice := [path for path in stays if at[int(path.stem)] != path]:
        raise DataError(f"{twice[0]} and {at[int(twice[0].stem)]} are the same stay; take one away")
    lines = [line for path in stays for line in _of_stay(path)]
    return pd.DataFrame(lines, columns=LONG).astype({"minute": "int64", "Value": "float64"})


def _of_long(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path)
    if list(frame) != LONG or not all(
        pd.api.types.is_numeric_dtype(frame[name]) for name in LONG if name != "Parameter"
    ):
        raise DataError(
            f"{path} has columns {', '.join(map(str, frame))}; a long file has {', '.join(LONG)}, numbers but for the "
            "Parameter"
        )
    return frame.astype({"Value": "float64"})


def _of_stay(path: Path) -> Iterator[tuple[int, int, str, float]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != FIRST_LINE:
        raise DataError(f"{path} is no stay: its first line is to be {FIRST_LINE}")
    for at, line in enumerate(lines[1:], 2):
        try:
            time, parameter, value = line.split(",")
            hours, minutes = time.split(":")
            number = float(value)
            if not math.isfinite(number):
                raise ValueError
            yield int(path.stem), 60 * int(hours) + int(minutes), parameter, number
        except ValueError:
            raise DataError(
                f"line {at} of {path} is '{line}'; it is to be a time, a parameter and a number, as 00:07,HR,73"
            ) from None


def _named(rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Without the lines, a few in the download, that do not say of what their number is."""
    named = rows["Parameter"].fillna("").astype(str).ne("")
    if not named.all():
        log.warning("%s: %s values of no parameter are left out", folder, f"{(~named).sum():,}")
    return rows[named].reset_index(drop=True)


def _described(static: pd.DataFrame) -> pd.DataFrame:
    """With words for what is numbered, and -1 as missing."""
    static = static.rename(columns={"RecordID": "subject_id"})
    for name in static.columns.drop("subject_id"):
        values = static[name].where(static[name] != MISSING)
        if name in WORDS:
            words = WORDS[name]
            odd = static[values.notna() & ~values.isin(words)]
            if len(odd):
                said = ", ".join(f"{number} ({word})" for number, word in words.items())
                raise DataError(
                    f"stay {odd['subject_id'].iloc[0]} has {name} {odd[name].iloc[0]:g}; it is one of {said}, or -1"
                )
            values = values.map(words).astype(pd.Series(["a"]).dtype)
        elif name == "Age" and values.notna().all() and _whole(values):
            values = values.astype("int64")
        static[name] = values
    return static


def _outcomes(static: pd.DataFrame, paths: Sequence[Path]) -> pd.DataFrame:
    """With the outcomes beside it, where there are files of them."""
    if not paths:
        log.warning("there is no Outcomes-a.txt or the like: outcomes are lacking")
        return static
    found = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    if "RecordID" not in found:
        raise DataError(f"{paths[0]} has no column RecordID; it is to be as it is downloaded")
    found = found.rename(columns={"RecordID": "subject_id"})
    scores = found.columns.drop("subject_id")
    found[scores] = found[scores].where(found[scores] != MISSING)
    whole = [name for name in scores if found[name].notna().all() and _whole(found[name])]
    found = found.astype(dict.fromkeys(whole, "int64"))
    ours = static["subject_id"].isin(found["subject_id"])
    if not ours.all():
        log.warning("%s of %s stays have no outcome", f"{(~ours).sum():,}", f"{len(static):,}")
    if strange := int((~found["subject_id"].isin(static["subject_id"])).sum()):
        log.warning("%s outcomes are of no stay that is here, and left out", f"{strange:,}")
    merged = static.merge(found, on="subject_id", how="left")
    merged.attrs["format"] = {
        name: ".0f" for name in scores if merged[name].dtype == "float64" and _whole(merged[name])
    }
    return merged


def _whole(values: pd.Series) -> bool:
    return bool(np.equal(np.mod(values.dropna(), 1), 0).all())
