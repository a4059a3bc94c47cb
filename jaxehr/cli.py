"""The command line: jaxehr demo | recipes | fit | sample | evaluate.

A mistake of the user's gets one line and exit code 2. JAXEHR_DEBUG=1 shows the traceback behind it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

EXAMPLES = """examples:
  jaxehr demo                                                  real patients, a model, a report: about ten minutes
  jaxehr fit ehrdiff --data stays.csv --out runs/stays --steps 20000
  jaxehr sample runs/stays -n 10000 --out synthetic.csv
  jaxehr evaluate --real stays.csv --synthetic synthetic.csv --holdout later.csv --out report
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("jaxehr: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if os.environ.get("JAXEHR_DEBUG") or not _is_the_users(error):
            raise
        print(f"jaxehr: {_one_line(error)}", file=sys.stderr)
        return 2


def _is_the_users(error: Exception) -> bool:
    from jaxehr.training import Diverged
    from jaxehr.training.checkpoint import CheckpointError

    return isinstance(error, ValueError | OSError | ImportError | Diverged | CheckpointError)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__


def _recipes() -> dict[str, Callable]:
    """The only place where a name picks a recipe."""
    from jaxehr.recipes import ehrdiff

    return {"ehrdiff": ehrdiff}


def _solvers() -> dict[str, Callable]:
    """The only place where a name picks a solver."""
    import diffrax

    return {
        "heun": diffrax.Heun,
        "euler": diffrax.Euler,
        "midpoint": diffrax.Midpoint,
        "ralston": diffrax.Ralston,
        "bosh3": diffrax.Bosh3,
        "tsit5": diffrax.Tsit5,
        "dopri5": diffrax.Dopri5,
        "dopri8": diffrax.Dopri8,
    }


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        prog="jaxehr",
        description="Synthetic electronic health records by diffusion models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jaxehr {version('jaxehr')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(command=run)
        return made

    demo = command("demo", _demo, "Train on 17,549 real patients, sample as many, open the report.")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run")
    demo.add_argument("--steps", type=int, default=DEMO_STEPS, help="training steps")

    command("recipes", _list_recipes, "The published systems, with their settings and defaults.")

    fit = command("fit", _fit, "Train a recipe on your records.")
    fit.add_argument("recipe", metavar="RECIPE", help="see `jaxehr recipes`")
    fit.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="CSV, CSV.gz or Parquet: one row per patient, or columns subject_id and code",
    )
    fit.add_argument("--schema", metavar="FILE", help="schema.json, edited, of an earlier run")
    fit.add_argument("--out", required=True, type=Path, metavar="RUN", help="folder of the run")
    fit.add_argument("--steps", type=int, metavar="N", help="training steps")
    fit.add_argument("--batch-size", type=int, metavar="B", help="patients in a step")
    fit.add_argument("--min-patients", type=int, default=1, help="drop codes that fewer have")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    _add_set(fit, "a setting of the recipe, such as learning_rate=1e-3")

    sample = command("sample", _sample, "Draw synthetic patients from a run.")
    sample.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    sample.add_argument("-n", type=int, required=True, help="number of patients")
    sample.add_argument("--out", required=True, type=Path, metavar="FILE", help="CSV or Parquet")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--sampler", metavar="NAME", help="heun, euler, tsit5, ... (Diffrax)")
    sample.add_argument("--nfe", type=int, metavar="N", help="network evaluations, at most")
    sample.add_argument("--batch-size", type=int, default=1024, metavar="B")
    _add_set(sample, "a setting of sampling, such as posterior_sigma=0.2")

    evaluate = command("evaluate", _evaluate, "Judge any synthetic file; write report.html.")
    evaluate.add_argument("--real", required=True, metavar="TRAIN", help="what was trained on")
    evaluate.add_argument("--synthetic", required=True, metavar="FILE")
    evaluate.add_argument(
        "--holdout", metavar="FILE", help="real patients not trained on: gives the noise floor"
    )
    evaluate.add_argument("--schema", metavar="FILE", help="schema.json of the run")
    evaluate.add_argument("--label", metavar="COLUMN", help="what a doctor would predict")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--out", required=True, type=Path, metavar="DIR")
    return parser


def _add_set(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="name=value", dest="settings", help=what
    )


