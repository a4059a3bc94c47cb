"""What the environment of JAX must not change: floats of 32 bits, and threefry's keys.

JAX_ENABLE_X64=1 makes parameters of 64 bits, which no run of 32 bits can be read into; and with the keys of
JAX_DEFAULT_PRNG_IMPL=rbg a draw depends on the others of its batch.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp

from jaxehr.types import Key

P = ParamSpec("P")
R = TypeVar("R")
THREEFRY = "threefry2x32"


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with floats of 32 bits whatever JAX's setting is."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(False):
            return function(*args, **kwargs)

    return wrapped


def seeded(seed: int) -> Key:
    """`jax.random.key(seed)` as it is where nobody set another kind of key."""
    return jax.random.key(seed, impl=THREEFRY)


def threefry(key: Key) -> Key:
    """The key as one of threefry's: a key of rbg is one twice over."""
    raw = not jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not raw and str(jax.random.key_impl(key)) == THREEFRY:
        return key
    data = key if raw else jax.random.key_data(key)
    return jax.random.wrap_key_data(data[:2], impl=THREEFRY)
