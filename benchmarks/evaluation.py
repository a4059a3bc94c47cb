"""What the standard evaluation costs: Diabetes-130 as codes and as a table, with real patients as the synthetic ones.

    python benchmarks/evaluation.py --data diabetic_data.zip [--out benchmarks/results/evaluation_cpu.json]

Codes are 20,000 patients in each of three files; the table is all patients in thirds; both by subgroups too. Rows are
10,000 of the table in each file, without subgroups: what one file costs. All pillars but rules are judged. Each kind
runs in a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = ("rows", "codes", "table")


def thirds(kind: str, path: str) -> tuple[list[pd.DataFrame], dict[str, str]]:
    from jaxehr.data import diabetes130_codes, diabetes130_table

    rng = np.random.default_rng(0)
    if kind in ("rows", "table"):
        frame = diabetes130_table(path)
        order = rng.permutation(len(frame))
        n = 10_000 if kind == "rows" else len(frame) // 3
        parts = [frame.iloc[order[i * n : (i + 1) * n]].reset_index(drop=True) for i in range(3)]
        by = {} if kind == "rows" else {"by": "gender,age"}
        return parts, {"label": "readmitted", **by}
    frame = diabetes130_codes(path)
    ids = rng.permutation(frame["subject_id"].unique())
    parts = [frame[frame["subject_id"].isin(ids[i * 20_000 : (i + 1) * 20_000])] for i in range(3)]
    return parts, {"label": "DRUG//insulin", "by": "DRUG//insulin"}


def one(kind: str, path: str) -> dict[str, float | int]:
    from jaxehr.evaluation import evaluate

    parts, options = thirds(kind, path)
    cpu, wall = time.process_time(), time.monotonic()
    report = evaluate(*parts, **options)
    costs = {"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - wall}
    with tempfile.TemporaryDirectory() as folder:
        report.save(folder)
        size = (Path(folder) / "report.html").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    done = sum(m.status == "ok" for m in report.metrics)
    return {**costs, "peak_gb": peak, "report_mb": size / 1e6, "metrics": done}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", choices=KINDS, help="in this process")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/evaluation_cpu.json"))
    options = parser.parse_args()
    if options.only:
        print(json.dumps(one(options.only, options.data)))
        return
    found = {}
    for kind in KINDS:
        command = [sys.executable, __file__, "--data", options.data, "--only", kind]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[kind] = json.loads(done.stdout.splitlines()[-1])
        print(kind, json.dumps(found[kind], indent=1), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
