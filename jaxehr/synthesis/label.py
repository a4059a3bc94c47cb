"""The law of a label given any of the other cells: what a recipe needs that has the label as a condition.

TabDDPM and MedDiff draw a label from its frequencies, and the rest given the label. Where other cells are given and the
label is not, it is to be drawn from P(label | what is given), which a perceptron learns here: of each record of a batch
another share of the cells is hidden, from none to all. Ours.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxehr.codecs import Codec
from jaxehr.codecs.derived import Derived
from jaxehr.data import DataError, listed
from jaxehr.networks import perceptron
from jaxehr.processes import LOW, MASK
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.mixed import split
from jaxehr.synthesis.recipe import Stage
from jaxehr.synthesis.view import Layout, Tokens
from jaxehr.types import Key, Known, Model, Params, X

WIDTH, STEPS, RATE = (128, 128), 2_000, 1e-3

# (params, x_0, what is known of it) -> log-odds of each label
LabelLaw = Callable[[Params, X, X], Float[Array, "*batch class"]]


def label_token(codec: Codec, label: str) -> int:
    """Which token the label is; -1 where it is a number, and so a column like the rest.

    Raises ValueError if there is no such column, or it has one value only; DataError if it follows from others.
    """
    columns = {c.name: c for c in codec.columns}
    if label not in columns:
        raise ValueError(_no_such_label(codec, label))
    column = columns[label]
    if isinstance(column, Derived):
        raise DataError(
            f"the label '{label}' follows from other columns ({column.law}) and is not learnt; take one of these, or "
            "leave that constraint out of the schema"
        )
    if not column.parts():
        few = " that is not of too few patients" if getattr(column, "few", False) else ""
        raise ValueError(
            f"the label '{label}' has one value only{few}; there is nothing to predict"
        )
    if "number" in [part for part, _ in column.parts()]:
        return -1
    part, name = column.parts()[0]
    at = codec.names[part].index(name)
    return at if part == "bit" else codec.sizes["bit"] + at


def _no_such_label(codec: Codec, label: str) -> str:
    """What it is instead, and what to do."""
    if label in codec.by_name:
        return (
            f"the label '{label}' is a code; leave the label out, and draw with --given {label}=1"
        )
    if not codec.columns:
        return (
            f"the label '{label}' is to be a column of a table, and these are codes; leave it out"
        )
    names = listed([c.name for c in codec.columns], label)
    what = "is an id, which is not learnt" if label in codec.schema.names else "is no column"
    return f"the label '{label}' {what}; the columns are {names}"


class Cells(NamedTuple):
    """How a label's law reads records, of which it sees all but the part "label".

    inputs  how many numbers it reads of one
    shown   (key, x, share [batch, 1]) -> a mask of cells, each True by that chance, but never one that is missing
    read    (x, mask) -> [..., inputs]; a hidden cell is 0 in all its inputs
    """

    inputs: int
    shown: Callable[[Key, X, Array], X]
    read: Callable[[X, X], Float[Array, "*batch input"]]


def token_cells(tokens: Tokens) -> Cells:
    """Of records as `token_view` has them."""
    numbers = len(tokens.indicators)

    def shown(key: Key, x: Any, share: Array) -> X:
        rest, _ = split(x)
        known = {
            name: jax.random.uniform(jax.random.fold_in(key, i), rest[name].shape) < share
            for i, name in enumerate(sorted(rest))
        }
        if "number" in rest:
            known["number"] &= tokens.missing(rest) == 0
        return known

    def read(x: Any, known: Any) -> Array:
        rest, _ = split(x)
        seen = {name: jnp.where(known[name], rest[name], MASK) for name in tokens.groups}
        inputs = [tokens.one_hot(seen).astype(float)] if tokens.groups else []
        if numbers:
            there = known["number"].astype(float)
            inputs += [jnp.where(known["number"], rest["number"], 0.0), there]
        return jnp.concatenate(inputs, axis=-1)

    return Cells(2 * numbers + tokens.width, shown, read)


def row_cells(layout: Layout) -> Cells:
    """Of records as `labelled_view` has them: 1 and -1 of bits, and numbers about as wide."""
    p, discrete = layout.numbers, layout.numbers + layout.bits
    cells = discrete + len(layout.classes)
    groups = discrete + np.repeat(np.arange(len(layout.classes)), layout.classes)
    cell = np.concatenate([np.arange(discrete), groups]).astype(int)  # that each column is of
    optional = np.array([j for j, bit in enumerate(layout.indicators) if bit >= 0], int)
    bits = p + np.array(layout.indicators, int)[optional]

    def shown(key: Key, x: Any, share: Array) -> X:
        drawn = jax.random.uniform(key, (len(x["record"]), cells))
        known = (drawn < share)[:, cell]
        there = x["record"][:, bits] == 0
        return {"record": known.at[:, optional].set(known[:, optional] & there)}

    def read(x: Any, known: Any) -> Array:
        # A category is known where all of its classes are: of one that is not missing only that is.
        by_column = jnp.moveaxis(known["record"], -1, 0).astype(jnp.int8)
        whole = jax.ops.segment_min(by_column, cell, cells)[cell]
        whole = jnp.moveaxis(whole, 0, -1) > 0
        seen = jnp.where(whole, 2 * x["record"].astype(float) - 1, 0.0)
        return jnp.concatenate([seen, whole[..., :p].astype(float)], axis=-1)

    return Cells(layout.columns + p, shown, read)


def label_law(cells: Cells, labels: int) -> tuple[Callable[[Key], Params], LabelLaw]:
    """(init, the law)."""
    network = perceptron(cells.inputs, labels, width=WIDTH)
    return network.init, lambda params, x, known: network.apply(params, cells.read(x, known))


def label_stage(init: Callable[[Key], Params], law: LabelLaw, cells: Cells, steps: int) -> Stage:
    """The training of a label's law: cross-entropy, of as many steps as the recipe has, but STEPS at most."""

    def loss(params: Params, key: Key, x0: Any) -> Array:
        share_key, hide_key = jax.random.split(key)
        share = jax.random.uniform(share_key, x0["label"].shape)[:, None]
        odds = law(params, x0, cells.shown(hide_key, x0, share))
        return optax.softmax_cross_entropy_with_integer_labels(odds, x0["label"])

    steps = min(steps, STEPS)
    rate = optax.cosine_decay_schedule(RATE, max(steps, 1))
    model = Model(init, loss, no_draw("the law of a label alone draws no records"))
    return Stage("label", model, optax.adamw(rate, weight_decay=0.01), steps)


def label_drawn(
    counts: Sequence[int], law: Callable[[X, X], Array] | None = None
) -> Callable[[Key, Known | None], Array]:
    """(key, what is known) -> a label: from its frequencies, or given the other cells that are known.

    counts      of each class in training
    law         (x_0, what is known of it) -> log-odds of each class
    """

    def drawn(key: Key, known: Any) -> Array:
        odds = jnp.log(jnp.maximum(jnp.array(counts), 1e-9))
        if known is None:
            return jax.random.categorical(key, odds)
        if law is not None and len(jax.tree.leaves(known.mask)) > 1:
            odds = law(known.x0, known.mask)
        odds = jnp.where(known.allowed["label"], odds, LOW) if known.allowed else odds
        drawn = jax.random.categorical(key, odds)
        return jnp.where(known.mask["label"], known.x0["label"], drawn)

    return drawn
