"""jaxehr demo: the whole round on open data."""

import sys
from pathlib import Path

from jaxehr.commands.command import Command, cache_compilations, say

DEMO_STEPS = 10_000


def add(command: Command) -> None:
    demo = command("demo", _run, "Train on 17,549 real patients, sample as many, open the report.")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run")
    demo.add_argument("--steps", type=int, default=DEMO_STEPS, help="training steps")


def _run(options) -> int:
    import jax

    from jaxehr import data
    from jaxehr.evaluation import evaluate
    from jaxehr.recipes import ehrdiff, fit
    from jaxehr.training import Interrupted

    cache_compilations()
    patients = data.nafld().sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(patients) // 2
    train, holdout = patients[:half], patients[half : 2 * half].reset_index(drop=True)
    say(f"{len(patients):,} patients of the Rochester NAFLD study; half to train, half held out")
    recipe = ehrdiff(train, steps=options.steps, learning_rate=1e-3)
    print(recipe.codec.schema, file=sys.stderr)
    resume = (options.out / "run.json").exists()
    try:
        synthesizer = fit(recipe, train, jax.random.key(0), run_dir=options.out, resume=resume)
    except Interrupted as stop:
        say(f"{stop} and saved; the same command continues")
        return 0
    synthetic = synthesizer.sample(jax.random.key(1), half)
    for name, frame in {"train": train, "holdout": holdout, "synthetic": synthetic}.items():
        data.write_records(frame, options.out / f"{name}.csv")
    say("evaluating")
    config = {"recipe": "ehrdiff", "steps": options.steps, "data": "nafld"}
    report = evaluate(
        train, synthetic, holdout, schema=recipe.codec.schema, label="death", config=config
    )
    report.save(options.out)
    print(report)
    say(f"open {options.out / 'report.html'}")
    return 0
