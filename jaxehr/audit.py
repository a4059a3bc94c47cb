"""A white-box audit: do a trained model's losses tell the patients it was trained on from others?

Every patient's loss is taken under the same draws of noise level and noise, which is what makes losses comparable
between patients. With a reference model, trained on other patients, what is hard for any model is taken off.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxehr.codecs import Codec
from jaxehr.data import DataError, Records, records_of
from jaxehr.evaluation.judges.privacy import of_scores
from jaxehr.evaluation.measures.membership import Scores, area, given
from jaxehr.evaluation.measures.metric import BEYOND, Metric
from jaxehr.numerics import in_float32, threefry
from jaxehr.training.packed import unpacked
from jaxehr.types import Key, Model, Params, X

DRAWS = 128  # of noise level and noise
BATCH = 512
FEWEST = 100  # patients of each side
LOOKED_AT, LOOKS = 1_000, 32  # rows and draws of a quick look

Losses = Float[np.ndarray, "n draw"]


@in_float32
def losses(
    model: Model, params: Params, x: X, key: Key, *, draws: int = DRAWS, batch_size: int = BATCH
) -> Losses:
    """The training loss of every row under each draw; a draw is the same noise level and noise for every row.

    A loss draws for a batch from one key. Each row is a batch of its own, with the same key: so it has the same draw.
    """
    keys = jax.random.split(threefry(key), draws)
    params = jax.tree.map(jnp.asarray, params)  # of a run that was loaded they are NumPy's

    @jax.jit
    def of_batch(rows: X) -> jax.Array:
        one = lambda key, row: model.loss(params, key, jax.tree.map(lambda a: a[None], row))[0]
        return jax.lax.map(lambda key: jax.vmap(partial(one, key))(rows), keys).T

    n = len(jax.tree.leaves(x)[0])
    parts = []
    for start in range(0, n, batch_size):
        index = np.minimum(np.arange(start, start + batch_size), n - 1)  # one shape, one program
        rows = unpacked(jax.tree.map(lambda part: jnp.asarray(part[index]), x))  # noqa: B023
        parts.append(np.asarray(of_batch(rows), dtype=float)[: n - start])
    return np.concatenate(parts)


def scores(members: Losses, others: Losses) -> Scores:
    """Minus the mean loss, each draw standardised over all patients: high noise would drown low noise otherwise."""
    both = np.concatenate([members, others])
    centre, scale = both.mean(0), np.maximum(both.std(0), 1e-12)
    return Scores(*(-((part - centre) / scale).mean(1) for part in (members, others)))


def calibrated(target: Scores, reference: Scores) -> Scores:
    """What a reference model finds easy is taken off; both sides are in standard deviations."""
    return Scores(*(a - b for a, b in zip(target, reference, strict=True)))


def audit(
    target: Scores, reference: Scores | None = None, look: Scores | None = None, *, seed: int = 0
) -> Iterator[Metric]:
    """AUC, true positive rates and epsilon's lower bound, without and with the reference, and by the second look of a
    run that has one. Raises ValueError for fewer than 100 patients on a side."""
    n = min(len(part) for part in target)
    if n < FEWEST:
        raise ValueError(f"an audit needs {FEWEST} members and {FEWEST} others; got {n}")
    yield from of_scores("audit_loss", given(target, seed), seed)
    if reference is not None:
        apart = calibrated(target, reference)
        yield from of_scores("audit_reference", given(apart, seed), seed)
    if look is not None:
        yield from of_scores("audit_second_look", given(look, seed), seed)


def remembered(model: Model, params: Params, learnt: X, others: X) -> dict[str, float]:
    """auc, low, high (95%), members, others: how well the losses tell rows that were learnt from rows held out.

    A quick look, at a thousand rows of either and 32 draws.
    """
    rng = np.random.default_rng(0)
    found = []
    for rows in (learnt, others):
        n = len(jax.tree.leaves(rows)[0])
        chosen = rng.permutation(n)[:LOOKED_AT]
        part = jax.tree.map(lambda whole, at=chosen: np.asarray(whole)[at], rows)
        found.append(losses(model, params, part, jax.random.key(0), draws=LOOKS))
    told = scores(*found)
    auc = area(given(told))
    low, high = (float(np.clip(end, 0, 1)) for end in auc[1:])
    sizes = {"members": len(told.members), "others": len(told.others)}
    return {"auc": auc.value, "low": low, "high": high, **sizes}


def said(remembers: dict[str, float] | None, rows: int) -> str:
    """One line about what a run remembers of the patients that it learnt.

    remembers   of `remembered`; None where no rows were held out
    rows        that were learnt
    """
    if remembers is None:
        return (
            f"not measured: what the run remembers of each of its {rows:,} patients, since none was held out; "
            "until `jaxehr audit` and `jaxehr evaluate` with others say otherwise, take it for the records themselves"
        )
    auc, low, high = (remembers[name] for name in ("auc", "low", "high"))
    figures = f"AUC {auc:.3f}, {low:.3f} to {high:.3f}; 0.5 is chance"
    if auc - BEYOND * (auc - low) > 0.5:
        return (
            f"it leaks: the run's losses tell patients that it learnt from others ({figures}); do not give the run "
            "away, and judge what it draws with `jaxehr evaluate --holdout`"
        )
    return f"the run's losses do not tell patients that it learnt from others ({figures}); that is no proof"


def scored(
    run: tuple[Model, Params],
    to_x: Callable[[pd.DataFrame], X],
    members: pd.DataFrame,
    others: pd.DataFrame,
    key: Key,
    *,
    draws: int = DRAWS,
) -> Scores:
    """The scores of a run, which sees records through `to_x`."""
    found = [losses(*run, to_x(frame), key, draws=draws) for frame in (members, others)]
    return scores(*found)


def learnt(data: Any, codecs: list[Codec]) -> tuple[Any, int]:
    """The records that every codec can encode, and how many patients are left out: those with a category that was not
    there in training, or with codes alone and none that was. Other codes that were not there are taken off a patient.

    Raises DataError for records that lack a column of a run, or hold what its kind cannot.
    """
    if len({tuple(codec.parts) for codec in codecs}) > 1:
        raise DataError(
            "one of the runs is of a table, the other of codes, or of a series: they share no records"
        )
    for codec in codecs:
        codec.schema.check(data)
    records = records_of(data)
    static, events, kept = records.static, records.events, None
    if events is not None:
        for codec in codecs:
            names = codec.codes if codec.series is None else codec.series.variables
            events = events[events["code"].isin(names)]
    if static is not None:
        known = np.all([codec.encodable(static) for codec in codecs], axis=0)
        static = static[known].reset_index(drop=True)
        if events is not None:
            events = events[events["subject_id"].isin(static["subject_id"])]
    if events is not None:
        events = events.reset_index(drop=True)
    if isinstance(data, Records):
        kept = Records(static, events)
        return kept, len(records) - len(kept)
    return static if events is None else events, len(records) - len(Records(static, events))
