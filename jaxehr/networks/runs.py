"""What is carried on through a course, as its noisy copies say it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LIVES = (2.0, 8.0)  # steps in which what a run says of those around it is worth half


class Runs(NamedTuple):
    """Of the value at each step [step, *batch, value], from the noisy copies alone:

    own, doubted    the mean of the copies of its run, shrunk as that of a value N(0, 1), and N(0, 1/4)
    open            how much of that prior variance of 1 the copies leave
    before, after   `own` of the runs beside it; 0 beyond the ends
    past, future    the mean of a course that has runs around it, by those before and after, which are worth less the
                    further they are: for each of `LIVES`
    course          the same by all of them
    """

    own: Array
    doubted: Array
    open: Array
    before: Array
    after: Array
    past: tuple[Array, ...]
    future: tuple[Array, ...]
    course: Array


def runs_of(
    x: Float[Array, "step *batch value"],
    stands: Float[Array, "step *batch value"],
    sigma: Float[Array, "..."],
) -> Runs:
    """Of values with noise of `sigma`, which stand at that of the step before with these probabilities.

    A run begins where a value does not stand, and is measured there. Where `stands` is 0 or 1, `own` and `course` are
    posterior means of Gaussian values: one for each run, around that of the course, each with a variance of 1/2; `own`
    by its run alone.
    """
    ahead = stands.at[0].set(0.0)  # nothing is before the first step
    back = jnp.concatenate([ahead[1:], jnp.zeros_like(x[:1])])
    copies = jnp.stack([x, jnp.ones_like(x)])
    total, count = _walk(ahead, copies) + _walk(back, copies, reverse=True) - copies
    noise = jnp.square(sigma)
    own = total / (count + noise)
    # What the copies of a run say of its course, where it begins: the noise, and half of the variance.
    said = (1 - stands) / (count / 2 + noise) * jnp.stack([total, count])

    def course(of: Float[Array, "two ..."]) -> Array:
        return of[0] / (of[1] + 2)

    def held(of: Array) -> Array:
        """What is so where a run begins, for all of it."""
        return _walk(ahead, (1 - ahead) * of)

    past, future = [], []
    for life in LIVES:
        stay = jnp.full_like(x, 0.5 ** (1 / life))
        past.append(held(_earlier(course(stay * _walk(stay, said)))))
        future.append(held(_later(course(stay * _walk(stay, said, reverse=True)))))
    return Runs(
        own,
        total / (count + 4 * noise),
        noise / (count + noise),
        held(_earlier(own)),
        _walk(back, (1 - back) * _later(own), reverse=True),
        tuple(past),
        tuple(future),
        jnp.broadcast_to(course(said.sum(1)), x.shape),
    )


def _walk(stay: Array, add: Array, reverse: bool = False) -> Array:
    """y_t = stay_t y_(t-1) + add_t from 0, of what is added, stacked or not; `reverse`, from the last step on."""
    stacked = add.reshape(-1, *stay.shape)

    def step(y, at):
        y = at[0] * y + at[1]
        return y, y

    rest = jnp.zeros_like(stacked[:, 0])
    found = jax.lax.scan(step, rest, (stay, stacked.swapaxes(0, 1)), reverse=reverse)[1]
    return found.swapaxes(0, 1).reshape(add.shape)


def _earlier(x: Array) -> Array:
    return jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])


def _later(x: Array) -> Array:
    return jnp.concatenate([x[1:], jnp.zeros_like(x[:1])])
