"""The command line: jaxehr demo | recipes | samplers | fit | sample | evaluate | benchmark | check.

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
  jaxehr benchmark samplers --solver my_solver.py:MySolver     your solver's line among ours
  jaxehr check my_solver.py:MySolver                           the laws that every sampler obeys
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

    command(
        "samplers", _list_samplers, "What draws records: names for --sampler, with their orders."
    )

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
    sample.add_argument(
        "--sampler",
        metavar="NAME",
        help="heun, dpmpp_2m, unipc, ancestral, ...: see `jaxehr samplers`",
    )
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
    bench = command("benchmark", _benchmark, "Error against evaluations against time.")
    bench.add_argument("what", choices=["samplers"])
    bench.add_argument("--problem", choices=["gaussian", "mixture"], default="gaussian",
                       help="data whose denoiser is known exactly")  # fmt: skip
    bench.add_argument("--run", type=Path, metavar="RUN", help="a trained run instead")
    bench.add_argument("--dim", type=int, default=1782, help="columns of the problem")
    bench.add_argument("--batch", type=int, default=256, help="records drawn at once")
    bench.add_argument("--nfe", type=int, nargs="+", default=[10, 20, 40], metavar="N")
    bench.add_argument("--samplers", nargs="+", metavar="NAME", help="only these")
    bench.add_argument("--solver", action="append", default=[], metavar="FILE.py:NAME",
                       help="yours: a diffrax.AbstractSolver, a step, or a sampler")  # fmt: skip
    bench.add_argument("--rounds", type=int, default=5, help="timings of each")
    bench.add_argument("--out", type=Path, metavar="FILE.json", help="rows; .svg and .png beside")

    laws = command("check", _check, "Run the laws of samplers on a solver; exit 1 if one fails.")
    laws.add_argument("solver", metavar="FILE.py:NAME", help="or the name of one of ours")
    laws.add_argument("--order", type=float, help="what it should be; else what the solver states")
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
    from jaxehr import names, settings

    for name, recipe in names.recipes().items():
        print(settings.describe(name, recipe))
    return 0


def _fit(options) -> int:
    import jax

    from jaxehr import data, names, settings
    from jaxehr.recipes import fit, run

    recipe = settings.nearest(options.recipe, names.recipes(), "recipe")
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

    from jaxehr import data, names, settings
    from jaxehr.recipes import load, run
    from jaxehr.training.progress import progress

    if options.n < 1:
        raise ValueError(f"-n must be at least 1; got {options.n}")
    name, _, _ = run.read(options.run)
    recipes = names.recipes()
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
    from jaxehr import names, settings

    if name is None and nfe is None:
        return None, None
    family = recipe.stages[-1].model.grid
    if family is None:
        raise ValueError(f"{recipe.name} draws in one pass; it has no sampler to swap")
    name = name or names.OWN_SAMPLER[recipe.name]
    found = settings.nearest(name, names.samplers(), "sampler")
    if nfe is None:
        return found.sampler, None
    if found.cost is None:
        raise ValueError(
            f"--nfe cannot be promised for {name}: it stops when its error is small; leave --nfe out"
        )
    least = found.cost(2)
    if nfe < least:
        raise ValueError(f"--nfe must be at least {least} for {name}; got {nfe}")
    # One more step each time, while the evaluations allow it; costs grow by the same from step to step.
    steps = 2 + (nfe - least) // (found.cost(3) - least)
    _say(f"{found.cost(steps)} evaluations in {steps} steps of {name}")
    return found.sampler, family(steps)


def _list_samplers(options) -> int:
    from rich.console import Console
    from rich.table import Table

    from jaxehr import names

    table = Table("name", "order", "evaluations of 20 steps", "what", box=None, pad_edge=False)
    for name, found in names.samplers().items():
        order = "" if found.order is None else f"{found.order:g}"
        cost = "as needed" if found.cost is None else str(found.cost(20))
        table.add_row(name, order, cost, found.about)
    Console().print(table)
    return 0


def _benchmark(options) -> int:
    import jax
    from rich.console import Console
    from rich.table import Table

    from jaxehr import benchmark, names, settings

    if min(options.dim, options.batch, options.rounds, *options.nfe) < 1:
        raise ValueError("--dim, --batch, --rounds and --nfe must be at least 1")
    known = names.samplers()
    chosen = options.samplers or ([] if options.solver else list(known))
    samplers = {name: settings.nearest(name, known, "sampler").sampler for name in chosen}
    if options.solver and not options.samplers:  # something to stand beside
        samplers = {name: known[name].sampler for name in ("ddim", "heun", "dpmpp_2m", "unipc")}
    for where in options.solver:
        mine = benchmark.load_sampler(where)
        samplers[mine.name] = mine.sampler

    if options.run:
        setting = _run_setting(options.run, options.batch)
    elif options.problem == "mixture":
        setting = benchmark.mixture_setting(options.dim, options.batch)
    else:
        setting = benchmark.gaussian_setting(options.dim, options.batch)
    device = jax.devices()[0].device_kind
    _say(f"{setting.problem}, {setting.x_T.shape[1]:,} columns, batch {options.batch}, {device}")

    rows = []
    measured = benchmark.measure(
        setting, samplers, options.nfe, rounds=options.rounds, tick=lambda name: _say(f"  {name}")
    )
    for row in measured:
        rows.append(row)
    best = benchmark.pareto(rows)
    names_of = ("sampler", "nfe", "error", "prevalence", "order", "ms per 1,000", "compile s",
                "ratio to network", "MiB")  # fmt: skip
    table = Table(*names_of, box=None, pad_edge=False)
    for row in rows:
        order = row.order if row.order is not None else row.weak_order
        table.add_row(
            row.sampler + (" *" if (row.sampler, row.nfe) in best else ""),
            str(row.nfe),
            "" if row.error is None else f"{row.error:.2e}",
            f"{row.prevalence_error:.1e}",
            "" if order is None else f"{order:.2f}" + ("" if row.order is not None else " weak"),
            f"{row.ms_per_1000:,.1f}",
            f"{row.compile_s:.1f}",
            f"{row.ratio_to_network:.2f}",
            "" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print("* no other has a smaller error at as few evaluations")
    if options.out:
        benchmark.save(rows, options.out)
        _say(f"{options.out}, and pictures beside it")
    return 0


def _run_setting(run: Path, batch: int):
    import jax

    from jaxehr import benchmark
    from jaxehr.recipes import load

    synthesizer = load(run)
    stage = synthesizer.recipe.stages[-1]
    if stage.model.dynamics is None or stage.model.grid is None:
        raise ValueError(f"{run} draws in one pass; it has no sampler to compare")
    dynamics = stage.model.dynamics(jax.device_put(synthesizer.params[stage.name]))
    return benchmark.run_setting(run.name, dynamics, stage.model.grid, batch)


def _check(options) -> int:
    from jaxehr import benchmark, names

    known = names.samplers()
    if options.solver in known:
        found = known[options.solver]
        name, sampler, order = options.solver, found.sampler, found.order
    else:
        name, sampler, order = benchmark.load_sampler(options.solver)
    order = options.order if options.order is not None else order
    failed = 0
    for law in benchmark.check(sampler, order):
        failed += not law.holds
        print(f"{'holds' if law.holds else 'FAILS'}  {law.name}: {law.found}", flush=True)
    print(f"{name}: " + (f"{failed} laws fail" if failed else "all laws hold"))
    return 1 if failed else 0


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
