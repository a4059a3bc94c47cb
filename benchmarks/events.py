"""The time and the memory that long files take to be read: a process of its own for each size and each way.

    python benchmarks/events.py [--rows 1000000 10000000] [--out FILE.json] [--folder FOLDER]

The file is one of laboratory values in the columns of MIMIC-IV's labevents, 122 bytes a line, of 20 subjects for each
1,000 lines, in no order. `streamed` takes frames of whole subjects one by one, `whole` all events as one frame;
`imports_mib` is the peak before either begins.

On 2 CPU cores, beside much other work: 10 million lines (1.14 GiB) streamed in 20 CPU seconds (505,000 lines a second
of it, 110,000 of the wall clock) and 454 MiB, 111 of them imports; as one frame in 24 and 1.33 GiB. A million takes
2.1 and 323 MiB streamed.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHUNK = 500_000
MAP = {"time": "charttime", "code": "LAB//itemid+valueuom", "numeric_value": "valuenum"}
MAP |= {"text_value": "value"}
WAYS = ("streamed", "whole")


def write_labs(path: Path, rows: int) -> None:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    for first in range(0, rows, CHUNK):
        n = min(CHUNK, rows - first)
        item = rng.integers(50_800, 51_500, n)
        value = np.round(rng.normal(100, 30, n), 1)
        spoken = rng.random(n) < 0.05
        at = pd.Timestamp("2150-01-01") + pd.to_timedelta(rng.integers(0, 5 * 10**6, n) * 60, "s")
        labs = pd.DataFrame(
            {
                "labevent_id": np.arange(first, first + n),
                "subject_id": 10_000_000 + rng.integers(0, rows // 50, n),
                "hadm_id": 20_000_000 + rng.integers(0, rows // 50, n),
                "specimen_id": rng.integers(10**7, 10**8, n),
                "itemid": item,
                "order_provider_id": "P28Z0X",
                "charttime": at.strftime("%Y-%m-%d %H:%M:%S"),
                "storetime": at.strftime("%Y-%m-%d %H:%M:%S"),
                "value": np.where(spoken, "NEG", value.astype(str)),
                "valuenum": np.where(spoken, np.nan, value),
                "valueuom": np.array(["mg/dL", "mEq/L", "K/uL", ""])[item % 4],
                "ref_range_lower": 0.5,
                "ref_range_upper": 5.5,
                "flag": np.where(value > 130, "abnormal", ""),
                "priority": "ROUTINE",
                "comments": "",
            }
        )
        labs.to_csv(path, mode="a" if first else "w", header=not first, index=False)


def peak_mib() -> float:
    """Of this process so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**10 if sys.platform != "darwin" else most / 2**20


def measured(path: Path, way: str) -> dict:
    from jaxehr.data import events_by_subject, read_events

    row: dict = {"way": way, "file_mib": path.stat().st_size / 2**20, "imports_mib": peak_mib()}
    began, cpu = time.monotonic(), time.process_time()
    frames = events_by_subject(path, MAP) if way == "streamed" else [read_events(path, MAP)]
    counts = [(len(frame), frame["subject_id"].nunique()) for frame in frames]
    row |= {"frames": len(counts), "rows": sum(n for n, _ in counts)}
    row |= {"subjects": sum(n for _, n in counts), "peak_mib": peak_mib()}
    row |= {"s": time.monotonic() - began, "cpu_s": time.process_time() - cpu}
    return row | {
        "rows_per_s": row["rows"] / row["s"],
        "rows_per_cpu_s": row["rows"] / row["cpu_s"],
    }


def own(path: Path, what: str) -> str:
    """The last line that a process of its own says: this one stays small, since a child's peak begins with it."""
    command = [sys.executable, __file__, "--one", str(path), what]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--out")
    parser.add_argument("--folder", help="where the files are made for a while")
    parser.add_argument("--one", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        path, what = Path(options.one[0]), options.one[1]
        print(json.dumps(measured(path, what)) if what in WAYS else write_labs(path, int(what)))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size in options.rows:
            path = Path(folder) / "labevents.csv"
            own(path, str(size))
            for way in WAYS:
                rows.append(json.loads(own(path, way)))
                said = {k: round(v, 1) if isinstance(v, float) else v for k, v in rows[-1].items()}
                print(said, flush=True)
    if options.out:
        about = {"machine": platform.processor() or platform.machine(), "rows": rows}
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main()
