"""The same numbers on one device and on eight: losses of 60 steps to rtol 1e-6, draws to 1e-5, of some by pmap too."""

import os
import subprocess
import sys
from pathlib import Path


def test_on_eight_devices():
    """In a process of its own: the number of devices is fixed when jax starts."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    script = Path(__file__).parent / "eight_devices.py"
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the same on one device and on eight" in done.stdout
