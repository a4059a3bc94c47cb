"""A second look at what is drawn: what is drawn too often is kept less often.

Boosted trees learn to tell the records from draws. Where they have learnt all there is to learn, their logit is
log r(x), r being how much likelier a record x is among the records than among the draws (density ratio estimation:
Sugiyama et al. 2012). A draw is kept with probability r / M, and another made where it is not, so that what is kept has
the law p(x) r(x) where r lies between LEAST and M: rejection sampling by a discriminator (Azadi et al. 2019; Grover et
al. 2018). It holds given anything too, since what is known of a record multiplies p(x) r(x) by the same.

We limit r from below as well: a record of which a part is known may be one that nobody is like, and has to be drawn
all the same. From above M is what r is of one draw in a hundred, MOST at most. What is lost by these ends is not the
same everywhere: of NAFLD's rows, say, those with few gaps are hard to draw, and were kept too seldom. So more trees
learn to tell the records from what is kept by the first, and r is corrected by theirs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.codecs import Codec
from jaxehr.evaluation.measures.learners import one_thread
from jaxehr.networks.trees import DEPTH, LEAVES, as_arrays, boosted_trees
from jaxehr.synthesis.cells import Sight, sight_of
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.look import DRAWN, Look
from jaxehr.synthesis.view import CODES, Tokens
from jaxehr.training.progress import say
from jaxehr.training.step import rows_of
from jaxehr.types import Key, Model, Params, X

NAME, CHANCE = "second_look", float(np.log(2.0))
LEAST, MOST = 0.02, 5.0  # how much less and how much more often than it is drawn a record is kept
RATE, LEAF, SHARE = 0.05, 200, 0.3  # of boosting; rows in a leaf; features that a cut may be of
# Leaves of a tree: of few rows large trees learn by heart, and what is kept is then nearer to these than to others (on
# flchain, 3,937 rows, .56 of it with 31 leaves of 40 rows and twice the rate, .53 with 6, .52 without any look).
FEWEST, ROWS_FOR_ONE = 6, 1_500
CODES_SEEN = 256  # the most frequent ones


def second_look(codec: Codec, tokens: Tokens, *, trees: int) -> Look:
    """Of records as `tokens` has them, and of the codes beside. It sees the values of numbers in their order, as they
    will be rounded; categories; whether cells of one vocabulary are equal; the most frequent codes and how many there
    are."""
    sight = sight_of(codec, tokens)
    more, seen = -(-trees // 4), min(len(codec.codes), CODES_SEEN)
    leaves = int(np.clip(codec.rows // ROWS_FOR_ONE, FEWEST, LEAVES))
    network, again = boosted_trees(trees), boosted_trees(more)

    def init(key: Key) -> Params:
        started: Any = network.init(key)
        codes_seen = {"codes": jnp.arange(seen)} if seen else {}
        second: Any = again.init(key)
        ends = {"limit": jnp.zeros(()), "most": jnp.ones(())}
        return {"trees": started, "again": second, **ends, **codes_seen}

    def log_ratio(params: Any, x: Any) -> Float[Array, "*batch"]:
        seen_of = _features(sight, tokens, params.get("codes"), x)
        first = network.apply(params["trees"], seen_of)
        return _limited(first, params["limit"]) + again.apply(params["again"], seen_of)

    def chance(params: Any, x: Any) -> Float[Array, "*batch"]:
        most = params["most"]
        return jnp.clip(jnp.exp(log_ratio(params, x)), LEAST, most) / most

    def loss(params: Params, key: Key, x0: Any) -> Float[Array, "batch"]:
        drawn = x0[DRAWN].astype(jnp.float32)
        return jax.nn.softplus((2 * drawn - 1) * log_ratio(params, x0))

    def learn(seed: int, learnt: tuple[X, X], judged: tuple[X, X]) -> Params:
        params: Any = {"codes": _most_frequent(learnt[0], seen)} if seen else {}
        found = jax.jit(partial(_features, sight, tokens, params.get("codes")))
        own, others = (tuple(_by_batch(found, x) for x in both) for both in (learnt, judged))
        ones = tuple(np.ones(len(both[1])) for both in (own, others))
        params["trees"], told = _grown(seed, own, others, ones, trees, leaves)
        said = tuple(
            _by_batch(partial(network.apply, params["trees"]), both[1]) for both in (own, others)
        )
        params["limit"] = np.float32(np.clip(np.quantile(said[1], 0.99), 0.0, np.log(MOST)))
        kept = tuple(np.exp(_limited(each, params["limit"])) for each in said)
        params["again"], _ = _grown(seed + 1, own, others, kept, more, leaves)
        ratio = kept[1] * np.exp(_by_batch(partial(again.apply, params["again"]), others[1]))
        params["most"] = np.float32(np.clip(np.quantile(ratio, 0.99), 1.0, MOST))
        share = np.mean(np.clip(ratio, LEAST, params["most"])) / params["most"]
        say(
            f"{NAME}: trees tell records from draws with a loss of {told:.4f} on rows held out, where {CHANCE:.4f} is "
            f"chance; of {1 / share:.1f} draws one is kept"
        )
        return params

    model = Model(init, loss, no_draw("a second look draws nothing"))
    return Look(NAME, model, learn, chance)


def _features(sight: Sight, tokens: Tokens, codes: Array, x: Any) -> Float[Array, "*batch feature"]:
    row = tokens.in_one_row(x)
    parts = [sight.places(row), sight.equal(row)]
    if codes is not None:
        bits = x[CODES]
        count = bits.sum(-1, dtype=jnp.int32)[..., None]
        parts += [count, jnp.take(bits, codes, axis=-1)]
    return jnp.concatenate([part.astype(jnp.float32) for part in parts], axis=-1)


def _limited(log_ratio: Any, most: Any) -> Any:
    return jnp.clip(log_ratio, np.log(LEAST), most)


def _most_frequent(x: Any, n: int) -> np.ndarray:
    often = np.asarray(x[CODES]).sum(0, dtype=np.int64)
    return np.sort(np.argsort(-often, kind="stable")[:n]).astype(np.int32)


def _by_batch(found: Callable[[X], Array], x: X, size: int = 4096) -> np.ndarray:
    """Of all rows, some at a time in one shape."""
    n = rows_of(x)
    blocks = []
    for start in range(0, n, size):
        at = np.minimum(np.arange(start, start + size), n - 1)
        block = found(jax.tree.map(lambda part: jnp.asarray(part[at]), x))  # noqa: B023
        blocks.append(np.asarray(block)[: n - start])
    return np.concatenate(blocks)


def _grown(
    seed: int,
    learnt: tuple[np.ndarray, ...],
    judged: tuple[np.ndarray, ...],
    kept: tuple[np.ndarray, ...],
    trees: int,
    leaves: int,
) -> tuple[dict[str, np.ndarray], float]:
    """(trees for (features of records, of draws), of them the first so many that tell those judged best, maybe none;
    their loss on these).

    kept    of the draws of both, how often each is
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    booster = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=RATE,
        max_leaf_nodes=leaves,
        max_depth=DEPTH,
        min_samples_leaf=LEAF,
        max_features=SHARE,
        early_stopping=False,
        random_state=seed,
    )
    with one_thread():
        x, label, weight = _labelled(learnt, kept[0])
        booster.fit(x, label, weight)
        x, label, weight = _labelled(judged, kept[1])
        losses = [CHANCE]
        for said in booster.staged_decision_function(x):
            each = np.logaddexp(0.0, (1 - 2 * label) * said.ravel())
            losses.append(float(np.average(each, weights=weight)))
    best = int(np.argmin(losses))
    return as_arrays(booster, best, trees), losses[best]


def _labelled(
    features: tuple[np.ndarray, ...], kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, 1 for a record, weights by which there are as many draws as records)."""
    real, drawn = features
    label = np.repeat([1, 0], [len(real), len(drawn)])
    weight = np.concatenate([np.full(len(real), len(drawn) / len(real)), kept / kept.mean()])
    return np.concatenate([real, drawn]), label, weight
