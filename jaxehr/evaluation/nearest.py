"""Distance from each row to the nearest row of another set, on the device, in tiles of bounded memory."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int8

TILE = 512


def hamming_nearest(
    rows: Int8[np.ndarray, "n column"], others: Int8[np.ndarray, "m column"]
) -> Float[np.ndarray, "n"]:
    """How many bits differ from the nearest other row. Bits are packed 32 to a word: XOR and count."""
    words, other_words = _packed(rows), _packed(others)
    least = _nearest(_tiled(words), jnp.asarray(other_words), _bits_between)
    return np.asarray(least, dtype=float)[: len(rows)]


def gower_nearest(
    numbers: Float[np.ndarray, "n p"],
    labels: Float[np.ndarray, "n q"],
    other_numbers: Float[np.ndarray, "m p"],
    other_labels: Float[np.ndarray, "m q"],
) -> Float[np.ndarray, "n"]:
    """Gower's distance to the nearest other row: the mean over columns of |a - b| for numbers scaled to [0, 1], and of
    a mismatch (0 or 1) for labels."""
    scale = 1 / (numbers.shape[1] + labels.shape[1])
    rows = np.concatenate([numbers, labels], 1).astype(np.float32)
    others = jnp.asarray(np.concatenate([other_numbers, other_labels], 1).astype(np.float32))
    least = _nearest(_tiled(rows), others, _gower(numbers.shape[1]))
    return np.asarray(least, dtype=float)[: len(rows)] * scale


def _packed(bits: np.ndarray) -> np.ndarray:
    words = -(-bits.shape[1] // 32)
    padded = np.zeros((len(bits), words * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1).view(np.uint32)


def _tiled(rows: np.ndarray) -> jax.Array:
    """[tile, TILE, width], the last tile filled with zeros."""
    tiles = -(-len(rows) // TILE)
    padded = np.zeros((tiles * TILE, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return jnp.asarray(padded.reshape(tiles, TILE, -1))


@partial(jax.jit, static_argnums=2)
def _nearest(tiles, others, between):
    """For each tile in turn, the least distance over chunks of the others."""
    chunks = -(-len(others) // TILE)
    # Filling up with copies of a row that is there leaves every minimum as it is.
    index = jnp.minimum(jnp.arange(chunks * TILE), len(others) - 1).reshape(chunks, TILE)

    def of_tile(tile):
        def closer(least, rows):
            return jnp.minimum(least, between(tile, others[rows]).min(axis=1)), None

        start = jnp.full(TILE, jnp.inf, jnp.float32)
        return jax.lax.scan(closer, start, index)[0]

    return jax.lax.map(of_tile, tiles).reshape(-1)


def _bits_between(a, b):
    """A word at a time, so that nothing of size [TILE, TILE, words] is held."""

    def add(total, words):
        differ = jax.lax.population_count(words[0][:, None] ^ words[1][None, :])
        return total + differ.astype(jnp.int32), None

    start = jnp.zeros((len(a), len(b)), jnp.int32)
    return jax.lax.scan(add, start, (a.T, b.T))[0].astype(jnp.float32)


@cache
def _gower(numbers: int):
    """Between rows whose first columns are numbers and whose others are labels."""

    def between(a, b):
        def add(total, columns):
            x, y, is_number = columns
            apart = jnp.minimum(jnp.abs(x[:, None] - y[None, :]), 1.0)
            return total + jnp.where(is_number, apart, jnp.sign(apart)), None

        start = jnp.zeros((len(a), len(b)), jnp.float32)
        is_number = jnp.arange(a.shape[1]) < numbers
        return jax.lax.scan(add, start, (a.T, b.T, is_number))[0]

    return between
