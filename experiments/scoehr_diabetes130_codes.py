"""ScoEHR on the diagnoses and drugs of Diabetes-130: 71,517 patients, 902 codes, split in half by patient.

Paper       Naseer et al., "ScoEHR", MLHC 2023; Diabetes-130: Strack et al. 2014 (UCI).
Command     python experiments/scoehr_diabetes130_codes.py --data diabetic_data.zip --steps 1200 -n 2000 --faithful 1000
            [--beside runs/compare_codes/masked.parquet runs/compare_codes/ehrdiff.parquet]
Choice      16 channels (published: 128, for a GPU), 387,201 parameters; 1,200 steps of 128, 4,800 of the autoencoder
            (published: 200 epochs, here 50,000 steps of 128). 441 codes are learnt, those of 11 patients or more. The
            loss on rows held out still fell when training ended (17.8; it begins at 144).
Time        CPU seconds of one process on 2 shared cores: 230 to train.

Samplers    1,000 patients each, from the same noise, one training. The paper's 1,000 steps of Euler-Maruyama, and
            DPM-Solver++ 2M of the probability flow in 10, 20 and 50. CPU s is of 1,000 draws, without compilation.

                                          drawn                           rounded at one half           real
                              1,000     50      20      10      1,000     50      20      10        held out
    prevalence Pearson        .970    .989    .994    .992      .950    .977    .989    .991        .998
    prevalence Spearman       .661    .801    .852    .860      .353    .608    .699    .710        .806
    codes present (>= 5)      42.6%   58.8%   64.4%   64.7%      6.2%   22.8%   32.5%   34.4%       61.9%
    codes per patient         2.79    3.75    4.56    4.76      2.21    2.83    3.46    3.75        4.86
    correlation difference    19.6    34.5    37.0    37.8      22.2    31.7    39.9    42.1        17.6
    log-cluster               -3.5    -4.0    -4.0    -3.8      -3.1    -3.6    -4.5    -4.6        -5.9
    dimensional distribution .00283  .00195  .00135  .00137    .00358  .00274  .00202  .00175      .00105
    detection AUC             .919    .872    .858    .853      .985    .949    .931    .926        .528
    draws without a code       5.2%    4.3%    3.0%    2.6%     10.0%    6.8%    4.6%    4.5%
    CPU s                      333    16.8     7.0     3.8

            The fast sampler is 47 times faster with 20 evaluations, 88 with 10, 20 with 50, and not of equal quality
            but better, in all rows but one: the difference of correlations. From 20 to 50 evaluations 2M comes nearer
            to the faithful sampler in every row but log-cluster as drawn. That points to the score, after a fortieth
            of the published steps and at an eighth of the width, which few evaluations step over where little noise is
            left; it was not tried with a score that is trained to the end. Equal quality at 20 times the speed is not
            shown by this. Rounded, 990 of the 1,100 draws by 1,000 evaluations had a code: the column is of these.

Beside      2,000 patients each, at equal n. masked and EHRDiff are of compare_codes.py, after four minutes (6,500 and
            5,700 steps; masked by its recipe before its codes were drawn as a list, EHRDiff with posterior_sigma=0.3).

                              rounded    drawn    masked   EHRDiff   real held out
    prevalence Pearson          .989      .994     .999      .998        .999
    prevalence Spearman         .742      .909     .894      .917        .857
    codes present (>= 5)        37.2%     72.3%    65.7%     73.7%       74.2%
    codes per patient           3.39      4.51     4.94      5.27        4.92
    correlation difference      36.2      28.1     14.9      13.8        14.6
    log-cluster                 -4.7      -5.5     -4.2      -5.8        -6.2
    dimensional distribution   .00208    .00126   .00067    .00087      .00076
    detection AUC               .932      .873     .801      .781        .509

Published   On other data, MIMIC-III, 1,071 codes of 46,520 patients, 10,000 beside 10,000; not to be set against the
            above. Log-cluster, difference of correlations, dimensional distribution: ScoEHR -6.0, 21.8, .0029; medGAN
            -2.9, 120, .0019; medBGAN -3.2, 146, .0016; medWGAN -5.4, 22.1, .0025.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from halves import halves

import jaxehr
from jaxehr.data import diabetes130_codes
from jaxehr.recipes import scoehr
from jaxehr.samplers import DPMpp2M, euler_maruyama_step, probability_flow, sequential

SHOWN = (
    *("prevalence_pearson", "prevalence_spearman", "codes_present", "codes_per_patient"),
    *("correlation_difference", "log_cluster", "detection_auc"),
)
FAST, FAITHFUL = probability_flow(DPMpp2M()), sequential(euler_maruyama_step)
PLANS = (("2m", FAST, 20), ("euler_maruyama", FAITHFUL, 1000), ("2m", FAST, 10), ("2m", FAST, 50))
BLOCK = 100  # draws at once: they are kept, and taken up where they ended
SPARE = 1.1  # draws for a patient: some have no code at all


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="diabetic_data.csv or the zip that holds it")
    parser.add_argument("--out", type=Path, default=Path("runs/scoehr_diabetes130_codes"))
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--channels", type=int, default=16, help="128 is published, for a GPU")
    parser.add_argument("-n", type=int, default=2_000, help="patients of the fast sampler")
    parser.add_argument("--faithful", type=int, default=500, help="patients of each sampler")
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], help="other generators' draws"
    )
    options = parser.parse_args()

    train, holdout = halves(diabetes130_codes(options.data))
    recipe = scoehr(
        train, steps=options.steps, batch_size=options.batch_size, channels=options.channels
    )
    began = time.process_time()
    resume = (options.out / "run.json").exists()
    fitted = jaxehr.fit(recipe, train, jax.random.key(0), run_dir=options.out, resume=resume)
    print(f"{time.process_time() - began:.0f} CPU s to train", flush=True)

    drawn: dict[str, pd.DataFrame] = {}
    for plan, (name, sampler, steps) in enumerate(PLANS):
        sizes = [options.faithful] if plan else [options.faithful, options.n]
        name = f"{name}_{steps}"
        folder = options.out / "draws" / name
        x, each = probabilities(fitted, sampler, steps, max(sizes), folder)
        print(f"{name}: {1000 * each:.1f} CPU s for 1,000 draws", flush=True)
        dice = np.random.default_rng(0).random(x.shape)
        for n in sizes:
            drawn[f"{name}_rounded_{n}"] = of_bits(fitted, x >= 0.5, n)
            drawn[f"{name}_drawn_{n}"] = of_bits(fitted, dice < x, n)
    for path in options.beside:
        others = pd.read_parquet(path)
        one_of = others["subject_id"].isin(others["subject_id"].unique()[: options.n])
        drawn[path.stem] = others[one_of]
    for name, synthetic in drawn.items():
        judge(name, train, synthetic, holdout, options.out)


def probabilities(
    fitted: jaxehr.Synthesizer, sampler: Any, steps: int, n: int, folder: Path
) -> tuple[np.ndarray, float]:
    """(decoded probabilities of codes, of n draws and some to spare; CPU seconds for a draw, without compilation).

    Draw i has the same noise to begin with whatever the sampler. Each block of draws is kept in `folder`.
    """
    model, grid, x, spent = fitted.model, fitted.model.grid(steps), [], []
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(1)))(np.arange(2 * n))
    one = partial(model.draw, fitted.params["score"], sampler=sampler, grid=grid)
    draw = None
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, int(SPARE * n), BLOCK):
        kept = folder / f"{start}.npz"
        if not kept.exists():
            block = keys[start : start + BLOCK]
            draw = draw or jax.jit(jax.vmap(lambda key: one(key).x)).lower(block).compile()
            began = time.process_time()
            found = np.asarray(draw(block))
            np.savez(kept, x=found, spent=time.process_time() - began)
        with np.load(kept) as block:
            x.append(block["x"])
            spent.append(float(block["spent"]))
    return np.concatenate(x), sum(spent) / (BLOCK * len(spent))


def of_bits(fitted: jaxehr.Synthesizer, bits: np.ndarray, n: int) -> pd.DataFrame:
    """The first n patients who have any code."""
    print(f"    {(~bits.any(1)).mean():.1%} of the draws have no code", flush=True)
    some = bits[bits.any(1)][:n]
    return fitted.recipe.codec.decode(fitted.recipe.view.of_x(some.astype(np.float32)))


def some(codes: pd.DataFrame, n: int) -> pd.DataFrame:
    """n patients, by lot: those of the real ones stand in the order in which they came."""
    patients = np.random.default_rng(0).permutation(codes["subject_id"].unique())[:n]
    return codes[codes["subject_id"].isin(patients)]


def judge(name: str, train, synthetic, holdout, out: Path) -> None:
    report = jaxehr.evaluate(
        train, synthetic, holdout, pillars=("fidelity",), config={"decode": name}
    )
    report.save(out / name)
    figures = {m.name: m for m in report.metrics}
    n = synthetic["subject_id"].nunique()
    print(f"\n{name}: {n} patients", flush=True)
    for shown in SHOWN:
        found = figures[shown]
        print(f"    {shown:24} {found.value:.4f}   floor {found.floor:.4f}")
    apart = [_distribution(train, each) for each in (synthetic, some(holdout, n))]
    print(f"    dimensional distribution {apart[0]:.5f}   floor {apart[1]:.5f}", flush=True)


def _distribution(real: pd.DataFrame, other: pd.DataFrame) -> float:
    """ScoEHR's section 4.4: the mean over codes of how far apart their prevalences are."""
    shares = [
        f.drop_duplicates().groupby("code").size() / f["subject_id"].nunique()
        for f in (real, other)
    ]
    known = shares[0].index
    return float((shares[0] - shares[1].reindex(known, fill_value=0.0)).abs().mean())


if __name__ == "__main__":
    main()
