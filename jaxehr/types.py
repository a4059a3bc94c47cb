"""The words that every part shares.

A process says how data is noised; a denoiser says what it thinks the clean data was; a solver carries
noise to data along a grid; a recipe is a published choice of those.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, UInt32

Key = PRNGKeyArray | UInt32[Array, "2"]
Noise = Key | Float[Array, "..."]  # a key, or the standard normal draws that it stands for
X = PyTree[Array]  # one array, or a dict of arrays for mixed records
# One time for all rows, or one per row.
Time = Float[Array | np.ndarray, ""] | Float[Array | np.ndarray, "*batch"] | float
Params = PyTree
Grid = Float[Array | np.ndarray, "point"]  # times from noise to data, falling

Denoiser = Callable[[X, Time], X]  # (x_t, t) -> what x_0 is thought to be


@runtime_checkable
class Process(Protocol):
    """How data is noised. `s` is an earlier (cleaner) time than `t`."""

    def prior(self, key: Key, shape: tuple[int, ...], t: Time) -> X: ...

    def corrupt(self, key: Key, x: X, t: Time, s: Time | None = None) -> X: ...

    def posterior(self, key: Noise, x0: X, x: X, t: Time, s: Time, eta: float = 1.0) -> X: ...

    def pinned(self, key: Key, x0: X, t: Time) -> X:
        """Cells at time t whose clean value is known."""
        ...


class Known(NamedTuple):
    """What is known of a record before it is drawn; a tree for each part of x, shaped like x.

    x0          the clean values; what they are where `mask` is False does not matter
    mask        True where a cell is known
    allowed     for parts with logits, which classes a cell may take [column, class]; parts not named may take all
    narrow      cells to be drawn before all others, by part: (the turn of each, 0 where it has none [column]; the
                classes that it may take [column, class]). Only a model that `narrows` heeds it
    """

    x0: X
    mask: X
    allowed: X
    narrow: Mapping[str, tuple[X, X]] | None = None


class Draw(NamedTuple):
    """What a sampler returns: the records, and the network evaluations really spent on each."""

    x: X
    nfe: Int[Array, "*batch"]


@runtime_checkable
class Sampler(Protocol):
    """From noise to data: x_T lies at grid[0]; the result lies at grid[-1].

    key     also the noise itself, [step, *x_T.shape], where the sampler draws one normal for each step
    grid    a last 0 is the choice of a final denoising step: the result is then the denoised value
    """

    def __call__(self, key: Noise, denoise: Denoiser, process: Any, x_T: X, grid: Grid) -> Draw: ...


class Network(NamedTuple):
    """A network as two pure functions.

    init    (key) -> params
    apply   (params, x, t) -> raw output; t is a scalar, or one number per row of x
    """

    init: Callable[[Key], Params]
    apply: Callable[..., X]


class Dynamics(NamedTuple):
    """What samplers see of a trained model.

    columns     of one record
    middle      what lies between a bit that is 0 and one that is 1
    """

    denoise: Denoiser
    process: Any
    columns: int
    middle: float


class Possible(NamedTuple):
    """What must be so of a draw for it to be a record; others are made in the place of those that are none.

    holds       (x of a batch) -> of which it is so
    fault       what the others are, after "3% of the draws"
    way         what to do where hardly any is left
    """

    holds: Callable[[X], Any]
    fault: str
    way: str


class Model(NamedTuple):
    """Something that is trained by a loss and then drawn from.

    init    (key) -> params
    loss    (params, key, x0) -> one number per row, so that each patient's gradient can be clipped
    draw    (params, key, *, sampler=None, grid=None, known=None) -> Draw of one record; vmap it for more.
            None stands for the recipe's own choice. `known` is what of the record is given (Known).
    grid    (n) -> the recipe's own kind of grid with n steps; None where there is no grid
    dynamics    (params) -> what a sampler of numbers works on; None where there are categories, or no sampler
    process     how its records are noised; None where they are not
    narrows     draws heed Known.narrow, and so the cell with the hardest condition is never drawn in vain
    guides      `draw` also takes guidance=: by how much more the label weighs in a record than it does of itself
    possible    what a draw must be, where not every draw is a record
    """

    init: Callable[[Key], Params]
    loss: Callable[[Params, Key, X], Float[Array, "batch"]]
    draw: Callable[..., Draw]
    grid: Callable[[int], Grid] | None = None
    dynamics: Callable[[Params], Dynamics] | None = None
    process: Any = None
    narrows: bool = False
    guides: bool = False
    possible: Possible | None = None
