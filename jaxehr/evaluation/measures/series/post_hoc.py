"""Scores by recurrent networks that are trained after the fact, as published for series.

Discriminative (Yoon et al. 2019, TimeGAN): how well courses are told from real ones. Predictive: how well a network
that learnt from the courses predicts real ones a step ahead; TimeGAN's of the last variable from the others, and that
of all variables from all (TIMEDIFF, Tian et al. 2024). They compare with published figures by the same protocol alone.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.learners import area_under_curve
from jaxehr.evaluation.measures.series import gru
from jaxehr.evaluation.measures.series.scaling import (
    Scaled,
    Scaling,
    as_they_are,
    standardised,
)
from jaxehr.numerics import in_float32
from jaxehr.types import Params

BATCH = 128  # of each set
ROWS = 10_000  # of each set, at most
SHARE = 0.8  # that a discriminator learns from; the rest it is asked of


class Told(NamedTuple):
    """How well courses are told from real ones, of the rows kept from training, by seed."""

    accuracy: Float[np.ndarray, "seed"]
    area: Float[np.ndarray, "seed"]  # AUC: 0.5 in expectation where they cannot be told

    @property
    def score(self) -> Float[np.ndarray, "seed"]:
        """|accuracy - 1/2|, the published figure: above 0 by chance."""
        return np.abs(self.accuracy - 0.5)


def discriminative(
    real: Series,
    other: Series,
    train: Series,
    *,
    scaling: Scaling = standardised,
    seeds: int = 5,
    seed: int = 0,
    iterations: int = 2000,
) -> Told:
    """A network of max(d // 2, 1) units that is asked, at a course's end, whether it is real.

    As many of each set, in an order of their own for each seed; four fifths to learn from, 128 of either a step.
    The published figure has `real` held out from training (TIMEDIFF: the test set). `train` is for the scaling.
    """
    a, b = scaling(real, other, train)
    rng = np.random.default_rng(seed)
    learnt, asked = zip(*[split(rng, len(real), len(other)) for _ in range(seeds)], strict=True)
    batch = lambda rows: gru.batches(rng, rows, iterations, BATCH)
    order = np.stack([np.concatenate([*map(batch, own)], axis=1) for own in learnt])
    x = np.concatenate([a.inputs(), b.inputs()])
    lengths = np.concatenate([a.lengths, b.lengths]).astype(np.int32)
    y = np.repeat(np.array([1, 0], np.float32), [len(real), len(other)])
    first = gru.init(rng, gru.Shape(x.shape[2], max(x.shape[2] // 2, 1), 1), seeds)
    params = gru.trained(entropy, first, (x, lengths, y), order)
    rows = np.stack(asked).reshape(seeds, -1)
    told, truth = odds(params, x, lengths, rows), y[rows] == 1
    areas = [area_under_curve(t, o) for t, o in zip(truth, told, strict=True)]
    return Told(((told > 0) == truth).mean(1), np.array(areas))


def split(
    rng: np.random.Generator, n: int, m: int
) -> tuple[Int[np.ndarray, "set row"], Int[np.ndarray, "set row"]]:
    """Rows to learn from and to ask of, as many of either set; those of the second are counted after the first's."""
    most = min(n, m, ROWS)
    rows = np.stack([rng.permutation(n)[:most], n + rng.permutation(m)[:most]])
    kept = int(most * SHARE)
    return rows[:, :kept], rows[:, kept:]


def entropy(params: Params, rows: tuple[Array, Array, Array]) -> Float[Array, ""]:
    """Cross-entropy of a yes or no at the end of each course. Of two sets of one size it is half the sum of their own,
    which Adam's steps are the same for."""
    x, lengths, y = rows
    logits = gru.last_step(params, x, lengths)[:, 0]
    return jnp.mean(jax.nn.softplus(logits) - y * logits)


@in_float32
def odds(
    params: Params, x: np.ndarray, lengths: np.ndarray, rows: np.ndarray
) -> Float[np.ndarray, "seed row"]:
    """Log odds of yes, by the network of each seed, of the rows it is asked for."""
    return np.asarray(_odds(params, x, lengths, rows))


@jax.jit
def _odds(params: Params, x: Array, lengths: Array, rows: Array) -> Array:
    return jax.vmap(lambda p, r: gru.last_step(p, x[r], lengths[r])[:, 0])(params, rows)


def predictive_last(
    real: Series,
    other: Series,
    train: Series,
    *,
    scaling: Scaling = as_they_are,
    seeds: int = 5,
    seed: int = 0,
    iterations: int = 5000,
) -> Float[np.ndarray, "seed"]:
    """TimeGAN's protocol: the next value of the last variable from the others up to now, by a sigmoid, so that values
    are wanted in [0, 1]. Mean absolute error on the real courses, in the unit of the scaling.

    Raises ValueError where there are fewer than two variables.
    """
    if real.values.shape[2] < 2:
        raise ValueError("the last variable is predicted from others; got one variable")
    tested, learnt = (_ahead(part, slice(-1), [-1]) for part in scaling(real, other, train))
    return _predicted(error_last, real.values.shape[2], tested, learnt, seeds, seed, iterations)


def predictive_all(
    real: Series,
    other: Series,
    train: Series,
    *,
    scaling: Scaling = standardised,
    seeds: int = 5,
    seed: int = 0,
    iterations: int = 5000,
) -> Float[np.ndarray, "seed"]:
    """TIMEDIFF's protocol: the next values of all variables from all up to now."""
    tested, learnt = (_ahead(part, slice(None)) for part in scaling(real, other, train))
    return _predicted(error_all, real.values.shape[2], tested, learnt, seeds, seed, iterations)


class Ahead(NamedTuple):
    """Inputs, what is next, and 1 where that is judged."""

    x: Float[np.ndarray, "n step d"]
    y: Float[np.ndarray, "n step o"]
    judged: Float[np.ndarray, "n step o"]


def _ahead(scaled: Scaled, read: slice, predicted: Any = slice(None)) -> Ahead:
    values, seen = scaled.values, scaled.seen
    inputs = scaled._replace(
        values=values[:, :-1, read], seen=None if seen is None else seen[:, :-1, read]
    ).inputs()
    within = np.arange(1, values.shape[1]) < scaled.lengths[:, None]
    y = values[:, 1:, predicted]
    judged = np.broadcast_to(within[..., None], y.shape)
    if seen is not None:
        judged = judged & seen[:, 1:, predicted]
    return Ahead(inputs[:ROWS], y[:ROWS], judged[:ROWS].astype(np.float32))


def _predicted(
    loss: gru.Loss,
    variables: int,
    tested: Ahead,
    learnt: Ahead,
    seeds: int,
    seed: int,
    iterations: int,
) -> Float[np.ndarray, "seed"]:
    rng = np.random.default_rng(seed)
    rows = np.arange(len(learnt.x))
    order = np.stack([gru.batches(rng, rows, iterations, BATCH) for _ in range(seeds)])
    shape = gru.Shape(learnt.x.shape[2], max(variables // 2, 1), learnt.y.shape[2])
    return _errors(loss, gru.trained(loss, gru.init(rng, shape, seeds), learnt, order), tested)


@in_float32
def _errors(loss: gru.Loss, params: Params, tested: Ahead) -> Float[np.ndarray, "seed"]:
    """The mean over courses of each one's mean error; a course with nothing to judge is left out."""
    of_course = np.asarray(_of_courses(loss, params, tested))
    return of_course[:, tested.judged.any((1, 2))].mean(1)


@partial(jax.jit, static_argnames="loss")
def _of_courses(loss: gru.Loss, params: Params, tested: Ahead) -> Array:
    single = jax.tree.map(lambda part: part[:, None], tested)
    return jax.vmap(lambda p: jax.vmap(partial(loss, p))(single))(params)


def error_last(params: Params, rows: Ahead) -> Float[Array, ""]:
    return _mean_error(jax.nn.sigmoid(gru.each_step(params, jnp.asarray(rows.x))), rows)


def error_all(params: Params, rows: Ahead) -> Float[Array, ""]:
    return _mean_error(gru.each_step(params, jnp.asarray(rows.x)), rows)


def _mean_error(forecast: Array, rows: Ahead) -> Array:
    return jnp.sum(jnp.abs(forecast - rows.y) * rows.judged) / jnp.maximum(rows.judged.sum(), 1)
