"""The engine against brute force, and distances under another name against distances measured anew."""

import numpy as np
import pytest
from scipy.special import logsumexp

from jaxehr.evaluation.blocks import nearest as engine
from jaxehr.evaluation.blocks.distances import Distances, measure
from jaxehr.evaluation.blocks.nearest import (
    ACCELERATOR,
    CPU,
    Tiling,
    bit_rows,
    groups_of,
    kth_nearest,
    log_kernel,
    mixed_rows,
    nearest,
    point_rows,
)


def bits(n, seed, columns=70):
    return (np.random.default_rng(seed).random((n, columns)) < 0.3).astype(np.int8)


def hamming(a, b):
    return (a[:, None] != b).sum(2).astype(float)


def mixed(n, seed):
    rng = np.random.default_rng(seed)
    numbers = np.where(rng.random((n, 3)) < 0.1, 2.0, rng.random((n, 3)))
    return numbers, np.stack([rng.integers(0, k, n) for k in (3, 40)], 1)


def gower(a, b):
    """A missing number (2) is 1 from any other and 0 from another missing one."""
    (x, u), (y, v) = a, b
    gap = np.minimum(np.abs(x[:, None] - y), 1)
    return (gap.sum(2) + (u[:, None] != v).sum(2)) / 5


def sets(kind):
    if kind == "hamming":
        a, b = bits(700, 0), bits(530, 1)
        return bit_rows(a), bit_rows(b), hamming(a, b), hamming(b, b)
    if kind == "gower":
        a, b = mixed(300, 0), mixed(290, 1)
        return mixed_rows(*a, (3, 40)), mixed_rows(*b, (3, 40)), gower(a, b), gower(b, b)
    a, b = (np.random.default_rng(s).normal(size=(n, 6)) for s, n in ((0, 400), (1, 300)))
    euclid = lambda x, y: np.sqrt(((x[:, None] - y) ** 2).sum(2))
    return point_rows(a), point_rows(b), euclid(a, b), euclid(b, b)


@pytest.fixture(params=[CPU, ACCELERATOR, Tiling(96, 8, 4)], ids=["cpu", "accelerator", "small"])
def tiling(request, monkeypatch):
    monkeypatch.setattr(engine, "_tiling", lambda: request.param)


@pytest.mark.usefixtures("tiling")
@pytest.mark.parametrize("kind", ["hamming", "gower", "l2"])
def test_nearest_equals_brute_force(kind):
    rows, others, across, within = sets(kind)
    found = nearest(rows, others)
    np.testing.assert_allclose(found.least, across.min(1), atol=2e-6)
    by_index = np.take_along_axis(across, found.row[:, None], 1)[:, 0]
    np.testing.assert_allclose(by_index, across.min(1), atol=2e-6)

    # In each of 7 groups, and not itself
    own = groups_of(len(others), 7)
    hidden = np.where(np.eye(len(others), dtype=bool), np.inf, within)
    brute = np.stack([hidden[:, own == g].min(1) for g in range(7)], 1)
    found = nearest(others, others, groups=7, itself=True)
    np.testing.assert_allclose(found.distance, brute, atol=2e-6)
    assert (own[found.where] == np.arange(7)).all()

    np.testing.assert_allclose(kth_nearest(others, 5), np.sort(hidden, 1)[:, 4], atol=2e-6)


@pytest.mark.usefixtures("tiling")
@pytest.mark.parametrize("kind", ["hamming", "gower"])
def test_the_kernel_equals_brute_force(kind):
    rows, others, across, _ = sets(kind)
    own = groups_of(len(others), 4)
    brute = np.stack([logsumexp(-across[:, own == g] / 0.7, axis=1) for g in range(4)], 1)
    np.testing.assert_allclose(log_kernel(rows, others, 0.7, groups=4), brute, atol=1e-4)


def test_hamming_equals_scikit_learns():
    from sklearn.neighbors import NearestNeighbors

    a, b = bits(200, 2), bits(300, 3)
    found = (
        NearestNeighbors(n_neighbors=1, metric="hamming", algorithm="brute").fit(b).kneighbors(a)
    )
    np.testing.assert_allclose(nearest(bit_rows(a), bit_rows(b)).least / 70, found[0][:, 0])


def test_a_row_equal_to_another_is_at_zero_exactly():
    numbers, labels = mixed(50, 4)
    rows = mixed_rows(numbers, labels, (3, 40))
    assert (nearest(rows, rows).least == 0).all()


def three(n=120):
    return {name: bits(n, i, 30) for i, name in enumerate(("real", "synthetic", "holdout"))}


def same(a: Distances, b: Distances):
    assert a.n == b.n and set(a.between) == set(b.between)
    for x, y in a.between:
        np.testing.assert_array_equal(a.least(x, y), b.least(x, y))


def test_leaving_a_group_out_equals_measuring_without_it():
    found, matrices = measure({k: bit_rows(v) for k, v in three().items()}), three()
    kept = found.kept(7)
    small = measure({k: bit_rows(v[kept]) for k, v in matrices.items()})
    for a, b in found.between:
        np.testing.assert_array_equal(found.least(a, b, 7)[kept], small.least(a, b))
    row = found.row("synthetic", "real", 7)
    assert kept[row].all()
    apart = (matrices["synthetic"] != matrices["real"][row]).sum(1)
    np.testing.assert_array_equal(apart, found.least("synthetic", "real", 7))


def test_copies_and_fresh_rows_need_no_new_distances():
    matrices = three()
    found = measure({k: bit_rows(v) for k, v in matrices.items()})
    copied = {**matrices, "synthetic": matrices["real"]}
    same(found.of_copies(), measure({k: bit_rows(v) for k, v in copied.items()}))
    fresh = {
        "real": matrices["real"][:60],
        "synthetic": matrices["holdout"][:60],
        "holdout": matrices["holdout"][60:],
    }
    same(found.of_fresh(), measure({k: bit_rows(v) for k, v in fresh.items()}))


def test_sets_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="sets of one size are wanted"):
        measure({"real": bit_rows(bits(40, 0)), "synthetic": bit_rows(bits(39, 1))})
