"""The memory that codes take, from the records to a trained model: a process of its own for each size.

    python benchmarks/memory.py [--recipe masked] [--steps 100] [--sizes 100000x2000 1000000x2000] [--out FILE.json]

A patient has 5 to 34 codes of a long frame, of which frequent ones come up more often. `int8` is what the matrix of
patients and codes takes with a byte for each; `records` is the peak before there is a recipe, with all imports.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

SMALL = {
    "masked": {"width": 64, "blocks": 1},
    "ehrdiff": {"width": (64, 64), "time_width": 32},
}


def records(patients: int, codes: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(patients, dtype=np.int32), rng.integers(5, 35, patients))
    which = (rng.random(len(who)) ** 2 * codes).astype(np.int32)
    names = np.array([f"ICD//{j:05}" for j in range(codes)], object)
    return pd.DataFrame({"subject_id": who, "code": pd.Series(names[which], dtype=object)})


def peak_mib() -> float:
    """Of this process so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**10 if sys.platform != "darwin" else most / 2**20


def measured(name: str, patients: int, codes: int, steps: int) -> dict:
    import jax

    import jaxehr
    from jaxehr import names

    frame = records(patients, codes)
    row = {"recipe": name, "patients": patients, "codes": codes, "lines": len(frame)}
    row |= {"int8_mib": patients * codes / 2**20, "records_mib": peak_mib()}
    began, cpu = time.monotonic(), time.process_time()
    recipe = names.recipes()[name](frame, steps=steps, batch_size=256, **SMALL[name])
    row |= {"recipe_mib": peak_mib(), "recipe_s": time.monotonic() - began}
    jaxehr.fit(recipe, frame, jax.random.key(0))
    row |= {"trained_mib": peak_mib(), "all_s": time.monotonic() - began, "steps": steps}
    return row | {"cpu_s": time.process_time() - cpu}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=list(SMALL), default="masked")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sizes", nargs="+", default=["100000x2000", "1000000x2000"])
    parser.add_argument("--out")
    options = parser.parse_args()
    if len(options.sizes) == 1 and not options.out:
        patients, codes = map(int, options.sizes[0].split("x"))
        print(json.dumps(measured(options.recipe, patients, codes, options.steps)))
        return
    rows = []
    for size in options.sizes:
        own = ["--recipe", options.recipe, "--steps", str(options.steps), "--sizes", size]
        done = subprocess.run([sys.executable, __file__, *own], stdout=subprocess.PIPE, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print({k: round(v, 1) if isinstance(v, float) else v for k, v in rows[-1].items()})
    if options.out:
        about = {"machine": platform.processor() or platform.machine(), "rows": rows}
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main()
