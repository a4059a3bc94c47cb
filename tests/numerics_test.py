"""The environment of JAX changes no number: floats of 64 bits asked for, or another kind of keys."""

import os
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr import recipes
from jaxehr.audit import losses
from jaxehr.numerics import seeded, threefry

SETTINGS = {
    "floats of 64 bits": lambda: jax.enable_x64(True),
    "rbg": lambda: jax.default_prng_impl("rbg"),
}
SMALL = {
    "masked": {"width": 16, "blocks": 1, "steps": 10, "batch_size": 16},
    "ehrdiff": {"width": (8, 8), "time_width": 8, "steps": 10, "batch_size": 16},
}


def records():
    rng = np.random.default_rng(0)
    lab = np.where(rng.random(48) < 0.3, np.nan, rng.normal(size=48).round(2))
    return pd.DataFrame(
        {"age": rng.integers(20, 90, 48), "lab": lab, "sex": rng.choice(["f", "m", "x"], 48)}
    )


def round_trip(name, path):
    """(parameters, draws, the draws of what was saved and loaded, losses), with keys made in the usual way."""
    frame = records()
    made = getattr(recipes, name)(frame, **SMALL[name])
    synthesizer = jaxehr.fit(made, frame, jax.random.key(0))
    drawn = [synthesizer.sample(jax.random.key(1), 10, batch_size=b) for b in (4, 16)]
    pd.testing.assert_frame_equal(*drawn, rtol=1e-4)  # each record from a key of its own
    synthesizer.save(path)
    loaded = jaxehr.load(path).sample(jax.random.key(1), 10, batch_size=4)
    x = made.view.to_x(made.codec.encode(frame))
    params = synthesizer.params[made.stages[-1].name]
    found = losses(synthesizer.model, params, x, jax.random.key(2), draws=2)
    return jax.tree.map(np.asarray, synthesizer.params), drawn[0], loaded, found


@pytest.mark.parametrize("name", SMALL)
def test_a_round_trip_is_the_same_to_the_bit(tmp_path, name):
    params, drawn, loaded, found = round_trip(name, tmp_path / "plain")
    pd.testing.assert_frame_equal(drawn, loaded)
    for setting, set_ in SETTINGS.items():
        with set_():
            again = round_trip(name, tmp_path / setting)
        jax.tree.map(np.testing.assert_array_equal, again[0], params)
        pd.testing.assert_frame_equal(again[1], drawn)
        pd.testing.assert_frame_equal(again[2], drawn)
        np.testing.assert_array_equal(again[3], found)


def test_a_key_is_threefrys_whatever_it_was():
    """A key of rbg is one of threefry twice over, split and folded alike."""
    want = jax.random.key_data(jax.random.fold_in(seeded(7), 3))
    keys = [jax.random.fold_in(jax.random.key(7, impl=impl), 3) for impl in ("threefry2x32", "rbg")]
    with jax.default_prng_impl("rbg"):
        keys.append(jax.random.fold_in(seeded(7), 3))
    for key in (*keys, jax.random.fold_in(jax.random.PRNGKey(7), 3)):
        np.testing.assert_array_equal(jax.random.key_data(threefry(key)), want)


HOMELESS = """
import os, pathlib, sys
import jax
from jaxehr.commands.command import cache_compilations
def lost(): raise RuntimeError("Could not determine home directory.")
if sys.argv[1] == "none": pathlib.Path.home = staticmethod(lost)
cache_compilations()
print(jax.config.jax_compilation_cache_dir)
"""


@pytest.mark.parametrize("home", ["none", "a file", "a folder"])
def test_a_home_that_is_none_keeps_no_programs(tmp_path, home):
    (tmp_path / "a file").write_text("")
    left = ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in left} | {
        "HOME": str(tmp_path / home)
    }
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, home], capture_output=True, text=True, env=environment
    )
    want = str(tmp_path / home / ".cache" / "jaxehr") if home == "a folder" else "None"
    assert (done.returncode, done.stdout.strip()) == (0, want), done.stderr
