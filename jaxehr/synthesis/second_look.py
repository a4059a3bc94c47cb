"""A second look at what is drawn: what is drawn too often is kept less often.

A network learns to tell the training records from as many draws. Where it has learnt all there is to learn, its logit
is log r(x), r being how much likelier a record x is among the records than among the draws (density ratio estimation:
Sugiyama et al. 2012). A draw is kept with probability r / MOST, and another made where it is not, so that what is kept
has the law p(x) r(x) where r lies between LEAST and MOST: rejection sampling by a discriminator (Azadi et al. 2019;
Grover et al. 2018). It holds given anything too, since what is known of a record multiplies p(x) r(x) by the same.

We limit r from below as well: a record of which a part is known may be one that nobody is like, and has to be drawn all
the same.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxehr.networks.ratio import ratio_network
from jaxehr.networks.tokens import Numbers
from jaxehr.synthesis.draws import no_draw
from jaxehr.synthesis.recipe import DRAWN, Look, Stage, ema_decay_for
from jaxehr.synthesis.view import CODES, Tokens
from jaxehr.types import Key, Model, Params

NAME = "second_look"
WEIGHT_DECAY = 0.1


def second_look(
    tokens: Tokens,
    numbers: Numbers,
    *,
    codes: int = 0,
    width: int,
    blocks: int,
    steps: int,
    learning_rate: float,
) -> Look:
    """Of records as `tokens` has them, and as many codes beside."""
    classes = [tokens.classes[j] for j in tokens.row]
    network = ratio_network(classes, width=width, blocks=blocks, numbers=numbers, codes=codes)

    def log_ratio(params: Params, x: Any) -> Float[Array, "*batch"]:
        bits = x[CODES] if codes else None
        return network.apply(params, (tokens.in_one_row(x), bits))

    def loss(params: Params, key: Key, x0: Any) -> Float[Array, "batch"]:
        drawn = x0[DRAWN].astype(jnp.float32)
        return jax.nn.softplus((2 * drawn - 1) * log_ratio(params, x0))

    model = Model(network.init, loss, no_draw("a second look draws nothing"))
    rate = optax.cosine_decay_schedule(learning_rate, steps)
    adam = optax.adamw(rate, weight_decay=WEIGHT_DECAY)
    return Look(Stage(NAME, model, adam, steps, ema_decay_for(steps)), log_ratio)
