"""Bits are eight in a byte until a batch is drawn, and nothing else changes."""

import jax
import numpy as np
import optax
import pytest

from jaxehr.networks import token_network
from jaxehr.processes import Path
from jaxehr.recipes.masked import masked_model
from jaxehr.synthesis.view import tokens_with
from jaxehr.training import train
from jaxehr.training.packed import Bits, packed, unpacked, width
from jaxehr.training.step import batch_at


def table(columns, n=50, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "of_2": (rng.random((n, columns)) < 0.3).astype(np.int8),
        "of_4": rng.integers(0, 3, (n, 2)).astype(np.int8),
        "number": rng.random((n, 2)).astype(np.float32),
    }


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 64, 67])
def test_bits_come_back(columns):
    rows = table(columns)
    small = packed(rows)
    assert isinstance(small["of_2"], Bits) and small["of_2"].bytes.shape == (50, -(-columns // 8))
    assert small["of_4"] is rows["of_4"] and small["number"] is rows["number"]
    assert width(small) == columns + 4
    for name, part in unpacked(small).items():
        np.testing.assert_array_equal(part, rows[name])
        assert part.dtype == rows[name].dtype
    matrix = packed(rows["of_2"])
    np.testing.assert_array_equal(unpacked(matrix), rows["of_2"])


def test_a_batch_is_the_same():
    rows, key = table(67), jax.random.key(3)
    got, wanted = batch_at(key, packed(rows), 16), batch_at(key, rows, 16)
    jax.tree.map(np.testing.assert_array_equal, dict(got), dict(wanted))


def test_training_is_the_same_to_the_last_bit():
    tokens = tokens_with([2] * 11)
    network = token_network([2] * 11, outputs=tokens.width, width=8, blocks=1, rank=2)
    model = masked_model(network, tokens, Path(tuple(range(11))), places=0, steps=4)
    rows = {"of_2": table(11)["of_2"]}
    trained = [
        train(model, optax.adam(1e-2), part, jax.random.key(0), steps=6, batch_size=8)
        for part in (rows, packed(rows))
    ]
    jax.tree.map(np.testing.assert_array_equal, *trained)
