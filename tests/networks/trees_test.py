"""Trees as arrays say what scikit-learn's say."""

import jax
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from jaxehr.networks.trees import DEPTH, LEAVES, NODES, as_arrays, boosted_trees

TREES = 12


@pytest.fixture(scope="module")
def grown():
    """(booster, features): many values and few, ties, trees as deep as they may be."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=3000), rng.integers(-1, 4, 3000), rng.integers(0, 2000, 3000)], 1)
    x = x.astype(np.float32)
    y = (np.sin(3 * x[:, 0]) + (x[:, 1] == 2) + (x[:, 2] % 500 > 250) + rng.normal(size=3000)) > 1
    booster = HistGradientBoostingClassifier(
        max_iter=TREES, max_leaf_nodes=LEAVES, max_depth=DEPTH, early_stopping=False, random_state=0
    )
    return booster.fit(x, y), x


@pytest.mark.parametrize("used", [1, 5, TREES])
def test_they_say_the_same(grown, used):
    """float32: sums of a dozen terms near 1, and cuts that are halfway between values."""
    booster, x = grown
    said = list(booster.staged_decision_function(x))[used - 1].ravel()
    params = as_arrays(booster, used, TREES + 3)
    found = jax.jit(boosted_trees(TREES + 3).apply)(params, x)
    np.testing.assert_allclose(found, said, atol=1e-5)
    one = boosted_trees(TREES + 3).apply(params, jax.numpy.asarray(x[7]))
    np.testing.assert_allclose(one, said[7], atol=1e-5)


def test_before_any_is_grown_they_say_nothing(grown):
    booster, x = grown
    network = boosted_trees(TREES)
    assert not np.asarray(
        network.apply(network.init(jax.random.key(0)), jax.numpy.asarray(x))
    ).any()
    assert not np.asarray(network.apply(as_arrays(booster, 0, TREES), jax.numpy.asarray(x))).any()


def test_trees_reach_as_deep_as_they_are_read(grown):
    """One that is read less deep than it was grown would say what no leaf says."""
    booster, _ = grown
    trees = [predictor.nodes for (predictor,) in booster._predictors]
    assert max(len(nodes) for nodes in trees) == NODES
    assert max(nodes["depth"].max() for nodes in trees) == DEPTH
