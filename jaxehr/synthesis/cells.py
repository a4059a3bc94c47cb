"""The cells of a table side by side, as a network of tokens has them: which are numbers, and in what order they are
drawn."""

from jaxehr.codecs import Bins, Codec
from jaxehr.networks.numbers import Numbers
from jaxehr.processes import Path
from jaxehr.synthesis.view import Tokens


def numbers_of(codec: Codec, tokens: Tokens) -> Numbers:
    """Where in `tokens.row` the numbers of a codec of Bins lie, and the order of their classes."""
    at = {token: i for i, token in enumerate(tokens.row)}
    coarse, fine, order, shares, cuts = [], [], [], [], []
    token = codec.sizes["bit"] - len(codec.codes)
    for column in codec.learnt:
        parts = len(column.classes())
        if isinstance(column, Bins) and sum(place >= 0 for place in column.order) > 1:
            coarse.append(at[token])
            fine.append(at[token + 1] if parts > 1 else -1)
            order.append(column.order)
            shares.append(column.shares)
            cuts.append(column.fine if parts > 1 else 1)
        token += parts
    return Numbers(*map(tuple, (coarse, fine, order, shares, cuts)))


def path_of(codec: Codec, tokens: Tokens) -> Path:
    """The columns of the table in their order, and the finer halves of numbers after them.

    By then what a number's finer half depends on is seen: other numbers are.
    """
    at = {token: i for i, token in enumerate(tokens.row)}
    bit, token = 0, codec.sizes["bit"] - len(codec.codes)
    first: list[int] = []
    finer: list[int] = []
    after: list[tuple[int, int]] = []
    for column in codec.learnt:
        flags = [part for part, _ in column.parts()].count("bit")
        first += [at[bit + i] for i in range(flags)]
        bit += flags
        for i in range(len(column.classes())):
            (finer if i else first).append(at[token + i])
            if i:
                after.append((at[token + i], at[token + i - 1]))
        token += len(column.classes())
    position = [0] * len(at)
    for turn, cell in enumerate([*first, *finer]):
        position[cell] = turn
    return Path(tuple(position), tuple(after))


def stand_ins(codec: Codec) -> dict[str, tuple[int, int]]:
    """Of each column that has a value for rare ones, such as 'other', which no patient has: (the token, its class).

    Not of one that has no other value: without it, all would be missing.
    """
    found, bit, token = {}, 0, codec.sizes["bit"] - len(codec.codes)
    for column in codec.learnt:
        if getattr(column, "made", False):
            often = [v for k, v in enumerate(column.values) if k != column.rest and v is not None]
            if often:
                found[column.name] = (token if column.classes() else bit), column.rest
        bit += [part for part, _ in column.parts()].count("bit")
        token += len(column.classes())
    return found
