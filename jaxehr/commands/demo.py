"""jaxehr demo: the whole round on open data."""

from pathlib import Path

from jaxehr.commands.command import Command, cache_compilations, check_folder, say

DEMO_STEPS = 2_500
GIVEN = {"sex": "female", "age": (65, 80)}


def add(command: Command) -> None:
    demo = command("demo", _run, "Train on 17,549 real patients, sample as many, open the report.")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run")
    demo.add_argument(
        "--steps", type=int, default=DEMO_STEPS, help="training steps, of either page"
    )


def _run(options) -> int:
    from jaxehr.training import Interrupted

    check_folder(options.out)
    cache_compilations()
    try:
        _patients(options)
        _labs(options)
    except Interrupted as stop:
        say(f"{stop} and saved; the same command continues")
        return 128 + stop.number
    return 0


def _patients(options) -> None:
    """A table, and of its draws some under conditions."""
    from dataclasses import replace

    from jaxehr import data
    from jaxehr.numerics import seeded
    from jaxehr.recipes import masked

    patients = data.nafld().sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(patients) // 2
    train, holdout = patients[:half], patients[half : 2 * half].reset_index(drop=True)
    say(f"{len(patients):,} patients of the Rochester NAFLD study; half to train, half held out")
    schema = data.Schema.infer(train)
    found = [law for d in data.dependencies(train, schema) if d.always for law in d.laws]
    schema = replace(schema, constraints=tuple(found))
    recipe = masked(train, schema, steps=options.steps)
    say(str(recipe.codec.schema))
    say("\n".join(f"kept in every draw, as found in the rows: {each}" for each in found))
    synthesizer = _trained(recipe, train, options.out)
    synthetic = synthesizer.sample(seeded(1), half)
    for name, frame in {"train": train, "holdout": holdout, "synthetic": synthetic}.items():
        data.write_records(frame, options.out / f"{name}.csv")
    _judge(options.out, recipe, (train, synthetic, holdout), {"data": "nafld"})

    women = synthesizer.sample(seeded(2), sum(_meets(holdout)), given=GIVEN)
    data.write_records(women, options.out / "given" / "synthetic.csv")
    sets = (train[_meets(train)], women, holdout[_meets(holdout)])
    say("and the same for draws of women from 65 to 80, beside the real ones")
    sets = tuple(frame.reset_index(drop=True) for frame in sets)
    _judge(options.out / "given", recipe, sets, {"data": "nafld", "given": str(GIVEN)})


def _labs(options) -> None:
    """A series: what was measured of the same patients in the ten years from their index date on."""
    from jaxehr import data
    from jaxehr.numerics import seeded
    from jaxehr.recipes import courses

    out = options.out / "series"
    train, holdout = _halves(data.nafld_labs())
    say(f"and the laboratory values of {len(train) + len(holdout):,} of them, as a series")
    schema = data.Schema.infer(train).on_grid(train, "365d", length=10)
    recipe = courses(train, schema, steps=options.steps)
    say(str(recipe.codec.schema))
    synthesizer = _trained(recipe, train, out)
    synthetic = synthesizer.sample(seeded(1), len(train))
    for name, records in {"train": train, "holdout": holdout, "synthetic": synthetic}.items():
        with data.records_writer(out / f"{name}.csv", out / f"{name}_events.csv") as write:
            write(records)
    _judge(out, recipe, (train, synthetic, holdout), {"data": "nafld, laboratory values"})


def _trained(recipe, train, out: Path):
    """The synthesizer of the run, begun or gone on with; says what the run remembers."""
    from jaxehr import audit
    from jaxehr.numerics import seeded
    from jaxehr.synthesis import fit, run

    resume = (out / "run.json").exists()
    made = fit(recipe, train, seeded(0), run_dir=out, resume=resume, audit=audit.remembered)
    say(audit.said(run.remembers(out), len(train)))
    return made


def _halves(records):
    """Of the subjects, drawn by chance."""
    from jaxehr.data import Records

    ids = records.static["subject_id"].sample(frac=1, random_state=0)
    half = len(ids) // 2
    parts = []
    for chosen in (ids[:half], ids[half : 2 * half]):
        own = (f[f["subject_id"].isin(chosen)] for f in (records.static, records.events))
        parts.append(Records(*(frame.reset_index(drop=True) for frame in own)))
    return parts


def _meets(patients):
    return (patients["sex"] == "female") & patients["age"].between(65, 80)


def _judge(out: Path, recipe, sets, about: dict[str, str]) -> None:
    from jaxehr.evaluation import evaluate
    from jaxehr.training.progress import progress

    train, synthetic, holdout = sets
    with progress("evaluating", 100) as tell:
        report = evaluate(
            train,
            synthetic,
            holdout,
            schema=recipe.codec.schema,
            label="death",
            config={"recipe": recipe.name, "steps": recipe.settings["steps"], **about},
            advance=lambda done, total, what: tell(100 * done // total, what=what),
        )
    report.save(out)
    print(report)
    say(f"open {out / 'report.html'}")
