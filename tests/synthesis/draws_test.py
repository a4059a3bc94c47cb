"""How a recipe draws: its own way where nothing else is asked, and what is known stays as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import MASK, Gaussian, Masked, Mixed, edm
from jaxehr.samplers import ancestral, uniform, unmasking
from jaxehr.synthesis.draws import at_once, no_draw, noise_to_data, shown
from jaxehr.types import Draw, Known

KEYS = tuple(jax.random.split(jax.random.key(0)))
PROCESS = Gaussian(edm())
NOTHING = Known(jnp.zeros(3), jnp.zeros(3, bool), {})


def told(name):
    """A sampler that stays at x_T, and says its name and its grid."""
    calls = []

    def sample(key, denoise, process, x_T, grid):
        calls.append((name, tuple(np.asarray(grid))))
        return Draw(x_T, jnp.asarray(len(grid) - 1))

    return sample, calls


def test_its_own_sampler_and_grid_where_nothing_is_asked():
    (own, calls), (other, asked) = told("own"), told("other")
    walk = noise_to_data(PROCESS, (3,), sampler=own, grid=uniform, steps=4)
    found = walk(KEYS, None)
    assert calls == [("own", tuple(uniform(4)))] and found.end == 0.0 and found.nfe == 4
    np.testing.assert_array_equal(found.x, PROCESS.prior(KEYS[0], (3,), 1.0))
    grid = np.array([0.5, 0.25])
    found = walk(KEYS, None, sampler=other, grid=grid)
    assert asked == [("other", (0.5, 0.25))] and found.end == 0.25
    np.testing.assert_array_equal(found.x, PROCESS.prior(KEYS[0], (3,), 0.5))
    walk(KEYS, None, sampler=other)
    walk(KEYS, None, grid=grid)
    assert asked[1:] == [("other", tuple(uniform(4)))] and calls[1:] == [("own", (0.5, 0.25))]


def test_what_is_known_is_held_on_a_grid_of_its_own():
    """By the sampler that `hold` makes of the one asked for, on a grid shortened only where none is asked for."""
    (own, calls), (other, _) = told("own"), told("other")
    held = []

    def hold(key, sampler, known):
        held.append((key, sampler, known))
        return own

    walk = noise_to_data(
        PROCESS, (3,), sampler=own, grid=uniform, steps=40, hold=hold, held_steps=6
    )
    walk(KEYS, None, known=NOTHING)
    walk(KEYS, None, known=NOTHING, grid=uniform(9))
    assert [len(grid) - 1 for _, grid in calls] == [6, 9]
    walk(KEYS, None, known=NOTHING, sampler=other)
    assert all(key is KEYS[0] and k is NOTHING for key, _, k in held)
    assert [s for _, s, _ in held] == [None, None, other]
    few = noise_to_data(PROCESS, (3,), sampler=own, grid=uniform, steps=3, hold=hold)
    few(KEYS, None, known=NOTHING)
    assert len(calls[-1][1]) - 1 == 3


def test_a_known_number_is_the_end_of_the_path():
    walk = noise_to_data(PROCESS, (3,), sampler=ancestral(), grid=uniform, steps=5)
    known = Known(jnp.array([0.25, 9.0, 9.0]), jnp.array([True, False, False]), {})
    denoise = lambda x, t: jnp.full(3, -1.0)
    x = walk(KEYS, denoise, known=known).x
    np.testing.assert_allclose(x, [0.25, -1.0, -1.0], atol=1e-6)
    with pytest.raises(ValueError, match="leave the sampler out"):
        walk(KEYS, denoise, known=known, sampler=ancestral())


def test_a_known_cell_is_shown_from_the_start_and_a_narrow_one_next():
    """As the denoiser sees them: first the known cell alone, then the narrow one beside it, of a class it may take."""
    process = Mixed({"of_4": Masked((4, 4, 4))})
    seen = []

    def denoise(x, t):
        jax.debug.callback(lambda row: seen.append(np.asarray(row)), x["of_4"], ordered=True)
        return {"of_4": jnp.zeros((3, 4))}

    turn, fits = (
        jnp.array([0, 1, 0]),
        jnp.array([[True] * 4, [False, False, True, False], [True] * 4]),
    )
    known = Known(
        {"of_4": jnp.array([3, 0, 0])},
        {"of_4": jnp.array([True, False, False])},
        {},
        {"of_4": (turn, fits)},
    )
    walk = noise_to_data(
        process, {"of_4": (3,)}, sampler=unmasking(), grid=uniform, steps=2, hold=shown(unmasking())
    )
    x = walk(KEYS, denoise, known=known).x["of_4"]
    jax.effects_barrier()
    assert x[:2].tolist() == [3, 2] and x[2] != MASK
    assert seen[0].tolist() == [3, MASK, MASK] and seen[1].tolist() == [3, 2, MASK]
    stay, _ = told("other")
    assert walk(KEYS, denoise, known=known, sampler=stay).x["of_4"].tolist() == [3, 2, MASK]


def test_what_has_no_path_says_so():
    draw = at_once("vae", lambda params, key: params + jnp.zeros(2))
    assert draw(1.0, KEYS[0]).x.tolist() == [1.0, 1.0] and draw(1.0, KEYS[0]).nfe == 1
    for asked in ({"sampler": ancestral()}, {"grid": uniform(3)}):
        with pytest.raises(ValueError, match="vae draws in one pass; it has no sampler to swap"):
            draw(1.0, KEYS[0], **asked)
    with pytest.raises(ValueError, match="vae draws in one pass; it cannot be given a part"):
        draw(1.0, KEYS[0], known=NOTHING)
    with pytest.raises(ValueError, match="has no law"):
        no_draw("it has no law")(1.0, KEYS[0], known=NOTHING)
