"""jaxehr fit: train a recipe on records."""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from jaxehr.commands.command import (
    SHOWN,
    Command,
    add_set,
    cache_compilations,
    check_folder,
    say,
)
from jaxehr.commands.reading import add_events, add_reading, load_schema, read, schema_of


def add(command: Command) -> None:
    fit = command("fit", _run, "Train a recipe on your records.")
    fit.add_argument("recipe", metavar="RECIPE", help="see `jaxehr recipes`")
    fit.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="CSV, Parquet, Excel, Stata, SAS or SPSS: one row per patient, --events beside it or not; or "
        "columns subject_id and code; or the folder of a MEDS dataset",
    )
    fit.add_argument("--schema", metavar="FILE", help="schema.json, edited, of an earlier run")
    fit.add_argument(
        "--label", metavar="COLUMN", help="of tabddpm and meddiff: records are drawn under it"
    )
    fit.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="RUN",
        help="folder of the run, which one process writes at a time",
    )
    fit.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="training steps; by default about 150 epochs, of masked 40",
    )
    fit.add_argument("--batch-size", type=int, metavar="B", help="patients in a step")
    fit.add_argument(
        "--min-patients",
        type=int,
        metavar="N",
        help="what fewer patients have is not learnt, and so neither kept in the run nor drawn: codes are dropped, "
        "categories become 'other', numbers end at averages over N patients. 1 learns all (default: 11)",
    )
    fit.add_argument(
        "--no-holdout",
        action="store_true",
        help="learn from all rows, to the last step; else a tenth (of 1,000 and more) is held out, the step that is "
        "best on it is kept, and training ends when it gets no better",
    )
    fit.add_argument(
        "--refit",
        action="store_true",
        help="then train anew on all rows, for as many steps as were best",
    )
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument(
        "--checkpoint-every",
        type=_often,
        default={},
        metavar="N",
        help="steps between two checkpoints, as in 500, or minutes, as in 10m, where a tenth of all steps takes longer "
        "(default: a tenth of all steps)",
    )
    fit.add_argument(
        "--on-nonfinite",
        choices=("stop", "skip"),
        default="stop",
        help="at a step whose loss, gradient or update is not finite: stop, or leave it out and count it (default: "
        "stop); no such step is ever in a checkpoint",
    )
    fit.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    fit.add_argument(
        "--mesh",
        default="data=-1",
        metavar="data=N,fsdp=M",
        help="N x M devices: a batch is split over all, and what is trained over M of them; -1 is as many as there are "
        "(default: data=-1)",
    )
    fit.add_argument(
        "--profile",
        type=_window,
        metavar="START:STOP",
        help="write a trace of these steps by JAX's profiler to OUT/profile: of whole dispatches, all that have one",
    )
    add_reading(fit)
    add_events(fit)
    add_set(fit, "a setting of the recipe, such as learning_rate=1e-3")


def _run(options) -> int:
    from jaxehr import audit, data, names, settings
    from jaxehr.numerics import seeded
    from jaxehr.synthesis import fit, run

    recipe = settings.nearest(options.recipe, names.recipes(), "recipe")
    named = {
        name: getattr(options, name) for name in ("steps", "batch_size", "label", "min_patients")
    }
    said = [pair.partition("=")[2] for pair in options.settings if pair.startswith("label=")]
    label = options.label or next(iter(said), None)
    if label is not None and "label" not in settings.of(recipe):
        raise ValueError(_no_label(options.recipe, label))
    pairs = [f"{name}={value!r}" for name, value in named.items() if value is not None]
    chosen = settings.parse([*options.settings, *pairs], recipe)
    mesh = _mesh(options.mesh)
    schema = load_schema(options.schema)
    check_folder(options.out)
    run.check_free(options.out)
    if options.resume:
        run.check_recipe(options.out, options.recipe)
        _, begun, codec = run.read(options.out)
        chosen, schema = {**begun, **chosen}, schema or codec.schema
    else:
        run.check_new(options.out)
    records = read(options, options.data, schema, events=options.events, layout=options.layout)
    given = schema is not None
    with nullcontext() if given else _draft_left(records, options.out):
        schema = schema_of(records, schema)
    cache_compilations()
    with nullcontext() if given else _draft_left(records, options.out):
        made = recipe(records, schema, **chosen)
    say(str(schema))
    static = data.records_of(records).static
    columns = () if static is None else static.columns
    if left := [str(name) for name in columns if name not in schema.names]:
        say(f"not in the schema, and so left out: {data.listed(left)}")
    least = made.settings["min_patients"]
    if least > 1:
        say(
            f"what fewer than {least} patients have is not learnt, and numbers end at averages over {least} of them "
            "(--min-patients 1 learns all)"
        )
    read_off = () if given else data.hints(records, schema)
    hints = (*read_off, *data.broken_constraints(records, schema))
    for hint in hints[:SHOWN]:
        say(f"hint: {hint}")
    if len(hints) > SHOWN:
        say(f"hint: and {len(hints) - SHOWN:,} more, which `jaxehr schema` shows")
    if not given:
        _say_found(data.dependencies(records, schema), options.data)
    say(f"sigma_data {made.settings['sigma_data']:.4g}") if "sigma_data" in made.settings else None
    done = _trained(
        options.out,
        lambda: fit(
            made,
            records,
            seeded(options.seed),
            run_dir=options.out,
            resume=options.resume,
            skip_nonfinite=options.on_nonfinite == "skip",
            refit=options.refit,
            audit=audit.remembered,
            mesh=mesh,
            profile=options.profile,
            **options.checkpoint_every,
            **({"holdout": 0.0} if options.no_holdout else {}),
        ),
    )
    if not done:
        say(audit.said(run.remembers(options.out), made.codec.rows))
        both = isinstance(records, data.Records) and not (
            records.static is None or records.events is None
        )
        one = not both or schema.visits is not None
        drawn = "synthetic.csv" if one else "synthetic"
        say(f"done: jaxehr sample {options.out} -n 1000 --out {drawn}")
    return done


