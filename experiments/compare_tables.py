"""Every recipe and every baseline on the table of Diabetes-130: 71,518 first encounters, in two halves.

Command     python experiments/compare_tables.py --data diabetic_data.zip [--minutes 5 | --steps N] [--only NAME ...]
Choice      Recipes at their defaults, but for the steps; one seed. 35,759 drawn, as many trained on. TSTR predicts
            readmission (three classes, one against the rest), here with all rows to train on; jaxehr.evaluate takes
            fewer now. The rules are in diabetes130_rules.toml.
Time        CPU seconds of the process on 2 shared cores, compilation included.

                shape   trend   detection  TSTR   largest rule  closer    exact copies         train  ms a
                error   error      AUC     AUROC     excess     to train     beyond    steps     s   record
    marginals   .0018   .0165     .971     .499      .545         .503        .000                     .12
    copula      .0020   .0126     .904     .583      .261         .500        .000                     .12
    smote       .0145   .0307     .631     .645      .000         .967        .097                     .58
    bootstrap   .0022   .0049     .465     .644      .000        1.000       1.000                     .12
    vae         .0158   .0296     .732     .616      .017         .501        .000     15,000   100    .24
    gan         .0161   .0329     .887     .562      .231         .503        .000     10,000   102    .25
    real held out .0028 .0064     .500     .657      .001         .507        .000

The gan's steps are the critic's, after 2,000 of its autoencoder.
"""

from pathlib import Path

from comparison import FOUNDATIONS, compare, options_of

from jaxehr.data import diabetes130_table
from jaxehr.evaluation.rule_file import read_rules

LABEL = "readmitted"
RULES = Path(__file__).with_name("diabetes130_rules.toml")


def main() -> None:
    options = options_of(__doc__, Path("runs/compare_tables"))
    table = diabetes130_table(options.data).sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(table) // 2
    train, holdout = table[:half], table[half : 2 * half].reset_index(drop=True)
    compare(train, holdout, options, label=LABEL, rules=read_rules(RULES), settings=FOUNDATIONS)


if __name__ == "__main__":
    main()
