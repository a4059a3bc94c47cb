"""MedDiff, reconstructed, on the table of Diabetes-130 with the label readmitted: first encounters, in two halves.

Command     python experiments/meddiff_diabetes130.py --data diabetic_data.zip
Machine     one of 2 shared CPU cores; 57 CPU s to train the MLP (4,000 steps of 128), 44 where it is told the label, 65
            the U-Net of 8 channels (400 steps); about 8 CPU minutes in all
Figures     2,048 drawn; the label of .396 of them throughout. found: how often a booster of real patients finds the
            label that was drawn; Pearson of prevalences; error of shapes; detection AUC; TSTR AUROC of the label.

            classifier guidance w     0     1     2     4     told the label w  0     1     2     4
            found                   .598  .630  .660  .706                    .619  .689  .747  .829
            Pearson                .9997 .9996 .9996 .9995                   .9996 .9997 .9997 .9994
            shape                  .0174 .0176 .0175 .0167                   .0202 .0198 .0188 .0207
            detection               .715  .718  .749  .779                    .731  .742  .757  .803
            TSTR                    .524  .560  .582  .593                    .569  .611  .631  .624

            After 400 steps the U-Net is far from trained: found .574, Pearson .896, shape .126, detection .998.
            With its columns permuted .589, .716, .208, .999; the MLP after as many steps .602, .999, .022, .906. Real
            patients held out: .641, .9999, .0117, .507, and TSTR .613.
            Distance to the end of 1,000 steps of DDIM from the same noise, median of 256 (root mean square), at 10, 20
            and 50 evaluations: DDIM .0373 .0087 .0028; 2M .0094 .0033 .0013; Anderson of DDIM's steps, memory 2, .0329
            .0083 .0241, memory 5 .0322 .0085 .0259; Picard over 10 steps .296 .196 .039; ParaTAA over 5 1.12 1.21 .096.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

import jaxehr
from jaxehr.benchmark.quality import Judge
from jaxehr.data import diabetes130_table
from jaxehr.recipes import meddiff
from jaxehr.samplers import anderson, ddim, picard, probability_flow, triangular_anderson
from jaxehr.samplers.solvers import DPMpp2M

LABEL = "readmitted"
SHORT = {"batch_size": 128, "learning_rate": 1e-3, "classifier_width": (128, 128)}
UNET, MLP = {"channels": 8, "blocks": 1}, {"width": (512, 512, 512)}
MODELS: dict[str, dict[str, Any]] = {
    "MLP": {**MLP, "steps": 4000},
    "MLP, told the label": {**MLP, "steps": 4000, "classifier": False},
    "U-Net, 400 steps": {**UNET, "steps": 400},
    "U-Net, 400 steps, columns permuted": {**UNET, "steps": 400},
    "MLP, 400 steps": {**MLP, "steps": 400},
}
WEIGHTS = (0.0, 1.0, 2.0, 4.0)
NOISES = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="diabetic_data.csv or the zip that holds it")
    parser.add_argument("--out", type=Path, default=Path("runs/meddiff_diabetes130"))
    parser.add_argument("-n", type=int, default=2_048, help="patients drawn and judged")
    options = parser.parse_args()

    table = diabetes130_table(options.data).sample(frac=1, random_state=0).reset_index(drop=True)
    table[LABEL] = table[LABEL] != "NO"
    half = len(table) // 2
    train, holdout = table[:half], table[half : 2 * half].reset_index(drop=True)
    other_order = list(np.random.default_rng(1).permutation(train.columns))
    bench = Bench(train, holdout, options.n)
    for name, settings in MODELS.items():
        rows = train[other_order] if "permuted" in name else train
        recipe = meddiff(rows, label=LABEL, **SHORT, **settings)
        began, run = time.process_time(), options.out / name.replace(" ", "_").replace(",", "")
        resume = (run / "run.json").exists()
        fitted = jaxehr.fit(recipe, rows, jax.random.key(0), run_dir=run, resume=resume)
        print(f"{name}: {time.process_time() - began:.0f} CPU s to train", flush=True)
        for w in WEIGHTS[: 1 if "400" in name else None]:
            began = time.process_time()
            drawn = fitted.sample(jax.random.key(1), options.n, guidance=w, batch_size=1024)
            each = 1000 * (time.process_time() - began) / options.n
            print(f"  w {w:g}  {bench.row(drawn[list(train.columns)])}  {each:.1f} ms", flush=True)
        if name == "MLP":
            compare_samplers(fitted, bench)
    print(f"real, held out  {bench.row(holdout[: options.n])}")


class Bench:
    """What draws are held to: real patients, and a classifier of the label learnt from them."""

    def __init__(self, train: pd.DataFrame, holdout: pd.DataFrame, n: int):
        self.train, self.holdout = train, holdout[n:].reset_index(drop=True)
        self.recipe = meddiff(train, label=LABEL, **UNET, steps=1)
        self.judge = Judge(self.recipe.codec.schema, self.holdout, n)
        x, label = self._encoded(train)
        self.shares = x.mean(0)
        self.classifier = HistGradientBoostingClassifier(random_state=0).fit(x, label)

    def row(self, drawn: pd.DataFrame) -> str:
        x, label = self._encoded(drawn)
        right = (self.classifier.predict(x) == label).mean()
        by = self.judge.figures(drawn)
        numbers = self.recipe.codec.sizes["number"]
        pearson = np.corrcoef(x.mean(0)[numbers:], self.shares[numbers:])[0, 1]
        useful = jaxehr.evaluate(self.train, drawn, self.holdout, label=LABEL, pillars=("utility",))
        return (
            f"label {label.mean():.3f}  found {right:.3f}  Pearson {pearson:.4f}  shape {by.error.value:.4f}  "
            f"detection {by.auc.value:.3f}  TSTR {useful['tstr_auroc'].value:.3f}"
        )

    def _encoded(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        x: Any = self.recipe.view.to_x(self.recipe.codec.encode(frame))
        return x["record"], x["label"]


def compare_samplers(fitted: jaxehr.Synthesizer, bench: Bench) -> None:
    """Distance of the ends from those of 1,000 steps of DDIM, the root mean square over columns: its median over as
    many records from the same noise, and the largest; and of some how the records are judged."""
    model, params, codec = fitted.model, fitted.params["denoiser"], fitted.recipe.codec
    keys = jax.random.split(jax.random.key(2), bench.judge.n)

    def ends(sampler, steps: int, n: int = NOISES) -> tuple[dict[str, np.ndarray], int]:
        grid = model.grid(steps)
        draw = jax.jit(jax.vmap(lambda key: model.draw(params, key, sampler=sampler, grid=grid)))
        parts = [draw(keys[i : i + NOISES]) for i in range(0, n, NOISES)]
        x = jax.tree.map(lambda *each: np.concatenate(each), *(part.x for part in parts))
        return x, int(np.max(parts[0].nfe))

    reference, _ = ends(ddim(), 1000)
    plans = [("DDIM", ddim(), n, True) for n in (10, 20, 50)]
    plans += [("2M", probability_flow(DPMpp2M()), n, True) for n in (10, 20, 50)]
    plans += [("Anderson, memory 2", anderson(memory=2), n, True) for n in (10, 20, 50)]
    plans += [("Anderson, memory 5", anderson(memory=5), n, False) for n in (10, 20, 50)]
    for sweeps in (1, 2, 5):
        plans.append(("Picard", picard(max_sweeps=sweeps, tolerance=0.0), 10, False))
        mixed = triangular_anderson(max_sweeps=sweeps, tolerance=0.0)
        plans.append(("ParaTAA", mixed, 5, False))
    for name, sampler, steps, judged in plans:
        x, nfe = ends(sampler, steps, bench.judge.n if judged else NOISES)
        apart = x["record"][:NOISES] - reference["record"]
        far = np.sqrt((apart**2).mean(1))
        line = f"  {name}, {steps} steps, {nfe} evaluations: {np.median(far):.4f}, {far.max():.3f}"
        if judged:
            by = bench.judge.figures(codec.decode(fitted.recipe.view.of_x(x)))
            line += f"; shape {by.error.value:.4f}, detection {by.auc.value:.3f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
