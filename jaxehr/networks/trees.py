"""Boosted decision trees as arrays, which are saved, loaded and drawn with as the parameters of any network are.

They are grown by scikit-learn, and read here: from then on nothing of scikit-learn's is needed, nor kept.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.types import Key, Network

DEPTH, LEAVES = 8, 31  # of a tree
NODES = 2 * LEAVES - 1


def boosted_trees(trees: int) -> Network:
    """(params, features [*batch, feature]) -> the sum of what so many trees say, 0 before they are grown.

    feature, threshold  [tree, node]: a row goes left where its feature is at most the threshold
    left, right         [tree, node]: where it goes; a leaf leads to itself
    value               [tree, node]: what a leaf says
    """

    def init(key: Key) -> dict[str, Any]:
        shape = trees, NODES
        itself = jnp.broadcast_to(jnp.arange(NODES, dtype=jnp.int32), shape)
        return {
            "feature": jnp.zeros(shape, jnp.int32),
            "threshold": jnp.zeros(shape),
            "left": itself,
            "right": itself,
            "value": jnp.zeros(shape),
        }

    def apply(params, x: Float[Array, "*batch feature"], t: Any = None) -> Float[Array, "*batch"]:
        rows = x.reshape(-1, x.shape[-1])
        flat = {name: jnp.asarray(part).ravel() for name, part in params.items()}
        first = jnp.arange(trees) * NODES
        at = jnp.broadcast_to(first, (len(rows), trees))

        def deeper(_, at):
            seen = jnp.take_along_axis(rows, flat["feature"][at], axis=1)
            goes_left = seen <= flat["threshold"][at]
            return first + jnp.where(goes_left, flat["left"][at], flat["right"][at])

        at = jax.lax.fori_loop(0, DEPTH, deeper, at)
        return flat["value"][at].sum(-1).reshape(x.shape[:-1])

    return Network(init, apply)


def as_arrays(booster: Any, used: int, trees: int) -> dict[str, np.ndarray]:
    """The parameters of `boosted_trees` of scikit-learn's HistGradientBoostingClassifier of two classes: its first
    `used` trees, and what it says without any."""
    params = {
        "feature": np.zeros((trees, NODES), np.int32),
        "threshold": np.zeros((trees, NODES), np.float32),
        "left": np.tile(np.arange(NODES, dtype=np.int32), (trees, 1)),
        "right": np.tile(np.arange(NODES, dtype=np.int32), (trees, 1)),
        "value": np.zeros((trees, NODES), np.float32),
    }
    for tree, (predictor,) in enumerate(booster._predictors[:used]):
        nodes = predictor.nodes
        at = np.arange(len(nodes))
        leaf = nodes["is_leaf"].astype(bool)
        params["feature"][tree, at] = np.where(leaf, 0, nodes["feature_idx"])
        params["threshold"][tree, at] = np.where(leaf, 0.0, nodes["num_threshold"])
        params["left"][tree, at] = np.where(leaf, at, nodes["left"])
        params["right"][tree, at] = np.where(leaf, at, nodes["right"])
        params["value"][tree, at] = np.where(leaf, nodes["value"], 0.0)
    if used:
        params["value"][0] += np.where(
            params["left"][0] == np.arange(NODES), float(booster._baseline_prediction.item()), 0.0
        )
    return params
