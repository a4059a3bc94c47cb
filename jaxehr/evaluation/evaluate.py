"""The standard evaluation: fidelity, utility, privacy, clinical sense and fairness, each beside its noise floor."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from jaxehr.data import DataError, Schema
from jaxehr.evaluation.blocks.blocks import Blocks, overlap, some
from jaxehr.evaluation.blocks.frames import Data, comparable, on_grid, unknown_codes, with_times
from jaxehr.evaluation.judges import courses as judge_courses
from jaxehr.evaluation.judges import fidelity as judge_fidelity
from jaxehr.evaluation.judges import policy as judge_policy
from jaxehr.evaluation.judges import privacy as judge_privacy
from jaxehr.evaluation.judges import utility as judge_utility
from jaxehr.evaluation.judges.clinical import Rules, of_excesses
from jaxehr.evaluation.judges.fairness import judge
from jaxehr.evaluation.judges.furthest import furthest, tells
from jaxehr.evaluation.judges.job import FEWEST, Job, Step, done
from jaxehr.evaluation.judges.verdict import NOT_ASKED
from jaxehr.evaluation.measures.decisions import Roles
from jaxehr.evaluation.measures.fairness import Grouping, groupings
from jaxehr.evaluation.measures.frequencies import strangers
from jaxehr.evaluation.measures.learners import target
from jaxehr.evaluation.measures.metric import (
    PILLARS,
    Group,
    Metric,
    Picture,
    Pillar,
    ordered,
    patients,
)
from jaxehr.evaluation.report import plane, plots, trajectories
from jaxehr.evaluation.report.report import Report

CLASSES = 10  # values of a number that may be classes
Advance = Callable[[int, int, str], None]


def evaluate(
    real: Data,
    synthetic: Data,
    holdout: Data | None = None,
    *,
    schema: Schema | None = None,
    label: str | None = None,
    by: str | None = None,
    rules: Rules | None = None,
    policy: Roles | None = None,
    pillars: Collection[str] = PILLARS,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    advance: Advance = lambda done, total, what: None,
) -> Report:
    """Judges synthetic records of any origin.

    real        what the generator was trained on: a table, codes (subject_id and code), or Records with either or both,
                as the others are
    holdout     real patients that it was not: they give the noise floor, and the privacy and utility figures
    schema      of the real records; inferred if not given
    label       a column or a code to predict: utility. A class of a categorical column, or a number
    by          subgroups: "sex,age:10" is each value of sex, and ages by tens; a code is with and without it
    rules       clinical sense: (real, synthetic, holdout) -> each rule's excess over the real rate, and notes; of a
                series they see what lies on its grid
    policy      what in a series is the action and the reward: is a policy learnt on synthetic courses as good as one
                that is learnt on real ones?
    pillars     which to judge, of fidelity, utility, privacy, clinical, fairness
    config      what to note in the report
    advance     told (done, total, what is next) as it goes on

    Every floor is the metric with the holdout in the place of the synthetic records, at the same number of rows.
    Raises DataError for records whose columns differ, for a label or subgroup that is not there, and for variables that
    cannot be an action or a reward.
    """
    schema = Schema.infer(real) if schema is None else schema
    frames = {"real": real, "synthetic": synthetic}
    if holdout is not None:
        frames["holdout"] = holdout
    frames = {name: with_times(schema, name, frame) for name, frame in frames.items()}
    sets = dict(zip(frames, comparable(schema, frames), strict=True))
    frames = {name: on_grid(schema.grid, frame) for name, frame in frames.items()}
    few = [name for name, records in sets.items() if len(records) < 2]
    if few:
        raise DataError(
            f"the {few[0]} records are of fewer than 2 patients; there is nothing to judge"
        )
    unknown = [pillar for pillar in pillars if pillar not in PILLARS]
    if unknown:
        raise DataError(f"unknown pillar '{unknown[0]}'; they are {', '.join(PILLARS)}")
    if label is not None:
        target(sets["real"], label)
    asked = [] if by is None else groupings(sets["real"], by)
    shared = _shared(sets)
    notes = list(_notes(frames, sets, label, shared))
    job = Job({k: some(x, len(x), seed + i) for i, (k, x) in enumerate(sets.items())}, label, seed)

    decided = judge_policy.steps(job, schema.grid, policy)

    missing = dict(_not_judged(job, pillars))
    if shared:
        missing.setdefault("privacy", f"{shared}.")
    metrics, groups = _judged(job, frames, rules, asked, pillars, notes, advance, decided)
    sizes = {f"{name}_patients": patients(len(x)) for name, x in sets.items()}
    about = {**(config or {}), **sizes, "seed": seed}
    if label is not None:
        about["label"] = label
    if "fidelity" not in pillars:
        return Report(ordered(metrics), (), tuple(notes), about, tuple(groups), (), missing)
    pictures = tuple(plots.pictures(job, metrics)) + tuple(_of_courses(job))
    off = furthest(job.real, job.matched["synthetic"], job.matched.get("holdout"))
    off += tuple(tells(job))
    return Report(ordered(metrics), pictures, tuple(notes), about, tuple(groups), off, missing)


def _of_courses(job: Job) -> Iterator[Picture]:
    if job.real.series is None:
        return
    real, synthetic = job.real, job.synthetic
    names = [real.channels[j] for j in real.firsts]
    yield trajectories.measured(real.measured, synthetic.measured, names)
    yield trajectories.picture(real.courses, synthetic.courses, real.channels, seed=job.seed)
    held = None if job.holdout is None else job.holdout.courses
    yield plane.picture(real.courses, synthetic.courses, held, seed=job.seed)


def _judged(
    job: Job,
    frames: dict[str, Data],
    rules: Rules | None,
    asked: Sequence[Grouping],
    pillars: Collection[str],
    notes: list[str],
    advance: Advance,
    decided: Sequence[Step],
) -> tuple[list[Metric], list[Group]]:
    studies = judge_utility.studies(job)
    useful = judge_utility.steps(studies)
    steps = [*judge_fidelity.steps(job), *useful, *decided, *judge_privacy.steps(job)]
    steps += judge_courses.steps(job)
    steps = [step for step in steps if step.pillar in pillars and _has(job, step.needs)]
    groupings = asked if "fairness" in pillars else ()
    ruled = rules is not None and "clinical" in pillars
    total = len(steps) + len(groupings) + ruled
    made = [study for study in studies if _has(job, study.needs)]
    metrics: list[Metric] = []
    groups: list[Group] = []
    for i, step in enumerate(steps):
        advance(i, total, f"{step.pillar}: {step.what}")
        metrics += done(job, step)
    if rules is not None and ruled:
        advance(len(steps), total, "clinical: rules")
        found, said = rules(frames["real"], frames["synthetic"], frames.get("holdout"))
        metrics, notes[len(notes) :] = metrics + list(of_excesses(found)), said
    for i, grouping in enumerate(groupings):
        advance(len(steps) + ruled + i, total, f"fairness: by {grouping.by}")
        more, each, note = judge(job, made, grouping)
        metrics, groups = metrics + more, groups + each
        notes += [note] if note else []
    advance(total, total, "done")
    return metrics, groups


def _not_judged(job: Job, asked: Collection[str]) -> Iterator[tuple[Pillar, str]]:
    """Why a pillar was not judged, or not all of it."""
    for pillar, wants in WANTED.items():
        if pillar not in asked:
            yield pillar, NOT_ASKED
            continue
        lacking = [why for need, why in wants.items() if not _has(job, (need,))]
        if lacking:
            yield pillar, lacking[0]


WANTED: dict[Pillar, dict[str, str]] = {
    "fidelity": {},
    "utility": {
        "label": "Give a label to predict.",
        "holdout": "Give held-out patients to test on.",
    },
    "privacy": {
        "holdout": "Give held-out patients: without them, closeness cannot be told from copying."
    },
}


def _has(job: Job, needs: Sequence[str]) -> bool:
    have = {"holdout": job.holdout is not None, "label": job.label is not None}
    return all(have[need] for need in needs)


def _notes(frames: dict, sets: dict, label: str | None, shared: str) -> Iterator[str]:
    small = [name for name, records in sets.items() if len(records) < FEWEST]
    if small:
        yield (
            f"fewer than {FEWEST} patients in the {' and '.join(small)} records: frequencies and relations are given "
            "with wide intervals; whether sets can be told apart, what is learnt from them, and privacy cannot be said"
        )
    held = sets.get("holdout")
    if held is None:
        yield "no holdout was given: there is no noise floor, and of privacy only copies are counted"
        if label is not None:
            yield "the label needs a holdout to test on: utility is not judged"
    elif FEWEST <= len(held) < 1000:
        yield f"the holdout has only {len(held):,} patients: floors are rough, privacy figures more so"
    if shared:
        yield shared
    if label is not None and (classes := _few_numbers(sets["real"], label)):
        yield (
            f"the label '{label}' is a number of {classes} values, and is judged by R^2; if they are classes, say so: "
            "kind categorical in schema.json"
        )
    yield from _unseen(sets["real"], sets["synthetic"])
    unknown = unknown_codes(frames["real"], frames["synthetic"])
    if unknown:
        yield f"{unknown:,} codes of the synthetic records are not in the real ones, and were left out"


def _shared(sets: dict[str, Blocks]) -> str:
    """Of a holdout that holds training rows, by which no leak can be seen; "" of one that holds others."""
    if "holdout" not in sets:
        return ""
    held = sets["holdout"]
    rows, chance = overlap(sets["real"], held)
    if rows <= chance + 5 * (chance + 1) ** 0.5:
        return ""
    return (
        f"{patients(rows)} of the {patients(len(held))} holdout rows equal a training row, where about "
        f"{chance:,.0f} would by chance: the holdout is to hold other patients, or leaks are not seen"
    )


def _few_numbers(real: Blocks, label: str) -> int:
    """How many values a number has that may be classes; 0 where it has many, or broken ones."""
    if label not in real.number_names:
        return 0
    column = real.numbers[:, real.number_names.index(label)]
    values = np.unique(column[~np.isnan(column)])
    return len(values) if len(values) <= CLASSES and (values % 1 == 0).all() else 0


def _unseen(real: Blocks, synthetic: Blocks) -> Iterator[str]:
    """Of each column that has them, how many values of the synthetic records no real patient has."""
    for j, hits in enumerate(strangers(real, synthetic).T):
        if hits.any():
            found = np.unique(synthetic.labels[hits, j])
            shown = ", ".join(f"'{synthetic.values[j][k - 1]}'" for k in found[:3])
            more = ", ..." if len(found) > 3 else ""
            yield (
                f"column '{real.label_names[j]}': {int(hits.sum()):,} synthetic values are none that a real patient "
                f"has ({shown}{more})"
            )
