"""Before anything imports jax: one CPU device, and types of the science checked at run time.

Programs are compiled once in a run of the tests, whichever process comes to them first, and forgotten when it ends.
"""

import atexit
import gc
import os
import shutil
import sys
import tempfile

import pytest
from jaxtyping import install_import_hook

if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxehr-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

SCIENCE = ("processes", "denoisers", "losses", "samplers", "networks")
install_import_hook([f"jaxehr.{part}" for part in SCIENCE], "beartype.beartype")


def pytest_collection_finish():
    """What is imported by now stays, and traces make many objects that live for long: to look for garbage among them
    after every 700 takes a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="module", autouse=True)
def programs_of_a_file():
    """They are forgotten after it: a process that keeps those of every file grows to gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="module")
def compiled_lightly():
    """For files whose time is spent compiling. Programs run slower, and round otherwise: not where that is tested."""
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
