"""What nearest neighbours cost: bits packed and counted, beside scikit-learn's brute force. In CPU seconds; on an
accelerator, in seconds of the clock.

    python benchmarks/nearest.py [--rows 20000] [--columns 2000] [--out FILE.json]

The time is proportional to rows x rows x columns, so that 100,000 rows cost 25 times 20,000 of them: the law is taken
from the largest size measured, and how far the others are from it is stated. scikit-learn is measured at a size it can
do, and its time per pair and column compared. Compilation is left out; it is stated by itself.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxehr.evaluation.blocks.nearest import bit_rows, mixed_rows, nearest

SKLEARN_ROWS = 1_000


def bits(n: int, columns: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, columns), np.float32) < 0.05).astype(np.int8)


def clock() -> float:
    """CPU seconds of all threads together, since on a shared machine the others had to wait; else of the clock."""
    return time.process_time() if jax.default_backend() == "cpu" else time.perf_counter()


def least(run: Callable[[], object], now: Callable[[], float] = clock, rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        began = now()
        run()
        times.append(now() - began)
    return min(times)


def hamming(n: int, columns: int) -> dict[str, float]:
    rows, others = (bit_rows(bits(n, columns, seed)) for seed in range(2))
    began = clock()
    nearest(rows, others, groups=20)
    first = clock() - began
    return {"rows": n, "columns": columns, "s": least(lambda: nearest(rows, others, groups=20)),
            "with_compilation_s": first}  # fmt: skip


def scikit_learn(columns: int) -> dict[str, float]:
    from sklearn.neighbors import NearestNeighbors

    rows, others = (bits(SKLEARN_ROWS, columns, seed).astype(bool) for seed in range(2))
    model = NearestNeighbors(n_neighbors=1, metric="hamming", algorithm="brute").fit(others)
    distance = model.kneighbors(rows)[0][:, 0] * columns
    ours = nearest(*(bit_rows(bits(SKLEARN_ROWS, columns, seed)) for seed in range(2))).least
    assert np.allclose(distance, ours)
    seconds = least(lambda: model.kneighbors(rows), time.process_time)
    return {"rows": SKLEARN_ROWS, "columns": columns, "cpu_s": seconds}


def gower(n: int) -> dict[str, float]:
    """11 numbers and 35 labels of 8 values, as wide as Diabetes-130."""
    rng = np.random.default_rng(0)
    rows, others = (
        mixed_rows(rng.random((n, 11)), rng.integers(0, 8, (n, 35)), (8,) * 35) for _ in range(2)
    )
    nearest(rows, others, groups=20)
    return {"rows": n, "columns": 46, "s": least(lambda: nearest(rows, others, groups=20))}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=2_000)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args()

    sizes = [options.rows // 4, options.rows // 2, options.rows]
    ours = [hamming(n, options.columns) for n in sizes]
    per = [row["s"] / (row["rows"] ** 2 * row["columns"]) for row in ours]
    theirs = scikit_learn(options.columns)
    their_per = theirs["cpu_s"] / (theirs["rows"] ** 2 * theirs["columns"])
    found = {
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "hamming": ours,
        "ns_per_pair_and_1000_columns": [1e12 * x for x in per],
        "seconds": "CPU" if jax.default_backend() == "cpu" else "clock",
        "law": "seconds = c x rows x rows x columns",
        "law_error": max(per) / min(per) - 1,
        "by_the_law_100000_x_100000_x_2000_s": per[-1] * 1e10 * 2000,
        "scikit_learn_hamming": theirs,
        "gower": gower(options.rows // 2),
    }
    if found["seconds"] == "CPU":
        found["times_faster_than_scikit_learn"] = their_per / per[-1]
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
