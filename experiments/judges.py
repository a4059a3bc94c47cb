"""Judges of a file of synthetic rows that share no code with this package: scikit-learn's boosting, SDMetrics, counts.

    python experiments/judges.py --real train.parquet --holdout holdout.parquet --synthetic ours.parquet rival.parquet
    python experiments/judges.py --real train.csv --synthetic drawn.csv --label "readmitted!=NO" --sdmetrics PYTHON

A line for each synthetic file, and one for the holdout as if it had been drawn: the floor (its tstr learns train).
Detection far below the floor is no praise: copies of train's rows in other folds mislead the judge.
Files are CSV or Parquet; of each the first N rows after a shuffle, N the fewest of the three files, at most --rows.
Codes (columns subject_id and code) are judged as a row a patient: each code, there or not, and how many there are.

detection   AUC of telling synthetic rows from train's: HistGradientBoosting, up to 200 rounds, stopped early; mean of 5
            folds and its standard error by Hanley and McNeil (1982) at .5. Categories are coded in their order,
            missing is NaN. .5 is best.
from others the same with the holdout in train's place. Rows like train's are harder to tell from these, in another
            fold, than from other patients': what detection is lower by is owed to that, and none of it to quality.
tstr        --label: AUROC on the holdout of the same booster trained on synthetic rows; of several classes the mean of
            one against the rest. COLUMN!=VALUE is whether it is another value.
missing     the largest difference of a column's share of missing values from train's
closer      share of synthetic rows that are closer to their nearest of train than of the holdout, where train has as
            many rows as the holdout; ties are halves. .5 is best: more is a copy. Distance is Gower's: a number's
            difference over its range in train, 1 where a category or being missing differs.
number      codes: total variation of how many a patient has; alone is the AUC of telling patients by that only
diag twice  Diabetes-130: share of encounters with one diagnosis in two of diag_1, diag_2, diag_3
med         Diabetes-130: share whose diabetesMed contradicts the drugs (No with one given, Yes with none)
trend       --sdmetrics: "Column Pair Trends" of SDMetrics' quality report, run by that interpreter (rivals.py
            installs one: ENVS/sdmetrics/bin/python). 1 is best. It is the mean over those pairs alone that are
            strong in the real rows (Cramer's V above .3, or a correlation above .5). On Diabetes-130 these are 18 of
            1,128, 11 of them with a diagnosis of 700 values, so that the choice of rows moves it by some .03: real
            patients held out have .886 here, .857 in the first 10,000 rows of each file unshuffled, .847 in these
            with the three ids of admission and discharge as numbers.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

ROUNDS, FOLDS, ROWS = 200, 5, 10_000
DIAGNOSES = ["diag_1", "diag_2", "diag_3"]
DOSES = {"No", "Steady", "Up", "Down"}
NUMBER = "number of codes"


def read(path: Path) -> pd.DataFrame:
    frame = (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    )
    codes = {"subject_id", "code"} <= set(frame.columns)
    return by_patient(frame) if codes else frame.reset_index(drop=True)


def by_patient(events: pd.DataFrame) -> pd.DataFrame:
    """A row for each patient: 1 for a code that is there, and how many there are."""
    there = (pd.crosstab(events["subject_id"], events["code"]) > 0).astype(np.int8)
    return there.assign(**{NUMBER: there.sum(axis=1)}).reset_index(drop=True)


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def coded(frames: list[pd.DataFrame]) -> tuple[list[np.ndarray], np.ndarray]:
    """Each frame as float64[row, column], and which columns are numbers, by the first frame.

    A category is its place in the order of all values of all frames, as text; missing is NaN.
    """
    first, parts = frames[0], [[] for _ in frames]
    for name in first:
        columns = [frame[name] for frame in frames]
        if is_number(first[name]):
            values = [_floats(column, name) for column in columns]
        else:
            texts = [column.astype(object).map(str, na_action="ignore") for column in columns]
            order = pd.Index(sorted(pd.concat(texts).dropna().unique()))
            places = [order.get_indexer(text).astype(float) for text in texts]
            values = [np.where(place < 0, np.nan, place) for place in places]
        for part, value in zip(parts, values, strict=True):
            part.append(value)
    return [np.stack(part, axis=1) for part in parts], np.array(
        [is_number(first[c]) for c in first]
    )


def _floats(column: pd.Series, name: str) -> np.ndarray:
    try:
        return pd.to_numeric(column).to_numpy(float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise SystemExit(
            f"column {name!r} has numbers in the real file, but not in another: {error}"
        ) from None


def booster() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=True, random_state=3)


def detection(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Mean AUC over 5 folds of telling the rows of b from those of a."""
    (x_a, x_b), _ = coded([a, b])
    x, y = np.concatenate([x_a, x_b]), np.repeat([0, 1], [len(a), len(b)])
    aucs = []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=7).split(x, y):
        told = _varied(x[train])
        model = booster().fit(x[train][:, told], y[train])
        aucs.append(roc_auc_score(y[test], model.predict_proba(x[test][:, told])[:, 1]))
    return float(np.mean(aucs))


