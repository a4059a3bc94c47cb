"""What is hidden of a batch, and what it counts: by the chain rule, which holds for every order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import Path

LAW = np.random.default_rng(0).dirichlet(np.ones(24)).reshape(2, 3, 2, 2)
PATH = Path((2, 0, 3, 1), ((2, 1),))  # cell 2 is never shown before cell 1


def bits(x, seen):
    """-log p(x_j | what is seen) of each cell, by enumeration."""
    found = []
    for j in range(4):
        at = tuple(x[i] if seen[i] else slice(None) for i in range(4))
        law = np.zeros(LAW.shape[j])
        for k in range(LAW.shape[j]):
            part = list(at)
            part[j] = k
            law[k] = LAW[tuple(part)].sum()
        found.append(-np.log(law[x[j]] / law.sum()))
    return np.array(found)


@pytest.mark.parametrize(("along", "near"), [(0.0, 1.0), (1.0, 1e-3)])
def test_the_mean_over_what_is_hidden_is_minus_log_p(along, near):
    """Of any order: 20,000 rows of one record, 4.5 standard errors (1 in 100,000)."""
    x, rows = (1, 2, 0, 1), 20_000
    hide, weight = PATH.hidden(jax.random.key(0), rows, along=along, near=near)
    seen, weight = ~np.array(hide), np.array(weight)
    assert not (seen[:, 2] & ~seen[:, 1]).any() or along == 1
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    values = np.stack([bits(x, kind) for kind in kinds])[which.ravel()]
    each = (weight * values * ~seen).sum(1)
    wanted = -np.log(LAW[x]) / 4
    assert abs(each.mean() - wanted) < 4.5 * each.std() / np.sqrt(rows)
    assert abs((values * ~seen).sum(1).mean() / 2.5 - wanted) > 0.01  # unweighted it is not


def test_rows_along_the_order_see_a_beginning_of_it():
    hide, weight = PATH.hidden(jax.random.key(1), 64, along=1.0, near=2.0)
    turns = np.array(hide)[:, np.argsort(PATH.position)]
    assert (np.diff(turns.astype(int), axis=1) >= 0).all()
    assert sorted(set(turns.sum(1))) == [1, 2, 3, 4]
    assert np.allclose(weight.sum(1), 1)
    one = np.array(weight)[turns.sum(1) == 3][0][np.argsort(PATH.position)]
    assert np.allclose(one[2:] / one[1], jnp.exp(-jnp.array([1, 2]) / 2.0))


def test_the_steps_of_a_grid_show_every_cell_once_in_order():
    assert PATH.steps(np.linspace(1, 0, 5)) == [(1,), (3,), (0,), (2,)]
    assert PATH.steps(np.linspace(1, 0, 3)) == [(1, 3), (0, 2)]
    assert PATH.steps(np.linspace(1, 0, 9)) == PATH.steps(np.linspace(1, 0, 5))  # none for nothing
    assert PATH.steps(np.array([1.0, 0.5])) == [(1, 3)]


def test_a_cell_counts_as_often_as_it_is_the_next():
    """Of all orders in which cell 2 comes after cell 1: where both are hidden, 1 stands in the place of either."""
    hide, weight = (np.array(a) for a in PATH.hidden(jax.random.key(2), 400, along=0.0, near=1.0))
    both = hide[:, 1] & hide[:, 2]
    for row, counted in zip(hide, weight, strict=True):
        wanted = row / row.sum()
        if row[1] and row[2]:
            wanted[1], wanted[2] = 2 * wanted[1], 0.0
        np.testing.assert_allclose(counted, wanted, rtol=1e-6)
    assert both.any() and (hide[:, 2] & ~hide[:, 1]).any()


def test_along_the_order_nearer_cells_count_more_whatever_is_hidden():
    hide, weight = (np.array(a) for a in PATH.hidden(jax.random.key(3), 64, along=1.0, near=1.5))
    for row, counted in zip(hide, weight, strict=True):
        ahead = np.array(PATH.position) - (4 - row.sum())
        wanted = np.where(ahead >= 0, np.exp(-ahead / 1.5), 0.0)
        np.testing.assert_allclose(counted, wanted / wanted.sum(), rtol=1e-5)


def test_rows_of_either_kind_have_any_number_of_hidden_cells():
    """Those that see no beginning of the order are of the other kind: all three numbers that tell them are there,
    and so they are among the rows that see one, which are half of 400 and more."""
    hide = np.array(PATH.hidden(jax.random.key(4), 400, along=0.5, near=1.0)[0])
    along = (np.diff(hide[:, np.argsort(PATH.position)].astype(int), axis=1) >= 0).all(1)
    for kind in (along, ~along):
        assert set(hide[kind].sum(1)) >= {1, 2, 3}
    assert 200 <= along.sum() < 340
    np.testing.assert_array_equal(np.bincount(hide.sum(1), minlength=5)[1:].round(-1), 100)
