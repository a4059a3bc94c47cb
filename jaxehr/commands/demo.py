"""jaxehr demo: the whole round on open data."""

from pathlib import Path

from jaxehr.commands.command import Command, cache_compilations, check_folder, say

DEMO_STEPS = 2_500
GIVEN = {"sex": "female", "age": (65, 80)}


def add(command: Command) -> None:
    demo = command("demo", _run, "Train on 17,549 real patients, sample as many, open the report.")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run")
    demo.add_argument("--steps", type=int, default=DEMO_STEPS, help="training steps")


def _run(options) -> int:

    from dataclasses import replace

    from jaxehr import audit, data
    from jaxehr.numerics import seeded
    from jaxehr.recipes import masked
    from jaxehr.synthesis import fit, run
    from jaxehr.training import Interrupted

    check_folder(options.out)
    cache_compilations()
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
    resume = (options.out / "run.json").exists()
    try:
        synthesizer = fit(
            recipe,
            train,
            seeded(0),
            run_dir=options.out,
            resume=resume,
            audit=audit.remembered,
        )
    except Interrupted as stop:
        say(f"{stop} and saved; the same command continues")
        return 128 + stop.number
    say(audit.said(run.remembers(options.out), half))
    synthetic = synthesizer.sample(seeded(1), half)
    for name, frame in {"train": train, "holdout": holdout, "synthetic": synthetic}.items():
        data.write_records(frame, options.out / f"{name}.csv")
    _judge(options, options.out, recipe, (train, synthetic, holdout), {"data": "nafld"})

    women = synthesizer.sample(seeded(2), sum(_meets(holdout)), given=GIVEN)
    data.write_records(women, options.out / "given" / "synthetic.csv")
    real = (train[_meets(train)], women, holdout[_meets(holdout)])
    say("and the same for draws of women from 65 to 80, beside the real ones")
    _judge(options, options.out / "given", recipe, real, {"data": "nafld", "given": str(GIVEN)})
    return 0


def _meets(patients):
    return (patients["sex"] == "female") & patients["age"].between(65, 80)


def _judge(options, out: Path, recipe, sets, about: dict[str, str]) -> None:
    from jaxehr.evaluation import evaluate
    from jaxehr.training.progress import progress

    train, synthetic, holdout = (frame.reset_index(drop=True) for frame in sets)
    with progress("evaluating", 100) as tell:
        report = evaluate(
            train,
            synthetic,
            holdout,
            schema=recipe.codec.schema,
            label="death",
            config={"recipe": recipe.name, "steps": options.steps, **about},
            advance=lambda done, total, what: tell(100 * done // total, what=what),
        )
    report.save(out)
    print(report)
    say(f"open {out / 'report.html'}")
