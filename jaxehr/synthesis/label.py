"""The law of a label given any of the other cells: what a recipe needs that has the label as a condition.

TabDDPM draws a label from its frequencies, and the rest given the label. Where other cells are given and the label is
not, it is to be drawn from P(label | what is given), which a perceptron learns here: of each record of a batch another
share of the cells is hidden, from none to all. Ours.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxehr.codecs import Codec
from jaxehr.codecs.derived import Derived
from jaxehr.data import DataError, listed
from jaxehr.networks import perceptron
from jaxehr.processes import MASK
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.mixed import split
from jaxehr.synthesis.recipe import Stage
from jaxehr.synthesis.view import Tokens
from jaxehr.types import Key, Known, Model, Params, X

WIDTH, STEPS, RATE = (128, 128), 2_000, 1e-3

# (params, x_0 with numbers in normal scores, what is known of it) -> log-odds of each label
LabelLaw = Callable[[Params, X, X], Float[Array, "*batch class"]]


def label_token(codec: Codec, label: str) -> int:
    """Which token the label is; -1 where it is a number, and so a column like the rest.

    Raises DataError if there is no such column, or it has one value only.
    """
    columns = {c.name: c for c in getattr(codec, "columns", ())}
    if label not in columns:
        known = listed(columns, label) or "none: these are codes"
        raise DataError(f"there is no column '{label}' to be the label; the columns are {known}")
    column = columns[label]
    if isinstance(column, Derived):
        raise DataError(
            f"the label '{label}' follows from other columns ({column.law}) and is not learnt; take one of these, or "
            "leave that constraint out of the schema"
        )
    if not column.parts():
        raise DataError(f"the label '{label}' has one value only; there is nothing to predict")
    if "number" in [part for part, _ in column.parts()]:
        return -1
    part, name = column.parts()[0]
    at = codec.names[part].index(name)
    return at if part == "bit" else codec.sizes["bit"] + at


def label_law(tokens: Tokens, labels: int) -> tuple[Callable[[Key], Params], LabelLaw]:
    """(init, the law); a hidden cell is 0 in all its inputs."""
    numbers = len(tokens.indicators)
    network = perceptron(2 * numbers + tokens.width, labels, width=WIDTH)

    def law(params: Params, x0: Any, known: Any) -> Array:
        shown = {name: jnp.where(known[name], x0[name], MASK) for name in tokens.groups}
        inputs = [tokens.one_hot(shown).astype(float)] if tokens.groups else []
        if numbers:
            seen = known["number"].astype(float)
            inputs += [jnp.where(known["number"], x0["number"], 0.0), seen]
        return network.apply(params, jnp.concatenate(inputs, axis=-1))

    return network.init, law


def label_stage(init: Callable[[Key], Params], law: LabelLaw, tokens: Tokens, steps: int) -> Stage:
    """The training of a label's law: cross-entropy, of as many steps as the recipe has, but STEPS at most."""

    def loss(params: Params, key: Key, x0: Any) -> Array:
        rest, label = split(x0)
        assert label is not None
        share_key, hide_key = jax.random.split(key)
        share = jax.random.uniform(share_key, label.shape)[:, None]
        known = {
            name: jax.random.uniform(jax.random.fold_in(hide_key, i), rest[name].shape) < share
            for i, name in enumerate(sorted(rest))
        }
        if "number" in rest:
            known["number"] &= tokens.missing(rest) == 0
        return optax.softmax_cross_entropy_with_integer_labels(law(params, rest, known), label)

    steps = min(steps, STEPS)
    rate = optax.cosine_decay_schedule(RATE, max(steps, 1))
    model = Model(init, loss, no_draw("the law of a label alone draws no records"))
    return Stage("label", model, optax.adamw(rate, weight_decay=0.01), steps)


def label_drawn(
    counts: Sequence[int], law: Callable[[X, X], Array] | None = None
) -> Callable[[Key, Known | None], Array]:
    """(key, what is known) -> a label: from its frequencies, or given the other cells that are known.

    counts      of each class in training
    law         (x_0 with numbers in normal scores, what is known of it) -> log-odds of each class
    """

    def drawn(key: Key, known: Any) -> Array:
        odds = jnp.log(jnp.maximum(jnp.array(counts), 1e-9))
        if known is None:
            return jax.random.categorical(key, odds)
        if law is not None:
            odds = law(split(known.x0)[0], known.mask)
        drawn = jax.random.categorical(key, odds)
        return jnp.where(known.mask["label"], known.x0["label"], drawn)

    return drawn
