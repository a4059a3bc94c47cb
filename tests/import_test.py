"""Importing jaxehr costs next to nothing and starts nothing."""

import os
import subprocess
import sys

# Heavy, and only needed by some: imported where they are used.
LATE = ("matplotlib", "sklearn", "scipy", "pyarrow", "orbax", "pandas", "flax", "optax", "diffrax")


def run(code):
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS",)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip()


def test_less_than_a_second_beyond_jax():
    """Timed inside one process each, the best of three: what other programs do meanwhile does not count."""
    code = "import time, jax; start = time.process_time(); import jaxehr; print(time.process_time() - start)"
    assert min(float(run(code)) for _ in range(3)) < 1.0


def test_nothing_heavy_and_no_device():
    code = (
        "import sys, jax; before = set(sys.modules); import jaxehr; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before})); "
        "from jax._src import xla_bridge; print(xla_bridge.backends_are_initialized())"
    )
    modules, started = run(code).splitlines()
    assert not set(LATE) & set(modules.split())
    assert started == "False"


def test_every_public_name_is_there():
    import jaxehr

    for name in jaxehr.__all__:
        assert getattr(jaxehr, name) is not None
    assert set(dir(jaxehr)) >= set(jaxehr.__all__)
