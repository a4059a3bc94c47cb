"""Every sampler: error against evaluations against milliseconds. A thin door to `jaxehr benchmark samplers`.

python benchmarks/samplers.py --out benchmarks/results/samplers_cpu.json
"""

import sys

from jaxehr.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", "samplers", *sys.argv[1:]]))
