"""Systems that learn series, side by side: trained for about as long, judged by the same judges, beside real patients.

    python experiments/series_systems.py physionet2012 FOLDER
    python experiments/series_systems.py stocks stock_data.csv
    python experiments/series_systems.py pbcseq pbcseq.csv

Of PhysioNet 2012 (set a: 4,000 stays of 48 hours, 37 variables with minutes, eight static columns) four fifths are
train, the rest held out; of Stocks the windows of series_floor.py. TIMEDIFF's own width, four units for each entry of a
step, would be 760 here and take ten seconds for a step of training on two cores: it has the width below.

On 2 CPU cores shared with others, PhysioNet 2012, one network each, 800 draws (`-n 800`) beside the 800 held out, by
the judges of this script. TIMEDIFF was also given how long a stay and a life were, which the script leaves out since.

                                                    courses       timediff           real
    steps of training, CPU seconds                  5,000, 672    5,000, 677
    evaluations, CPU seconds for 800                50, 29        1,000, 541
    discriminative, by_train, five seeds            .271 +- .014  .497 +- .003
    detection                                       .952          .998               .506
    died, learnt of synthetic, boosting             .708 +- .009  .533 +- .014       .795 +- .014
    died, learnt of synthetic, GRU                  .721 +- .025  .590 +- .046       .761 +- .019
    died, of both together, boosting                .789 +- .007  .806 +- .004
    died, of both together, GRU                     .808 +- .007
    predictive, all                                 .403 +- .001
    missing, error: of a variable                   .006          .020               .005
    of a step of a variable                         .012          .024               .010
    of two together, of one in time                 .014, .009    .023, .015         .010, .008
    variables at once, distance                     .10           .39                .07
    gaps of a variable: distance in hours, KS       .86, .10      1.81, .23          .29, .04
    gaps of any: distance in hours, KS              .03, .07      .04, .11           .003, .002
    length: distance in hours, KS                   .31, .14      .44, .12           .11, .02
    correlation error: with itself, with others     .141, .103    .631, .118         .072, .092
    correlation of the heart rate with the next hour's    .892    -.005              .893
    deviation of the heart rate                     17.6          63.0               17.8
    a weight that is the last one again             .981                             .988

The last three rows are of the network before runs were read as runs. It had discriminative .249 +- .026, detection
.949, died .740 and .725, variables at once .12, gaps of any KS .08; another of the same settings, but for the bit of
the clocks, died .753 and .745: two networks of these stays differ by as much. What gives courses away: patients differ
too little in what is measured rarely (the 80% range of their means .88 of the real one, as the median of variables,
with a solver of 50 steps or of 150), and what has few values, such as the oxygen breathed in, is drawn too near to the
usual (its greatest of a stay .6 where it is 1). Of the numbers of a course alone, without the bits that say what is the
last one again, without means over more steps and with noise levels of single images, 5,000 steps came to discriminative
.296, detection .983, died .735 and .669, gaps of any KS .31, a weight that is the last one again .13. Of 2,500 steps:
with bits as -4 and 4, which settles what is measured before what is found, patients differ more (.92), but what is
measured at once is .47 off; with runs and without the other means over steps, .08, detection .957, died .731, and
patients differ less (.83). TIMEDIFF is far from learnt by then: its authors' code takes 700,000 steps.

Stocks, courses with 6,000 steps (218 CPU seconds; 20 steps a second beside other work; 8.0 CPU seconds for 1,000):
discriminative by_train .021 +- .020, as they are .024 +- .019 (real windows .027 +- .010, .009 +- .008:
series_floor.py), predictive of the last variable .0368 +- .0000 (.0368), of all .058 (.056), detection .978: by
summaries of a window it is easily told, and was less so (.853) at lower noise levels, by the solver of the SDE.
TIMEDIFF with 64 units and 4,000 steps (105 CPU seconds; 121 for 1,000): .282 +- .066, .193 +- .020, .0383, .066, 1.000.

pbcseq, 208 patients to learn from and 104 held out, courses with 2,000 steps (122 CPU seconds): discriminative .062 +-
.052 (real .043), detection .662 (.472), gaps KS .108 (.061), length KS .125 (.067), died by boosting .892 (.881), by a
GRU .859 (.870). Before runs were read as runs .095, .767, .087, .144, .842, .859.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from series_floor import windows

import jaxehr
from jaxehr import names
from jaxehr.data import Records, Schema
from jaxehr.data.layouts.physionet2012 import read_physionet2012
from jaxehr.data.subjects import read_visits
from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.measures.detection import detect
from jaxehr.evaluation.measures.series import (
    correlation,
    measurement,
    outcomes,
    post_hoc,
    scaling,
)

# Settings with which each is trained for about ten CPU minutes, alone on the machine.
SYSTEMS: dict[str, dict[str, dict[str, Any]]] = {
    "physionet2012": {
        "courses": {"steps": 5_000},
        "timediff": {"steps": 5_000, "hidden": 96},
        "ddpm": {"steps": 20_000},
    },
    "stocks": {
        "courses": {"steps": 6_000},
        "timediff": {"steps": 4_000, "hidden": 64},
    },
    "pbcseq": {
        "courses": {"steps": 2_000},
        "timediff": {"steps": 1_500},
        "longitudinal_dpm": {"steps": 1_500, "width": 64},
    },
}


class Task(NamedTuple):
    """outcome     a column of the static table that is learnt from the course; None where there is none"""

    train: Records
    held: Records
    schema: Schema
    outcome: str | None


def physionet2012(folder: Path) -> Task:
    records = read_physionet2012(folder)
    static: Any = records.static
    # How long one lived and stayed says who died.
    static = static.drop(columns=["Length_of_stay", "Survival"])
    train, held = split(static, records.events, 4 / 5)
    schema = Schema.infer(train).on_grid(train, every="1h", length=48)
    return Task(train, held, schema, "In-hospital_death")


def pbcseq(path: Path) -> Task:
    """Visits on their days, in steps of 90."""
    records = read_visits(path, {"subject_id": "id", "time": "day:days"})
    static: Any = records.static
    static = static.assign(died=static["status"] == 2).drop(columns=["status", "futime"])
    events: Any = records.events
    events.attrs = {}  # of the columns left out
    train, held = split(static, events, 2 / 3)
    schema = Schema.infer(train).on_grid(train, every="90d", length=40, start="2000-01-01")
    return Task(train, held, schema, "died")


def split(static: pd.DataFrame, events: Any, share: float) -> Iterator[Records]:
    """Train and held out, by patient."""
    order = np.random.default_rng(0).permutation(len(static))
    for rows in np.split(order, [int(len(order) * share)]):
        own = static.iloc[np.sort(rows)].reset_index(drop=True)
        kept = events["subject_id"].isin(own["subject_id"])
        yield Records(own, events[kept].reset_index(drop=True))


def stocks(path: Path) -> Task:
    """Days as hours of a stay: a window is a patient."""
    parts = []
    for series in windows(path):
        n, steps, variables = series.values.shape
        row, step, variable = (at.ravel() for at in np.indices((n, steps, variables)))
        start = pd.Timestamp("2000-01-01").as_unit("us")
        events = pd.DataFrame(
            {
                "subject_id": row + 1,
                "time": start + pd.to_timedelta(step, "h").as_unit("us"),
                "code": np.array(["v1", "v2", "v3", "v4", "v5", "v6"])[variable],
                "numeric_value": series.values.ravel(),
            }
        )
        parts.append(Records(None, events))
    schema = Schema.infer(parts[0]).on_grid(parts[0], every="1h", length=24)
    return Task(*parts, schema, None)


def judged(task: Task, train: Blocks, held: Blocks, other: Blocks) -> Iterator[tuple[str, Any]]:
    """Of `other` beside the patients held out, as many of each; an outcome is learnt of all of `other`."""
    most, whole = min(len(held), len(other)), other
    held, other = (each.rows(np.arange(most)) for each in (held, other))
    a, b, own = held.courses, other.courses, train.courses
    told = post_hoc.discriminative(a, b, own, scaling=scaling.by_train, seeds=5).score
    yield "discriminative", said(told)
    if task.outcome is None:
        as_they_are = post_hoc.discriminative(a, b, own, scaling=scaling.as_they_are, seeds=5)
        yield "discriminative, as they are", said(as_they_are.score)
        yield "predictive, last", said(post_hoc.predictive_last(a, b, own, seeds=5), 4)
    ahead = post_hoc.predictive_all(a, b, own, scaling=scaling.by_train, seeds=3)
    yield "predictive, all", said(ahead)
    yield "detection", round(float(detect(held, other, 0).estimate.value), 3)
    a, b = held.measured, other.measured
    for found in (
        measurement.missing_errors(a, b),
        measurement.gap_errors(a, b),
        measurement.length_errors(a, b),
        correlation.correlation_errors(held.courses, other.courses),
    ):
        for name, value in found.items():
            yield name, round(float(value), 4)
    if task.outcome is None:
        return
    test = outcomes.Patients(held.courses, _has(held, task.outcome))
    learnt = outcomes.Patients(whole.courses, _has(whole, task.outcome))
    real = outcomes.Patients(train.courses, _has(train, task.outcome))
    for name, learner in (("boosting", outcomes.boosting), ("GRU", outcomes.recurrent)):
        scores = outcomes.pairings(real, learnt, test, learner)
        for pairing, score in scores.items():
            yield f"{pairing}, {name}", said(outcomes.areas(test.outcome, score))


def _has(blocks: Blocks, name: str) -> np.ndarray:
    if name in blocks.number_names:
        return blocks.numbers[:, blocks.number_names.index(name)] > 0.5
    j = blocks.label_names.index(name)
    return blocks.labels[:, j] == len(blocks.values[j])


def said(values: np.ndarray, digits: int = 3) -> str:
    return f"{values.mean():.{digits}f} +- {values.std(ddof=1):.{digits}f}"


def system(task: Task, name: str, settings: dict[str, Any], n: int) -> tuple[dict, Records]:
    """(what it cost, its draws)."""
    recipe = names.recipes()[name](task.train, task.schema, **settings)
    start, wall = time.process_time(), time.perf_counter()
    synthesizer = jaxehr.fit(recipe, task.train, jax.random.key(0))
    cost = {
        "learnt in CPU s": round(time.process_time() - start),
        "steps/s": round(recipe.stages[-1].steps / (time.perf_counter() - wall), 1),
    }
    synthesizer.sample(jax.random.key(2), 2, batch_size=400)  # compiled
    start = time.process_time()
    drawn = synthesizer.sample(jax.random.key(1), n, batch_size=400)
    cost["CPU s for 1,000"] = round(1000 * (time.process_time() - start) / n, 1)
    return cost, drawn


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=SYSTEMS)
    parser.add_argument("path", type=Path, help="the file or folder")
    parser.add_argument("--only", nargs="+", metavar="SYSTEM", help="some; 'real' for the floor")
    parser.add_argument("-n", type=int, help="draws; as many as there are to learn from")
    options = parser.parse_args()
    tasks = {"physionet2012": physionet2012, "stocks": stocks, "pbcseq": pbcseq}
    task = tasks[options.data](options.path)
    n = options.n or task.train.events["subject_id"].nunique()
    for name in options.only or ["real", *SYSTEMS[options.data]]:
        if name == "real":
            cost, drawn = {}, task.train
        else:
            cost, drawn = system(task, name, SYSTEMS[options.data][name], n)
        sets = {"train": task.train, "held": task.held, "other": drawn}
        train, held, other = comparable(task.schema, sets)
        figures = dict(judged(task, train, held, other))
        print(json.dumps({"system": name, **cost, **figures}, indent=1), flush=True)


if __name__ == "__main__":
    main()
