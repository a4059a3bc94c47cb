"""Every recipe and every baseline on the codes of Diabetes-130: 71,517 patients x 902 codes, in two halves.

Command     python experiments/compare_codes.py --data diabetic_data.zip [--minutes 5 | --steps N] [--only NAME ...]
Choice      Recipes at their defaults, but for the steps and SETTINGS; one seed. 35,758 drawn, as many trained on. TSTR
            predicts heart failure (DIAG//428), here with all rows to train on; jaxehr.evaluate takes fewer now, giving
            .744 for the copula and .773 for real patients.
Time        CPU seconds of the process on 2 shared cores, compilation included.

              prevalence    codes   codes per  detection  TSTR    largest rule  closer    exact copies       train  ms a
              Spearman     present   patient      AUC     AUROC      excess     to train    beyond    steps   s  record
  marginals     .978       100.0%     4.98       .701     .500       .046        .496         .000                   .00
  copula        .980       100.0%     5.02       .534     .757       .020        .501        -.003                   .14
  smote         .966        99.0%     4.40       .567     .778       .000        .759         .380                   .17
  bootstrap     .980       100.0%     4.96       .484     .780       .002        .885         .770                   .00
  vae           .970        99.7%     4.70       .560     .767       .010        .506        -.003  30,000    285    .05
  gan           .906        94.6%     4.82       .556     .758       .000        .496        -.006  10,000    121    .06
  real held out .963       100.0%     4.96       .501     .784       .004        .496        -.003

The gan's steps are the critic's, after 2,000 of its autoencoder. Prevalence Pearson is .998 or more in every row.
"""

from pathlib import Path

import numpy as np
from comparison import FOUNDATIONS, compare, options_of

from jaxehr.data import diabetes130_codes
from jaxehr.evaluation.rule_file import starter_rules

LABEL = "DIAG//428"  # heart failure
SETTINGS = {
    **FOUNDATIONS,
    "ehrdiff": {"posterior_sigma": 0.3},
}  # rounding, as published, loses rare codes


def main() -> None:
    options = options_of(__doc__, Path("runs/compare_codes"))
    codes = diabetes130_codes(options.data)
    patients = np.random.default_rng(0).permutation(codes["subject_id"].unique())
    half = len(patients) // 2
    train = codes[codes["subject_id"].isin(patients[:half])].reset_index(drop=True)
    holdout = codes[codes["subject_id"].isin(patients[half : 2 * half])].reset_index(drop=True)
    compare(train, holdout, options, label=LABEL, rules=starter_rules("codes"), settings=SETTINGS)


if __name__ == "__main__":
    main()
