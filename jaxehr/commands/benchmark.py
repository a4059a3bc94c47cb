"""jaxehr benchmark and check: samplers, measured and held to their laws."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from jaxehr.commands.command import (
    Command,
    add_overwrite,
    cache_compilations,
    check_folder,
    check_kept,
    say,
)
from jaxehr.commands.reading import add_reading, read

# Beside which a solver stands; and what is drawn from a run whose records are judged, of those that it allows.
BESIDE = ("ddim", "heun", "dpmpp_2m", "unipc")
DRAWN = (*BESIDE, "ancestral", "euler_maruyama", "churn", "dpmpp_2m_sde", "unmasking")


def add(command: Command) -> None:
    bench = command(
        "benchmark",
        _with_threefry(_benchmark),
        "Error against evaluations against time; on a trained run and with --data, what the drawn patients are worth.",
    )
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
    add_overwrite(bench)
    quality = bench.add_argument_group(
        "quality of a run's patients against evaluations, random solvers too, beside the floor of real ones"
    )
    quality.add_argument("--data", metavar="FILE",
                         help="real patients, held out or trained on: half to judge by, half as the floor")  # fmt: skip
    quality.add_argument("--draws", type=int, metavar="N",
                         help="patients of each sampler; default half of FILE, at most 10,000")  # fmt: skip
    quality.add_argument("--seed", type=int, default=0, help="of all draws, and of the judge")
    add_reading(bench)

    laws = command(
        "check",
        _with_threefry(_check),
        "Run the laws of samplers on a solver; exit 1 if one fails.",
    )
    laws.add_argument("solver", metavar="FILE.py:NAME", help="or the name of one of ours")
    laws.add_argument("--order", type=float, help="what it should be; else what the solver states")
    laws.add_argument("--bias", type=float, metavar="SHARE",
                      help="of the spread, that a random one keeps whatever its steps")  # fmt: skip


def _benchmark(options) -> int:
    if min(options.dim, options.batch, options.rounds, *options.nfe) < 1:
        raise ValueError("--dim, --batch, --rounds and --nfe must be at least 1")
    if options.out:
        check_folder(options.out.parent)
        kinds = (".json", ".svg", ".png")
        check_kept([options.out, *map(options.out.with_suffix, kinds)], options.overwrite)
    if options.data is None and options.draws is not None:
        raise ValueError("--draws wants --data FILE: the real patients to judge them by")
    if options.data is None:
        return _paths(options)
    if options.run is None:
        raise ValueError("--data wants --run RUN: the trained run that patients are drawn from")
    return _quality(options)


def _samplers(options, known, beside) -> dict:
    """Those asked for; with none of them, `beside`."""
    from jaxehr import benchmark, settings

    chosen = options.samplers or beside
    samplers = {name: settings.nearest(name, known, "sampler").sampler for name in chosen}
    for where in options.solver:
        mine = benchmark.load_sampler(where)
        samplers[mine.name] = mine.sampler
    return samplers


def _quality(options) -> int:
    from jaxehr import benchmark, names
    from jaxehr.runs import load
    from jaxehr.training.progress import duration, progress

    cache_compilations()
    synthesizer = load(options.run)
    if synthesizer.model.grid is None:
        raise ValueError(f"{options.run} draws in one pass; it has no sampler to compare")
    known = names.samplers_of(synthesizer.recipe)
    samplers = _samplers(options, known, [name for name in DRAWN if name in known])
    schema = synthesizer.recipe.codec.schema
    real = read(options, options.data, schema)
    judge = benchmark.judge(schema, real, options.draws, options.seed)
    trained = _trained(options.run, synthesizer, options.seed)
    todo = benchmark.points(trained, samplers, options.nfe)
    if not todo:
        raise ValueError("no sampler takes a step within --nfe evaluations; give more")
    left = benchmark.seconds(trained, judge, todo)
    draws = f"draws: {len(todo)}, each of {judge.n:,} patients and judged"
    say(f"samplers: {len(samplers)}; {draws}: about {duration(left)}")
    with progress("samplers", len(todo)) as advance:
        rows = list(
            benchmark.compare(trained, judge, todo, lambda done, what: advance(done, at=what))
        )
    _print_quality(rows, judge)
    if options.out:
        command = f"jaxehr {shlex.join(sys.argv[1:])}"
        benchmark.save_quality(rows, trained, judge, options.out, command)
        say(f"{options.out}, and pictures beside it")
    return 0


def _trained(run: Path, synthesizer, seed: int):
    import jax
    import numpy as np

    from jaxehr import benchmark
    from jaxehr.numerics import in_float32, seeded
    from jaxehr.synthesis.run import origin

    model, params = synthesizer.model, synthesizer.params[synthesizer.recipe.stages[-1].name]
    keys = jax.random.split(seeded(seed), 64)

    def draw(sampler, grid, n):
        return synthesizer.sample(seeded(seed), n, sampler=sampler, grid=grid)

    @in_float32
    def spent(sampler, grid):
        nfe = jax.jit(jax.vmap(lambda key: model.draw(params, key, sampler=sampler, grid=grid).nfe))
        return int(np.ceil(np.mean(nfe(keys))))

    # Categories are drawn by chance whatever moves the numbers beside them.
    random = benchmark.is_random if model.dynamics is not None else lambda sampler: True
    return benchmark.Trained(run.name, origin(run), draw, spent, model.grid, random)


def _print_quality(rows, judge) -> None:
    from rich.console import Console
    from rich.table import Table

    from jaxehr import benchmark

    best = benchmark.pareto(rows, benchmark.told_apart)
    span = lambda found, digits: (
        f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
    )
    cells = lambda figures: (span(figures.auc, 3), span(figures.error, 4))
    table = Table("sampler", "evaluations", "steps", "detection AUC", benchmark.WORDS[judge.error],
                  box=None, pad_edge=False)  # fmt: skip
    table.add_row("real patients", "", "", *cells(judge.floor))
    for row in rows:
        name = row.sampler + (" (random)" if row.random else "")
        front = " *" if (row.sampler, row.nfe) in best else ""
        said = cells(row.figures) if row.figures else ("not judged", row.why or "")
        table.add_row(name + front, str(row.nfe), str(row.steps), *said)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print(
        "(low to high): 95% intervals. * no other has a smaller detection AUC at as few evaluations"
    )


def _paths(options) -> int:
    import jax
    from rich.console import Console
    from rich.table import Table

    from jaxehr import benchmark, names

    known = names.samplers()
    samplers = _samplers(options, known, BESIDE if options.solver else known)
    if options.run:
        setting = _run_setting(options.run, options.batch)
    elif options.problem == "mixture":
        setting = benchmark.mixture_setting(options.dim, options.batch)
    else:
        setting = benchmark.gaussian_setting(options.dim, options.batch)
    device = jax.devices()[0].device_kind
    say(f"{setting.problem}, {setting.x_T.shape[1]:,} columns, batch {options.batch}, {device}")

    rows = []
    measured = benchmark.measure(
        setting, samplers, options.nfe, rounds=options.rounds, tick=lambda name: say(f"  {name}")
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
        say(f"{options.out}, and pictures beside it")
    return 0


def _with_threefry(run: Callable) -> Callable:
    """The noise of problems and laws is the same whatever JAX_DEFAULT_PRNG_IMPL says."""

    def with_threefry(options) -> int:
        import jax

        from jaxehr.numerics import THREEFRY

        with jax.default_prng_impl(THREEFRY):
            return run(options)

    return with_threefry


def _run_setting(run: Path, batch: int):
    import jax

    from jaxehr import benchmark
    from jaxehr.runs import load

    synthesizer = load(run)
    model, stage = synthesizer.model, synthesizer.recipe.stages[-1]
    if model.grid is None:
        raise ValueError(f"{run} draws in one pass; it has no sampler to compare")
    if model.dynamics is None:
        raise ValueError(
            f"{run} draws categories step by step; only solvers of numbers are compared"
        )
    dynamics = model.dynamics(jax.device_put(synthesizer.params[stage.name]))
    return benchmark.run_setting(run.name, dynamics, model.grid, batch)


def _check(options) -> int:
    from jaxehr import benchmark, names

    known = names.samplers()
    if options.solver in known:
        found = known[options.solver]
        name, sampler, order, bias = options.solver, found.sampler, found.order, found.bias
    else:
        (name, sampler, order), bias = benchmark.load_sampler(options.solver), 0.0
    bias = options.bias if options.bias is not None else bias
    order = options.order if options.order is not None else order
    failed = 0
    for law in benchmark.check(sampler, order, bias=bias):
        failed += not law.holds
        print(f"{'holds' if law.holds else 'FAILS'}  {law.name}: {law.found}", flush=True)
    print(f"{name}: " + (f"{failed} laws fail" if failed else "all laws hold"))
    return 1 if failed else 0
