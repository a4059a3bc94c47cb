"""The patients of the experiments on codes: one half to learn from, the other held out."""

import numpy as np
import pandas as pd


def halves(codes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(train, holdout), as many patients each; the lines of a patient are all on one side."""
    patients = np.random.default_rng(0).permutation(codes["subject_id"].unique())
    half = len(patients) // 2
    sides = patients[:half], patients[half : 2 * half]
    train, holdout = (
        codes[codes["subject_id"].isin(side)].reset_index(drop=True) for side in sides
    )
    return train, holdout
