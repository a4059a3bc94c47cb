"""DDPM, DDIM, NCSN and score SDE (VP, VE, sub-VP) beside EHRDiff, on the open NAFLD table."""

import argparse
import time
from pathlib import Path

import jax

import jaxehr
from jaxehr import names
from jaxehr.data import nafld

SHOWN = ("shape_error", "trend_error", "detection_auc", "tstr_auroc", "share_closer_to_train")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/foundations_nafld"))
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--recipes", nargs="+", default=list(names.recipes()))
    options = parser.parse_args()

    patients = nafld().sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(patients) // 2
    train, holdout = patients[:half], patients[half : 2 * half].reset_index(drop=True)
    print("recipe            " + "".join(f"{name:>23s}" for name in SHOWN) + "   train s   draw s")
    for name in options.recipes:
        recipe = names.recipes()[name](
            train, steps=options.steps, batch_size=256, learning_rate=1e-3
        )
        run = options.out / name
        began = time.monotonic()
        resume = (run / "run.json").exists()
        synthesizer = jaxehr.fit(recipe, train, jax.random.key(0), run_dir=run, resume=resume)
        fitted = time.monotonic()
        synthetic = synthesizer.sample(jax.random.key(1), half)
        drawn = time.monotonic()
        report = jaxehr.evaluate(train, synthetic, holdout, label="death", config={"recipe": name})
        report.save(run)
        figures = "".join(f"{report[shown].value:23.4f}" for shown in SHOWN)
        print(f"{name:18s}{figures}{fitted - began:10.0f}{drawn - fitted:9.0f}", flush=True)


if __name__ == "__main__":
    main()
