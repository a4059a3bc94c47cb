"""Before anything imports jax: no compilation cache, one CPU device, and types of the science checked at run time."""

import os

os.environ["JAX_COMPILATION_CACHE_DIR"] = ""
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jaxtyping import install_import_hook

SCIENCE = ("processes", "denoisers", "losses", "samplers", "networks")
install_import_hook([f"jaxehr.{part}" for part in SCIENCE], "beartype.beartype")