def _often(text: str) -> dict[str, float]:
    """500 steps, or 10m of time, as training takes it."""
    found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)m", text)
    if found is None or not float(text.rstrip("m")):
        raise argparse.ArgumentTypeError(
            f"must be at least 1 step, or some minutes, as in 10m; got {text}"
        )
    return {"checkpoint_every": int(text)} if found[1] else {"checkpoint_minutes": float(found[2])}


def _window(text: str) -> tuple[int, int]:
    """100:200"""
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(
            f"must be two steps, of which the first is before the second, as in 100:200; got {text}"
        )
    return int(found[1]), int(found[2])


def _mesh(text: str):
    """Of data=4,fsdp=2. Raises ValueError."""
    from jaxehr.training import mesh_of

    found = re.fullmatch(r"(data|fsdp)=(-?\d+)(?:,(?!\1)(data|fsdp)=(-?\d+))?", text)
    if found is None:
        raise ValueError(f"--mesh takes data=N, fsdp=M or both, as in data=4,fsdp=2; got '{text}'")
    sizes = {found[1]: int(found[2]), **({found[3]: int(found[4])} if found[3] else {})}
    return mesh_of(data=sizes.get("data", -1), fsdp=sizes.get("fsdp", 1))


def _no_label(recipe: str, label: str) -> str:
    """What to do instead, in one line."""
    from jaxehr import names, settings

    taking = [name for name, made in names.recipes().items() if "label" in settings.of(made)]
    return (
        f"{recipe} has no label (recipes that have one: {', '.join(taking)}); masked learns every column alike, and "
        f"draws under any: fit it without one, and sample --given {label}=VALUE"
    )


def _say_found(found, path) -> None:
    """What draws could be made to keep."""
    laws = [each.said for each in found if each.always]
    if laws:
        more = f"; and {len(laws) - 3:,} more" if len(laws) > 3 else ""
        say(
            f"hint: always so in these rows: {'; '.join(laws[:3])}{more}. To have draws keep it: jaxehr schema --data "
            f"{path} --constraints found --out schema.json, then fit with --schema schema.json"
        )


@contextmanager
def _draft_left(records, out: Path) -> Iterator[None]:
    """What no kind fits, or the recipe cannot learn, leaves the schema as far as it goes, to be edited."""
    from jaxehr import data

    try:
        yield
    except data.DataError as error:
        schema, problems = data.Schema.draft(records)
        path = out.with_name(f"{out.name}.schema.json")
        there = path.exists()
        if not there:
            path.parent.mkdir(parents=True, exist_ok=True)
            schema.save(path)
        more = (
            f" ({len(problems) - 1} more columns: `jaxehr schema` names them)"
            if len(problems) > 1
            else ""
        )
        raise data.DataError(
            f"{error}{more}. The schema {'of an earlier try' if there else 'so far'} is in {path}: edit it, and "
            "give it as --schema"
        ) from None


def _trained(out: Path, train: Callable) -> int:
    from jaxehr.training import Interrupted

    try:
        train()
    except Interrupted as stop:
        say(f"{stop} and saved; continue with the same command and --resume")
        return 128 + stop.number
    return 0
