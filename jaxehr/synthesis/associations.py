"""What goes with what in the records, pair by pair: where a network starts, instead of learning it step by step.

Of class k of one column and class l of another, the pointwise mutual information log p(k, l) / p(k) p(l) is what a
naive Bayes classifier adds to the logit of k where l is seen. The best approximation of the matrix of these by one of
low rank, weighted by how frequent k and l are (correspondence analysis: Greenacre 1984), is two tables: a row for each
class that is seen, and one for each class that is said. Since what is seen is not independent, all is divided by two.
"""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from jaxehr.networks.tokens import Start, inputs_of
from jaxehr.synthesis.view import Tokens

SHRINK = 3.0  # patients with a pair, and as many expected, that are added to those there are
SHARE = 0.5
OFTEN = 2e-4  # added to the frequencies that classes are weighed by
BLOCK = 1_000  # rows of the matrix at a time


def associations(
    tokens: Tokens,
    x0: dict[str, Int[np.ndarray, "row column"]],
    log_frequency: np.ndarray,
    *,
    rank: int,
    least: int,
    without: tuple[int, ...] = (),
) -> Start:
    """The Start of a network that reads these tokens side by side, as `Tokens.row` has them.

    log_frequency   of all classes in the places of `tokens`
    rank            at most; the last quarter of it keeps the sharpness of what is said where more is seen
    least           pairs that fewer patients have, and fewer should have by chance, count as independent; where fewer
                    have them though more should, half of `least` do
    without         tokens that are left out
    """
    units = _Units.of(tokens, without)
    seen = units.matrix(tokens.side_by_side(x0))
    n = np.asarray(seen.sum(axis=0)).ravel()
    weight = np.sqrt(n / seen.shape[0] + OFTEN)
    information = _information(seen, n, units.token, weight, least)
    sharp = rank // 4
    read, say = _low_rank(information, rank - sharp)
    read, say = read / weight[:, None], SHARE * say / weight
    share = n / seen.shape[0]
    return _start(tokens, units, share, read, say, log_frequency, sharp)


class _Units:
    """What pairs are made of: every class of a token, and of a token of two classes the second alone.

    token   [unit] which token of the row it is of
    value   [unit] which class
    """

    def __init__(self, tokens: Tokens, kept: list[int]):
        classes = [tokens.classes[j] for j in tokens.row]
        pairs = [(i, k) for i in kept for k in range(classes[i]) if classes[i] > 2 or k == 1]
        self.token = np.array([i for i, _ in pairs], int)
        self.value = np.array([k for _, k in pairs], int)
        self.classes = np.array(classes)

    @classmethod
    def of(cls, tokens: Tokens, without: tuple[int, ...]) -> "_Units":
        return cls(tokens, [i for i, j in enumerate(tokens.row) if j not in without])

    def matrix(self, side_by_side: Int[np.ndarray, "row column"]) -> sp.csr_matrix:
        """[row, unit]: 1 where the row has that class."""
        columns = [
            sp.csr_matrix(side_by_side[:, self.token[a:b]] == self.value[a:b], dtype=np.float32)
            for a, b in _blocks(len(self.token))
        ]
        return (
            sp.hstack(columns, format="csr") if columns else sp.csr_matrix((len(side_by_side), 0))
        )


def _blocks(n: int) -> list[tuple[int, int]]:
    return [(a, min(a + BLOCK, n)) for a in range(0, n, BLOCK)]


def _information(
    seen: sp.csr_matrix, n: np.ndarray, token: np.ndarray, weight: np.ndarray, least: int
) -> sp.csr_matrix:
    """Pointwise mutual information of each pair of units of different tokens, times both weights."""
    rows, blocks = seen.shape[0], []
    for a, b in _blocks(len(n)):
        both = (seen[:, a:b].T @ seen).toarray()
        expected = np.outer(n[a:b], n) / rows
        few = both < least
        both = np.where(few, least / 2, both)
        found = np.log((both + SHRINK) / (expected + SHRINK))
        found[(few & (expected < least)) | (token[a:b, None] == token)] = 0.0
        blocks.append(sp.csr_matrix(found * weight[a:b, None] * weight, dtype=np.float32))
    return sp.vstack(blocks, format="csr")


def _low_rank(matrix: sp.csr_matrix, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """(read [unit, rank], say [rank, unit]), whose product is the closest to it."""
    from sklearn.utils.extmath import randomized_svd

    rank = min(rank, *matrix.shape)
    left, size, right = randomized_svd(matrix, rank, random_state=0)
    return left * np.sqrt(size), right * np.sqrt(size)[:, None]


def _start(
    tokens: Tokens,
    units: _Units,
    share: np.ndarray,
    read: np.ndarray,
    say: np.ndarray,
    log_frequency: np.ndarray,
    sharp: int,
) -> Start:
    """In the rows and places of a network, so that what is seen leaves the frequencies as they are on average.

    exp of what a column adds to a logit has to be 1 on average over its classes. What is missing to that is the same
    for all classes of a column, and kept as a matrix of low rank too.
    """
    columns = len(units.classes)
    first, rows = inputs_of(units.classes)
    table = np.zeros((rows, read.shape[1] + sharp), np.float32)
    gaps = np.zeros((columns, len(units.token)), np.float32)
    for i in np.unique(units.token):
        mine = units.token == i
        values, weights = units.value[mine], share[mine]
        of_class = np.zeros((units.classes[i], read.shape[1]))
        of_class[values] = read[mine]
        chance = np.zeros(units.classes[i])
        chance[values] = weights
        chance[0] += 1 - chance.sum()
        of_class -= chance @ of_class
        said = np.exp(np.clip(of_class @ say, -20, 20))
        gaps[i] = np.where(mine, 0.0, -np.log(np.maximum(chance @ said, 1e-6)))
        table[first[i] + 1 + np.arange(units.classes[i]), : read.shape[1]] = of_class
    left, right = (
        _low_rank(sp.csr_matrix(gaps), sharp) if sharp else (np.zeros((columns, 0)), say[:0])
    )
    ends = read.shape[1], read.shape[1] + left.shape[1]
    for i in range(columns):
        table[first[i] + 1 : first[i] + 1 + units.classes[i], ends[0] : ends[1]] = left[i]
    size = np.sqrt(np.mean(table**2)) or 1.0
    out = np.zeros((table.shape[1], tokens.width), np.float32)
    starts = tokens.firsts
    out[:, starts[units.token] + units.value] = np.concatenate(
        [say, right, np.zeros((sharp - len(right), say.shape[1]))]
    )
    return Start(log_frequency, table / size, out * size)
