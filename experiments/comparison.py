"""What compare_codes.py and compare_tables.py share: a budget of training, a row for each generator, their table."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import pandas as pd
from judges import markdown

import jaxehr
from jaxehr import names
from jaxehr.evaluation.rules.rule_file import RuleFile
from jaxehr.evaluation.rules.rules import excesses
from jaxehr.samplers import DPMpp2M, probability_flow

SHOWN = (  # those that there are; all others are in rows.json
    *("prevalence_pearson", "prevalence_spearman", "codes_present", "codes_per_patient"),
    *("shape_error", "trend_error", "detection_auc", "tstr_auroc", "rule_excess"),
    *("share_closer_to_train", "exact_copies_excess", "steps", "train_s", "ms_a_record"),
)
PILLARS = ("fidelity", "utility", "privacy")
FLOOR = "real held out"
# For minutes of training instead of days: the papers' rates are for hundreds of thousands of steps.
SHORT = {"batch_size": 256, "learning_rate": 1e-3}
SDE = {**SHORT, "sampling_steps": 200}
SETTINGS = {
    "masked": {"batch_size": 128},
    "ehrdiff": SHORT,
    "ddpm": {**SHORT, "sampling_steps": 250},
    "ddim": SHORT,
    "ncsn": SHORT,
    "score_sde": SDE,
    "score_sde_ve": SDE,
    "score_sde_sub_vp": SDE,
    "meddiff": {**SHORT, "batch_size": 128, "channels": 8, "blocks": 1, "ema_decay": 0.99},
    "scoehr": {"batch_size": 128, "channels": 16, "posterior_draw": True},
    "tabddpm": {"timesteps": 100, "batch_size": 256, "learning_rate": 3e-3},
}
FEWER = {"scoehr": 20}  # evaluations of DPM-Solver++ 2M, in place of the recipe's own sampler


def options_of(about: str, out: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="diabetic_data.csv or the zip that holds it")
    parser.add_argument(
        "--out", type=Path, default=out, help="runs, drawn records, reports, rows.json"
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=5.0, help="of training, in CPU time")
    budget.add_argument("--steps", type=int, help="of training instead, for each recipe")
    parser.add_argument("-n", type=int, default=10_000, help="patients drawn and judged")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some recipes and baselines")
    return parser.parse_args()


def compare(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    options: argparse.Namespace,
    *,
    label: str,
    rules: RuleFile,
    settings: dict[str, dict],
) -> None:
    """A row for each of names.baselines() and names.recipes(), the holdout's floor last; kept in rows.json, so that
    generators may be run one by one.

    rules       of which the largest excess is shown
    settings    of recipes that are not left at their defaults
    """
    makers: dict[str, Callable[[], tuple[pd.DataFrame, dict]]] = {
        name: lambda make=make: _baseline(make, train, options.n)
        for name, make in names.baselines().items()
    }
    for name in names.recipes():
        makers[name] = lambda name=name: _trained(name, train, options, settings.get(name, {}))
    path = options.out / "rows.json"
    options.out.mkdir(parents=True, exist_ok=True)
    rows = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only or list(makers):
        synthetic, costs = makers[name]()
        jaxehr.write_records(synthetic, options.out / f"{name}.parquet")
        report = jaxehr.evaluate(
            train, synthetic, holdout, label=label, pillars=PILLARS, config={"generator": name}
        )
        report.save(options.out / name)
        judged, _ = excesses(rules, train, synthetic, holdout)
        rows[name] = {m.name: m.value for m in report.metrics} | costs | _largest(judged, "value")
        rows.pop(FLOOR, None)  # stands last
        rows[FLOOR] = {m.name: m.floor for m in report.metrics} | _largest(judged, "floor")
        path.write_text(json.dumps(rows, indent=1))
        print(f"\n{table(rows)}", flush=True)


def _largest(judged: tuple, figure: str) -> dict[str, float]:
    found = [getattr(each, figure) for each in judged if each.value is not None]
    return {"rule_excess": max(found)} if found else {}


def _baseline(make: Callable, train: pd.DataFrame, n: int) -> tuple[pd.DataFrame, dict]:
    began = time.process_time()
    synthetic = make(train, n, 0)
    return synthetic, {"steps": None, "train_s": None, "ms_a_record": _ms(began, n)}


def _trained(
    name: str, train: pd.DataFrame, options: argparse.Namespace, settings: dict
) -> tuple[pd.DataFrame, dict]:
    make = names.recipes()[name]
    steps = options.steps or _steps_in(options.minutes, make, train, settings)
    began = time.process_time()
    synthesizer = jaxehr.fit(
        make(train, steps=steps, **settings),
        train,
        jax.random.key(0),
        run_dir=options.out / f"{name}_run",
        resume=(options.out / f"{name}_run" / "run.json").exists(),
    )
    trained = time.process_time()
    how: dict = {}
    if name in FEWER:
        how = {"sampler": probability_flow(DPMpp2M()), "grid": synthesizer.model.grid(FEWER[name])}
    synthetic = synthesizer.sample(jax.random.key(1), options.n, batch_size=2048, **how)
    costs = {"steps": steps, "train_s": trained - began, "ms_a_record": _ms(trained, options.n)}
    return synthetic, costs


def _ms(began: float, n: int) -> float:
    return 1000 * (time.process_time() - began) / n


def _steps_in(minutes: float, make: Callable, train: pd.DataFrame, settings: dict) -> int:
    """How many steps take so long in CPU time here: by what more steps take than 100, compilation left out.

    So many more that they take five seconds: the time to compile differs by as much as one.
    """

    def spent(steps: int) -> float:
        recipe = make(train, steps=steps, **settings)
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            jaxehr.fit(recipe, train, jax.random.key(0), run_dir=folder)
        return time.process_time() - began

    few, more = spent(100), 200
    while (longer := spent(100 + more) - few) < 5 and more < 20_000:
        more *= 4
    steps = int(minutes * 60 * more / max(longer, 0.1))
    return max(steps // 100 * 100, 100)


def table(rows: dict[str, dict]) -> str:
    """Markdown, a line for each generator; times are CPU seconds of the process, compilation included."""
    columns = [column for column in SHOWN if any(column in row for row in rows.values())]
    return markdown("generator", rows, columns, _cell)


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return ""
    if column in ("steps", "train_s"):
        return f"{value:,.0f}"
    return f"{value:.2f}" if column in ("ms_a_record", "codes_per_patient") else f"{value:.4f}"
