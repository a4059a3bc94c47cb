"""jaxehr sample: draw synthetic patients from a run."""

from pathlib import Path

from jaxehr.commands.command import Command, add_out, add_set, cache_compilations, check_out, say


def add(command: Command) -> None:
    sample = command("sample", _run, "Draw synthetic patients from a run.")
    sample.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    sample.add_argument("-n", type=int, required=True, help="number of patients")
    add_out(sample)
    sample.add_argument(
        "--events", type=Path, metavar="FILE", help="of the events, where --out is the table's file"
    )
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--sampler",
        metavar="NAME",
        help="heun, dpmpp_2m, unipc, ancestral, ...: see `jaxehr samplers`",
    )
    sample.add_argument("--nfe", type=int, metavar="N", help="network evaluations, at most")
    sample.add_argument("--batch-size", type=int, default=1024, metavar="B")
    sample.add_argument(
        "--given",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only such patients: sex=F, age=65:80, ward=icu|er, hdl= (missing), for codes CODE=1; may be repeated",
    )
    sample.add_argument(
        "--guidance",
        type=float,
        metavar="W",
        help="of a run with a label (meddiff, tabddpm): how much more its label weighs than it does in the records; "
        "0 is the law that was learnt, 100 the most",
    )
    add_set(sample, "a setting of sampling, such as posterior_sigma=0.2")


def _run(options) -> int:

    from jaxehr import audit, data, names, settings
    from jaxehr.numerics import seeded
    from jaxehr.runs import load
    from jaxehr.synthesis import run, wishes
    from jaxehr.training.progress import progress

    if options.n < 1:
        raise ValueError(f"-n must be at least 1; got {options.n}")
    for path in (options.out, options.events):
        if path is not None:
            check_out(path, options.overwrite)
    name, _, codec = run.read(options.run)
    _check_files(options, codec.schema)
    recipes = names.recipes()
    changes = settings.parse(options.settings, recipes[name]) if name in recipes else {}
    cache_compilations()
    synthesizer = load(options.run, **changes)
    sampler, grid = sampler_of(synthesizer.recipe, options.sampler, options.nfe)
    given = wishes.parse(options.given, synthesizer.recipe.codec)
    frames = synthesizer.stream(
        seeded(options.seed),
        options.n,
        given=given,
        guidance=options.guidance,
        sampler=sampler,
        grid=grid,
        # Under conditions more are drawn than kept.
        batch_size=min(options.batch_size, 1 << (options.n * (8 if given else 1) - 1).bit_length()),
    )
    done = 0
    both = [path for path in (options.out, options.events) if path is not None]
    with data.records_writer(*both, synthetic=True) as write:
        with progress("sampling", options.n) as advance:
            for frame in frames:
                write(frame)
                done += len(data.records_of(frame))
                advance(done)
    say(f"{options.n:,} synthetic patients in {options.out}")
    if not run.unfinished(options.run):
        say(audit.said(run.remembers(options.run), synthesizer.recipe.codec.rows))
    return 0


def _check_files(options, schema) -> None:
    """Raises ValueError where a part of what is drawn has no file, or a file has no part."""
    folder = not options.out.suffix or options.out.is_dir()
    both = schema.columns and schema.events
    if options.events is not None and (folder or not both):
        why = "a folder holds both" if folder else f"{options.run} draws no such two"
        raise ValueError(f"--events is the file of events beside a table's in --out; {why}")
    rows = schema.visits is not None and schema.grid is not None
    if options.events is None and both and not folder and not rows:
        raise ValueError(
            f"{options.run} draws a table and events; say --events FILE for the events beside {options.out}, or name a "
            "folder (without an ending) in --out, which will be a MEDS dataset"
        )


def sampler_of(recipe, name: str | None, nfe: int | None):
    """The Sampler and the grid that spend at most `nfe` evaluations; None where the recipe's own is wanted."""
    from jaxehr import names

    if name is None and nfe is None:
        return None, None
    family = recipe.stages[-1].model.grid
    if family is None:
        raise ValueError(f"{recipe.name} draws in one pass; it has no sampler to swap")
    name = name or names.OWN_SAMPLER[recipe.name]
    found = _allowed(recipe, name)
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
    say(f"{found.cost(steps)} evaluations in {steps} steps of {name}")
    return found.sampler, family(steps)


def _allowed(recipe, name: str):
    """The sampler of that name, if the mathematics allows it for the recipe. Raises ValueError that says why not."""
    from jaxehr import names, settings

    allowed = names.samplers_of(recipe)
    elsewhere = {**names.samplers(), **names.mixed_samplers(), **names.masked_samplers()}
    if name in elsewhere and name not in allowed:
        what = (
            "hides and shows categories"
            if "unmasking" in allowed
            else "moves numbers and categories together"
            if "heun" not in allowed
            else "moves numbers alone"
        )
        raise ValueError(
            f"{recipe.name} {what}, and {name} does not; take one of: {', '.join(allowed)}"
        )
    return settings.nearest(name, allowed, "sampler")