def _varied(x: np.ndarray) -> np.ndarray:
    """Columns that have a value; all of NaN says nothing."""
    return ~np.isnan(x).all(axis=0)


def standard_error(n: int) -> float:
    """Of an AUC of .5 from n rows of each kind (Hanley and McNeil 1982)."""
    return float(np.sqrt((2 * n + 1) / (12 * n * n)))


def labelled(frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, np.ndarray]:
    """(the other columns, the label as text); label is COLUMN or COLUMN!=VALUE."""
    column, _, value = label.partition("!=")
    if column not in frame:
        raise SystemExit(f"--label {label}: there is no column {column!r}")
    text = frame[column].astype(object).map(str, na_action="ignore").fillna("missing").to_numpy()
    return frame.drop(columns=column), np.where(text == value, "no", "yes") if value else text


def tstr(synthetic: pd.DataFrame, holdout: pd.DataFrame, label: str) -> float:
    """AUROC on the holdout of a booster trained on synthetic rows; NaN where these have one class."""
    (a, y), (b, wanted) = labelled(synthetic, label), labelled(holdout, label)
    classes = np.unique(wanted)
    if len(classes) < 2:
        raise SystemExit(f"--label {label}: all rows of the holdout are {str(classes[0])!r}")
    if len(np.unique(y)) < 2:
        return float("nan")
    (x_a, x_b), _ = coded([a[b.columns], b])
    told = _varied(x_a)
    model = booster().fit(x_a[:, told], y)
    odds = dict(zip(model.classes_, model.predict_proba(x_b[:, told]).T, strict=True))
    classes = classes[-1:] if len(classes) == 2 else classes
    none = np.zeros(len(wanted))
    return float(np.mean([roc_auc_score(wanted == c, odds.get(c, none)) for c in classes]))


