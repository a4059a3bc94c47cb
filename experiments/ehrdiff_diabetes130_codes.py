"""EHRDiff on the diagnoses and drugs of Diabetes-130: 71,517 patients, 902 codes, split in half by patient."""

import argparse
from pathlib import Path

import jax
import numpy as np

import jaxehr
from jaxehr.data import diabetes130_codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="diabetic_data.csv or the zip that holds it")
    parser.add_argument("--out", type=Path, default=Path("runs/ehrdiff_diabetes130_codes"))
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--posterior-sigma", type=float, nargs="+", default=[0.14])
    options = parser.parse_args()

    codes = diabetes130_codes(options.data)
    patients = np.random.default_rng(0).permutation(codes["subject_id"].unique())
    half = len(patients) // 2
    train = codes[codes["subject_id"].isin(patients[:half])].reset_index(drop=True)
    holdout = codes[codes["subject_id"].isin(patients[half : 2 * half])].reset_index(drop=True)

    recipe = jaxehr.ehrdiff(
        train, steps=options.steps, batch_size=options.batch_size, learning_rate=1e-3
    )
    resume = (options.out / "run.json").exists()
    jaxehr.fit(recipe, train, jax.random.key(0), run_dir=options.out, resume=resume)

    for sigma in (None, *options.posterior_sigma):
        synthesizer = jaxehr.load(options.out, posterior_sigma=sigma)
        synthetic = synthesizer.sample(jax.random.key(1), half, batch_size=2048)
        name = "rounded" if sigma is None else f"posterior_{sigma:g}"
        jaxehr.write_records(synthetic, options.out / f"{name}.parquet")
        report = jaxehr.evaluate(train, synthetic, holdout, config={"decode": name})
        report.save(options.out / name)
        print(f"\n{name}\n{report}", flush=True)


if __name__ == "__main__":
    main()
