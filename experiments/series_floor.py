"""Floors of the scores of series on Stocks: real windows against real windows, by every protocol and scaling.

    python experiments/series_floor.py stock_data.csv

The file is TimeGAN's (its repository, data/stock_data.csv): 3,685 days of six numbers. As there, days are taken from
last to first, each number is scaled to [0, 1] over all days, and every window of 24 days is a course, in random order:
3,661. Four fifths are train (2,928), the rest held out (733). Windows overlap, so that held-out ones are no strangers.
Printed are mean and deviation over five seeds, which share the split; on 2 shared CPU cores:

    discriminative    as_they_are .009 +- .008, standardised .018 +- .012, normalised .009 +- .005,
                      by_train .027 +- .010
    predictive        last variable, as_they_are .0368 +- .0000
                      all variables, as_they_are .009 +- .002, standardised .057 +- .0002, normalised .009 +- .002,
                      by_train .056 +- .0002

A figure takes 9 to 19 CPU seconds, all seeds together. Errors are in deviations where values are standardised (and
by_train), else in ranges: protocols and scalings do not compare.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.measures.series import post_hoc, scaling

STEPS = 24


def windows(path: Path, seed: int = 0) -> tuple[Series, Series]:
    """Train and held-out windows as in TimeGAN."""
    days = pd.read_csv(path).to_numpy(float)[::-1]
    days = (days - days.min(0)) / (days.max(0) - days.min(0) + 1e-7)  # TimeGAN's epsilon
    n = len(days) - STEPS
    courses = np.stack([days[i : i + STEPS] for i in range(n)])
    order = np.random.default_rng(seed).permutation(n)
    train, held = np.split(courses[order], [int(n * 0.8)])
    return whole(train), whole(held)


def figures(train: Series, held: Series, seeds: int) -> dict[str, Callable[[], np.ndarray]]:
    told = lambda by: post_hoc.discriminative(held, train, train, scaling=by, seeds=seeds).score
    last = lambda by: post_hoc.predictive_last(held, train, train, scaling=by, seeds=seeds)
    ahead = lambda by: post_hoc.predictive_all(held, train, train, scaling=by, seeds=seeds)
    ways = (scaling.as_they_are, scaling.standardised, scaling.normalised, scaling.by_train)
    return {
        **{f"discriminative, {by.__name__}": (lambda by=by: told(by)) for by in ways},
        "predictive, last variable, as_they_are": lambda: last(scaling.as_they_are),
        **{f"predictive, all variables, {by.__name__}": (lambda by=by: ahead(by)) for by in ways},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stocks", type=Path, help="stock_data.csv")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name, of in figures(*windows(options.stocks), options.seeds).items():
        start = time.process_time()
        found = of()
        spent = time.process_time() - start
        print(
            f"{name:45s} {found.mean():.4f} +- {found.std(ddof=1):.4f}  ({spent:.0f} CPU s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