def _cache_compilations() -> None:
    """Programs compiled once are kept for the next command (JAX_COMPILATION_CACHE_DIR moves or, empty, stops it)."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "jaxehr"))


def _list_recipes(options) -> int:
    from jaxehr import settings

    for name, recipe in _recipes().items():
        print(settings.describe(name, recipe))
    return 0


def _fit(options) -> int:
    import jax

    from jaxehr import data, settings
    from jaxehr.recipes import fit, run

    recipe = settings.nearest(options.recipe, _recipes(), "recipe")
    chosen = settings.parse(options.settings, recipe)
    for name in ("steps", "batch_size"):
        if getattr(options, name) is not None:
            chosen[name] = getattr(options, name)
    schema = None if options.schema is None else data.Schema.load(options.schema)
    if (options.out / "run.json").exists() and not options.resume:
        raise run.RunError(
            f"{options.out} holds a run already; continue it with --resume, or choose another --out"
        )
    records = data.read_records(options.data, schema)
    schema = data.Schema.infer(records) if schema is None else schema
    if options.min_patients > 1:
        records = _without_rare(records, schema, options.min_patients)
    print(schema, file=sys.stderr)
    _cache_compilations()
    if options.resume:
        _, begun, _ = run.read(options.out)
        chosen = {**begun, **chosen}
    made = recipe(records, schema, **chosen)
    _say(f"sigma_data {made.settings['sigma_data']:.4g}") if "sigma_data" in made.settings else None
    return _trained(
        options.out,
        lambda: fit(
            made,
            records,
            jax.random.key(options.seed),
            run_dir=options.out,
            resume=options.resume,
        ),
    )


def _trained(out: Path, train: Callable) -> int:
    from jaxehr.training import Interrupted

    try:
        train()
    except Interrupted as stop:
        _say(f"{stop} and saved; continue with the same command and --resume")
        return 0
    _say(f"done: jaxehr sample {out} -n 1000 --out synthetic.csv")
    return 0


def _without_rare(records, schema, min_patients: int):
    from jaxehr import data

    if schema.records != "codes":
        raise ValueError("--min-patients is for codes (columns subject_id, code); this is a table")
    kept, codes, patients = data.drop_rare(records, min_patients)
    _say(
        f"dropped {codes:,} codes with fewer than {min_patients} patients, and {patients:,} patients "
        "who had no other"
    )
    return kept


def _sample(options) -> int:
    import jax

    from jaxehr import data, settings
    from jaxehr.recipes import load, run
    from jaxehr.training.progress import progress

    if options.n < 1:
        raise ValueError(f"-n must be at least 1; got {options.n}")
    name, _, _ = run.read(options.run)
    recipes = _recipes()
    changes = settings.parse(options.settings, recipes[name]) if name in recipes else {}
    _cache_compilations()
    synthesizer = load(options.run, **changes)
    sampler, grid = _sampler(synthesizer.recipe, options.sampler, options.nfe)
    frames = synthesizer.stream(
        jax.random.key(options.seed),
        options.n,
        sampler=sampler,
        grid=grid,
        batch_size=min(options.batch_size, 1 << (options.n - 1).bit_length()),
    )
    done = 0
    with data.records_writer(options.out) as write:
        with progress("sampling", options.n) as advance:
            for frame in frames:
                write(frame)
                done += frame.iloc[:, 0].nunique() if _is_codes(synthesizer) else len(frame)
                advance(done)
    _say(f"{options.n:,} synthetic patients in {options.out}")
    return 0


def _is_codes(synthesizer) -> bool:
    return synthesizer.recipe.codec.schema.records == "codes"


def _sampler(recipe, name: str | None, nfe: int | None):
    """The Sampler and the grid that spend at most `nfe` evaluations; None where the recipe's own is wanted."""
    from jaxehr import settings
    from jaxehr.samplers import evaluations, probability_flow

    if name is None and nfe is None:
        return None, None
    family = recipe.stages[-1].model.grid
    if family is None:
        raise ValueError(f"{recipe.name} draws in one pass; it has no sampler to swap")
    solver = settings.nearest(name or "heun", _solvers(), "sampler")()
    if nfe is None:
        return probability_flow(solver), None
    last = int(
        family(2)[-1] > 0
    )  # a grid that stops above 0 has one step less, and one evaluation to finish
    steps = next(n for n in range(1, nfe + 2) if evaluations(solver, n) + 1 > nfe) if nfe > 0 else 0
    if steps < 1 or nfe < 1:
        raise ValueError(f"--nfe must be at least 1; got {nfe}")
    spent = evaluations(solver, steps - 1) + 1
    _say(f"{spent} evaluations in {steps - last} steps")
    return probability_flow(solver), family(steps)


def _evaluate(options) -> int:
    from jaxehr import data
    from jaxehr.evaluation import evaluate

    schema = None if options.schema is None else data.Schema.load(options.schema)
    real = data.read_records(options.real, schema)
    schema = data.Schema.infer(real) if schema is None else schema
    read = lambda path: data.read_records(path, schema)
    files = {"real": options.real, "synthetic": options.synthetic, "holdout": options.holdout}
    _cache_compilations()
    report = evaluate(
        real,
        read(options.synthetic),
        None if options.holdout is None else read(options.holdout),
        schema=schema,
        label=options.label,
        seed=options.seed,
        config={name: Path(path).name for name, path in files.items() if path},
    )
    report.save(options.out)
    print(report)
    _say(f"open {options.out / 'report.html'}")
    return 0


DEMO_STEPS = 10_000


def _demo(options) -> int:
    import jax

    from jaxehr import data
    from jaxehr.evaluation import evaluate
    from jaxehr.recipes import ehrdiff, fit
    from jaxehr.training import Interrupted

    _cache_compilations()
    patients = data.nafld().sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(patients) // 2
    train, holdout = patients[:half], patients[half : 2 * half].reset_index(drop=True)
    _say(f"{len(patients):,} patients of the Rochester NAFLD study; half to train, half held out")
    recipe = ehrdiff(train, steps=options.steps, learning_rate=1e-3)
    print(recipe.codec.schema, file=sys.stderr)
    resume = (options.out / "run.json").exists()
    try:
        synthesizer = fit(recipe, train, jax.random.key(0), run_dir=options.out, resume=resume)
    except Interrupted as stop:
        _say(f"{stop} and saved; the same command continues")
        return 0
    synthetic = synthesizer.sample(jax.random.key(1), half)
    for name, frame in {"train": train, "holdout": holdout, "synthetic": synthetic}.items():
        data.write_records(frame, options.out / f"{name}.csv")
    _say("evaluating")
    config = {"recipe": "ehrdiff", "steps": options.steps, "data": "nafld"}
    report = evaluate(
        train, synthetic, holdout, schema=recipe.codec.schema, label="death", config=config
    )
    report.save(options.out)
    print(report)
    _say(f"open {options.out / 'report.html'}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
