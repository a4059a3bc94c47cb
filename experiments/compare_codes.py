"""Every recipe and every baseline on the codes of Diabetes-130: 71,517 patients x 902 codes, in two halves."""

from pathlib import Path

import numpy as np
from comparison import compare, options_of

from jaxehr.data import diabetes130_codes
from jaxehr.evaluation.rule_file import starter_rules

LABEL = "DIAG//428"  # heart failure
SETTINGS = {"ehrdiff": {"posterior_sigma": 0.3}}  # rounding, as published, loses rare codes


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
