"""The standard evaluation: fidelity, utility and privacy, each beside its noise floor."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxehr.data import Schema
from jaxehr.evaluation import fidelity, plots, privacy, utility
from jaxehr.evaluation.frames import Bits, Records, Table, comparable, unknown_codes
from jaxehr.evaluation.report import Metric, Picture, Report

DETECTION_ROWS = 10_000  # of each set: enough to place the AUC within 0.004
Better = Literal["higher", "lower", "closer"]


def evaluate(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    *,
    schema: Schema | None = None,
    label: str | None = None,
    seed: int = 0,
    config: dict[str, Any] | None = None,
) -> Report:
    """Judges synthetic records of any origin.

    real        what the generator was trained on
    holdout     real patients that it was not: they give the noise floor, and the privacy and utility figures
    schema      of the real records; inferred if not given
    label       a boolean or categorical column (or a code) to predict: utility
    config      what to note in the report

    Every floor is the metric with the holdout in the place of the synthetic records, at the same number of rows.
    Raises DataError for records whose columns differ, and for a label that is not there.
    """
    schema = Schema.infer(real) if schema is None else schema
    frames = {"real": real, "synthetic": synthetic}
    if holdout is not None:
        frames["holdout"] = holdout
    sets = comparable(schema, frames)
    train, drawn, held = sets[0], sets[1], sets[2] if holdout is not None else None
    if label is not None:
        utility.target(train, label)

    rows = min(len(drawn), len(held)) if held is not None else len(drawn)
    part, floor = _some(drawn, rows, seed), None if held is None else _some(held, rows, seed)
    metrics = [*_fidelity(train, part, floor, seed), *_utility(train, drawn, held, label, seed)]
    if held is not None:
        metrics += _privacy(train, part, held, seed)

    errors = {}
    if isinstance(train, Table) and isinstance(part, Table):
        errors = fidelity.shape_errors(train, part)
    drawings = plots.pictures(train, part, floor, errors)
    pictures = tuple(Picture(title, caption, plots.svg(fig)) for title, caption, fig in drawings)
    sizes = {f"{name}_patients": len(records) for name, records in zip(frames, sets, strict=True)}
    notes = tuple(_notes(schema, real, synthetic, held, label))
    return Report(tuple(metrics), pictures, notes, {**(config or {}), **sizes, "seed": seed})


def _some(records: Records, n: int, seed: int) -> Records:
    """n rows at random: files are often sorted, and a sorted head is not a sample."""
    return records.rows(np.random.default_rng(seed).permutation(len(records))[:n])


def _fidelity(train: Records, drawn: Records, held: Records | None, seed: int) -> Iterator[Metric]:
    n = len(drawn)

    def metric(name: str, of: Callable[[Records], float], better: Better, ideal: float) -> Metric:
        return Metric(
            name, "fidelity", of(drawn), None if held is None else of(held), better, ideal, n
        )

    if isinstance(train, Bits):
        found = fidelity.prevalence_agreement(train, drawn)  # type: ignore[arg-type]
        at_best = fidelity.prevalence_agreement(train, held) if isinstance(held, Bits) else {}
        mean = float(train.bits.sum(1).mean())
        ways: dict[str, tuple[Better, float]] = {
            "prevalence_pearson": ("higher", 1.0),
            "prevalence_spearman": ("higher", 1.0),
            "prevalence_slope": ("closer", 1.0),
            "codes_present": ("higher", 1.0),
            "codes_per_patient": ("closer", mean),
        }
        for name, (better, ideal) in ways.items():
            yield Metric(name, "fidelity", found[name], at_best.get(name), better, ideal, n)
    else:
        yield metric("shape_error", lambda t: _mean(fidelity.shape_errors(train, t)), "lower", 0.0)  # type: ignore[arg-type]
        yield metric("trend_error", lambda t: _mean(fidelity.trend_errors(train, t)), "lower", 0.0)  # type: ignore[arg-type]

    m = min(len(train), n, DETECTION_ROWS)
    real = _some(train, m, seed + 1)
    detection = metric(
        "detection_auc",
        lambda t: fidelity.detection_auc(real, _some(t, m, seed + 2), seed),
        "closer",
        0.5,
    )
    yield detection._replace(n=m)


def _mean(errors: dict) -> float:
    return float(np.mean(list(errors.values()))) if errors else float("nan")


def _utility(
    train: Records, drawn: Records, held: Records | None, label: str | None, seed: int
) -> Iterator[Metric]:
    if label is None or held is None:
        return
    n = min(len(train), len(drawn))
    score = partial(utility.transfer_auroc, test=held, label=label, seed=seed)
    real = score(_some(train, n, seed))
    yield Metric("tstr_auroc", "utility", score(_some(drawn, n, seed)), real, "higher", 1.0, n)
    yield Metric("trtr_auroc", "utility", real, real, "higher", 1.0, n)


def _privacy(train: Records, drawn: Records, held: Records, seed: int) -> Iterator[Metric]:
    """The floor splits the holdout in two: one half is judged, the other stands beside as many training rows."""
    n = min(len(train), len(held))
    found = privacy.copying(drawn, _some(train, n, seed), _some(held, n, seed), train)
    at_best: dict[str, float] = {}
    if n >= 4:
        halves = np.array_split(np.random.default_rng(seed).permutation(len(held)), 2)
        judged, beside = (held.rows(half) for half in halves)
        m = min(len(beside), len(train))
        at_best = privacy.copying(judged, _some(train, m, seed), _some(beside, m, seed), train)
    for name, ideal in {"share_closer_to_train": 0.5, "exact_copies_excess": 0.0}.items():
        yield Metric(name, "privacy", found[name], at_best.get(name), "closer", ideal, len(drawn))


def _notes(
    schema: Schema,
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    held: Records | None,
    label: str | None,
) -> Iterator[str]:
    if held is None:
        yield "no holdout was given: there is no noise floor, and privacy is not judged"
        if label is not None:
            yield "the label needs a holdout to test on: utility is not judged"
    elif len(held) < 1000:
        yield f"the holdout has only {len(held):,} patients: floors are rough, privacy figures more so"
    if schema.records == "codes":
        unknown = unknown_codes(real, synthetic)
        if unknown:
            yield f"{unknown:,} codes of the synthetic records are not in the real ones, and were left out"