def worst_missing(train: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    return float((train.isna().mean() - synthetic[train.columns].isna().mean()).abs().max())


def share_closer(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Share of synthetic rows closer to train than to as many of the holdout; ties are halves."""
    n = min(len(train), len(holdout))
    coded_rows, numbers = coded([train[:n], holdout[:n], synthetic])
    a, b, drawn = _gower(coded_rows, numbers)
    near_a, near_b = _nearest(drawn, a, numbers), _nearest(drawn, b, numbers)
    ties = np.isclose(near_a, near_b, rtol=0, atol=1e-6)
    return float(np.where(ties, 0.5, near_a < near_b).mean())


def _gower(rows: list[np.ndarray], numbers: np.ndarray) -> list[np.ndarray]:
    """Rows whose distance is Gower's: numbers over their range in the first, missing far from all but itself."""
    low, high = np.nanmin(rows[0], axis=0), np.nanmax(rows[0], axis=0)
    width = np.where(numbers & (high > low), high - low, 1.0)
    return [np.where(np.isnan(x), -1e6, (x - low) / width).astype(np.float32) for x in rows]


def _nearest(drawn: np.ndarray, real: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Gower's distance of each drawn row to its nearest real one, float32[row]."""
    found = []
    bits = np.isin(drawn, (0, 1)).all(axis=0) & np.isin(real, (0, 1)).all(axis=0)
    for block in np.array_split(drawn, max(1, len(drawn) * len(real) // 4_000_000)):
        b, r = block[:, bits], real[:, bits]
        total = b.sum(1)[:, None] + r.sum(1) - 2 * b @ r.T  # of bits, both numbers and not
        for j in np.flatnonzero(~bits):
            own, other, number = block[:, j, None], real[None, :, j], numbers[j]
            total += np.minimum(np.abs(own - other), 1) if number else own != other
        found.append(total.min(axis=1))
    return np.concatenate(found)


def total_variation(a: pd.Series, b: pd.Series) -> float:
    """Half the sum of the differences of the values' shares."""
    shares = [column.value_counts(normalize=True) for column in (a, b)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def same_diagnosis_twice(frame: pd.DataFrame) -> float:
    """Share of rows with one diagnosis in two of diag_1..3; missing is no diagnosis."""
    one, two, three = (frame[c].astype(object).map(str, na_action="ignore") for c in DIAGNOSES)
    # missing equals nothing, itself not either
    return float(((one == two) | (one == three) | (two == three)).mean())


def medicine_contradicted(train: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Share of synthetic rows whose diabetesMed is No with a drug given, or Yes with none; a drug is a column that has
    doses in train."""
    doses = train.apply(
        lambda column: {"No", "Steady"} <= set(column.dropna().astype(str)) <= DOSES
    )
    given = (synthetic[train.columns[doses]].astype(str) != "No").any(axis=1)
    return float((given != (synthetic["diabetesMed"].astype(str) == "Yes")).mean())


TREND = """
import json, sys, pandas as pd
from sdmetrics.reports.single_table import QualityReport
real, drawn, kinds = (pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2]), json.loads(sys.argv[3]))
report = QualityReport()
report.generate(real, drawn, {"columns": {c: {"sdtype": k} for c, k in kinds.items()}}, verbose=False)
print("trend", report.get_properties().set_index("Property").loc["Column Pair Trends", "Score"])
"""


def sdmetrics_trend(python: str, real: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Column Pair Trends of SDMetrics, in the interpreter that has it; categories go as text."""
    kinds = {c: "numerical" if is_number(real[c]) else "categorical" for c in real}
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, frame in (("real", real), ("drawn", synthetic)):
            text = {c: frame[c].astype(object).map(str, na_action="ignore") for c in kinds}
            plain = frame.assign(**{c: text[c] for c, kind in kinds.items() if kind != "numerical"})
            paths.append(f"{folder}/{name}.parquet")
            plain[list(kinds)].to_parquet(paths[-1])
        command = [python, "-c", TREND, *paths, json.dumps(kinds)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SystemExit(f"SDMetrics did not judge under {python}: {last}")
    return float(done.stdout.split("trend ")[-1])


def judged(
    train: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    *,
    label: str | None = None,
    sdmetrics: str | None = None,
) -> dict[str, float]:
    """All that can be judged, of as many rows each; the holdout as synthetic is the floor, whose tstr learns train."""
    found = {"detection": detection(train, synthetic), "error": standard_error(len(synthetic))}
    if sdmetrics:
        found["trend"] = sdmetrics_trend(sdmetrics, train, synthetic)
    if label and holdout is not None:
        found["tstr"] = tstr(train if synthetic is holdout else synthetic, holdout, label)
    found["missing"] = worst_missing(train, synthetic)
    if holdout is not None and synthetic is not holdout:
        found["from others"] = detection(holdout, synthetic)
        found["closer"] = share_closer(train, holdout, synthetic)
    if NUMBER in train:
        found["number"] = total_variation(train[NUMBER], synthetic[NUMBER])
        found["alone"] = detection(train[[NUMBER]], synthetic[[NUMBER]])
    if set(DIAGNOSES) <= set(train.columns):
        found["diag twice"] = same_diagnosis_twice(synthetic)
    if "diabetesMed" in train:
        found["med"] = medicine_contradicted(train, synthetic)
    return found


def _as_real(frame: pd.DataFrame, real: pd.DataFrame, path: Path) -> pd.DataFrame:
    if NUMBER in real and NUMBER in frame:  # no patient has the codes that are not there
        return frame.reindex(columns=real.columns, fill_value=0)
    if lacking := sorted(set(real.columns) - set(frame.columns)):
        raise SystemExit(
            f"{path} lacks columns of the real file: {', '.join(lacking)}; see --without"
        )
    return frame[list(real.columns)]


def sampled(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=0)[:n].reset_index(drop=True)


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown, a line for each file."""
    return markdown(
        "", rows, list(dict.fromkeys(name for row in rows.values() for name in row)), _cell
    )


def markdown(
    corner: str,
    rows: Mapping[str, Mapping[str, Any]],
    columns: Sequence[str],
    cell: Callable[[str, Any], str],
) -> str:
    """A table with a line for each of the rows; `cell` writes a value, None where a row has none, by its column."""
    lines = ["| " + " | ".join([corner, *columns]) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, row in rows.items():
        cells = [cell(column, row.get(column)) for column in columns]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return ""
    if column in ("rows", "judge CPU s"):
        return f"{value:,.0f}"
    return f"{value:.4f}" if column in ("missing", "med") else f"{value:.3f}"


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, required=True, metavar="FILE", help="rows trained on")
    parser.add_argument("--synthetic", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--holdout", type=Path, metavar="FILE", help="real rows not trained on")
    parser.add_argument("--label", metavar="COLUMN[!=VALUE]", help="what TSTR predicts")
    parser.add_argument(
        "--rows", type=int, default=ROWS, metavar="N", help="at most so many of each"
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="COLUMN", help="such as ids")
    parser.add_argument("--sdmetrics", metavar="PYTHON", help="an interpreter that has SDMetrics")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures are kept there too")
    options = parser.parse_args(arguments)
    if options.label and not options.holdout:
        parser.error("--label is predicted on real rows not trained on; give them as --holdout")
    if not options.synthetic and not options.holdout:
        parser.error("there is nothing to judge; give --synthetic or --holdout")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = options_of(arguments)
    train = read(options.real)
    if unknown := sorted(set(options.without) - set(train.columns)):
        raise SystemExit(f"{options.real} has no column {', '.join(unknown)} to leave out")
    train = train.drop(columns=options.without)
    stems = [path.stem for path in options.synthetic]
    others = {p.stem if stems.count(p.stem) == 1 else str(p): p for p in options.synthetic}
    others |= {"real held out": options.holdout} if options.holdout else {}
    files = {name: _as_real(read(path), train, path) for name, path in others.items()}
    holdout = files.get("real held out")
    rows: dict[str, dict[str, float]] = {}
    with threadpool_limits(1):
        for name, frame in files.items():
            began = time.process_time()
            every = [train, frame, *([] if holdout is None else [holdout])]
            n = min(options.rows, *map(len, every))
            real, drawn, *held_out = (sampled(each, n) for each in every)
            held_out = [drawn] if frame is holdout else held_out  # the floor
            found = judged(real, drawn, *held_out, label=options.label, sdmetrics=options.sdmetrics)
            rows[name] = {"rows": n} | found | {"judge CPU s": time.process_time() - began}
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    print(table(rows))


if __name__ == "__main__":
    main()
