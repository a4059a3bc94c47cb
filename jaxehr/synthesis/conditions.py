"""Conditions on what is drawn: read, refused where they cannot be, and made into what records are drawn under."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs import Codec, KnownParts, Parts
from jaxehr.codecs.derived import Derived
from jaxehr.codecs.offsets import nanoseconds, quantity_of
from jaxehr.data import DataError, Inequality
from jaxehr.synthesis.records import Given
from jaxehr.synthesis.wishes import Among, Between, Exact, Missing, Wish, is_number, wish

log = logging.getLogger(__name__)

POOL, ENOUGH = 4096, 5  # draws to look for a condition among; as many that meet it are enough
MOST = 100  # of guidance: a class of chance .93 weighs a thousand times less than one of certainty


def given_of(given: Mapping[str, Any], codec: Codec, *, narrows: bool) -> Given:
    """What records are drawn under.

    A value, that a cell is missing, and that a code is there or not, is known inside the draw. A range or a list of
    values is met by drawing anew, which is the conditional law whatever the model; where the model `narrows`, the one
    that leaves the fewest classes is kept to them inside the draw.

    Raises DataError for a condition on a column that is not there, on a value that cannot be drawn, on a range that is
    empty or outside of what was learnt, and for conditions of which the schema's constraints say that they cannot be.
    """
    said = ", ".join(f"{name}={value!r}" for name, value in given.items())
    codec.check_names(given)
    wishes = {str(name): wish(codec.by_name[str(name)], wanted) for name, wanted in given.items()}
    _refuse_what_cannot_be(wishes, codec, said)
    fixed = {name: w for name, w in wishes.items() if _is_known(codec.by_name[name], w)}
    free = {name: w for name, w in wishes.items() if name not in fixed}
    known = _known(fixed, free, codec, narrows)
    written = {
        name: w.value
        for name, w in fixed.items()
        if isinstance(w, Exact) and is_number(codec.by_name[name])
    }

    def meets(frame: pd.DataFrame) -> np.ndarray:
        found = [w.met(frame[name], codec.by_name[name]) for name, w in free.items()]
        return np.all(found, axis=0) if found else np.ones(len(frame), bool)

    often = {n: w for n, w in fixed.items() if not _is_of_the_rare(codec.by_name[n], w)}
    return Given(known if fixed or known.narrow else None, meets, written, said, often)


def check_guidance(guidance: float, recipe: Any, *, guides: bool) -> None:
    """Raises ValueError for a weight that cannot be, or a run of `recipe` that has nothing to be guided by."""
    if not 0 <= guidance <= MOST:
        raise ValueError(f"guidance must be a number from 0 to {MOST}; got {guidance}")
    if guides:
        return
    if "label_dropout" not in recipe.settings:
        raise ValueError(
            f"{recipe.name} draws without guidance; a run of meddiff with a label has it"
        )
    lacks = "a label" if recipe.settings["label"] is None else "label_dropout above 0"
    raise ValueError(
        f"this run of {recipe.name} was trained without {lacks}, which guidance needs; fit it again with one"
    )


def _known(
    fixed: Mapping[str, Wish], free: Mapping[str, Wish], codec: Codec, narrows: bool
) -> KnownParts:
    values = {name: w.value for name, w in fixed.items() if isinstance(w, Exact)}
    missing = [name for name, w in fixed.items() if isinstance(w, Missing)]
    known = codec.known(pd.DataFrame(values, index=[0]), missing=missing)
    # Of two columns with a distance between them the one that is asked for is drawn, and the distance.
    from_high = {o.name: o.high in {*values, *free} and o.low not in values for o in codec.offsets}
    known = known._replace(from_high={name: np.array([high]) for name, high in from_high.items()})
    rare = [name for name, w in free.items() if _is_of_the_rare(codec.by_name[name], w)]
    known = known._replace(rare=tuple(rare))
    aside = {o.low if from_high[o.name] else o.high for o in codec.offsets}
    if not narrows:
        return known
    ways = [_classes(name, w, codec) for name, w in free.items() if name not in aside]
    shares = [float(np.prod([fits.mean() for _, fits in way])) for way in ways]
    return known._replace(narrow=ways[int(np.argmin(shares))] if ways and min(shares) < 1 else ())


def _is_known(column: Any, w: Wish) -> bool:
    """Whether it can be said inside a draw. That a column is missing that follows from others is said by its bit."""
    if isinstance(w, Missing):
        return not isinstance(column, Derived) or column.there is not None
    return isinstance(w, Exact)


def _is_of_the_rare(column: Any, w: Wish) -> bool:
    """Whether the value that stands for rare ones is wished for, which other draws may leave out."""
    if not getattr(column, "made", False):
        return False
    value = pd.Series([column.values[column.rest]], dtype=object)
    return bool(w.met(value, column)[0])


def _classes(name: str, w: Wish, codec: Codec) -> tuple[tuple[int, np.ndarray], ...]:
    """(category, the classes that it may take), in the order in which they are drawn."""
    column: Any = codec.by_name[name]
    before = codec.columns[: codec.columns.index(column)]
    first = sum(len(c.classes()) for c in before)
    if not column.classes():
        return ()
    if isinstance(w, Between):
        found = column.allowed(w.low, w.high)
    elif isinstance(w, Among) and not is_number(column):
        found = column.allowed(w.values)
    else:
        return ()
    if not found[0].any():
        raise DataError(f"'{name}' had no value in training that is {w}")
    return tuple((first + i, fits) for i, fits in enumerate(found))


def _refuse_what_cannot_be(wishes: Mapping[str, Wish], codec: Codec, said: str) -> None:
    """Raises DataError where the ends of what is asked for break a constraint, whatever else is drawn."""
    cells = {
        name: w.value if isinstance(w, Exact) else pd.Series([None], dtype=object)
        for name, w in wishes.items()
        if isinstance(w, Exact | Missing)
    }
    for constraint in codec.schema.constraints:
        if isinstance(constraint, Inequality):
            if not {constraint.low, constraint.high} & set(wishes):
                continue
            low, high = _span(constraint.low, wishes, codec), _span(constraint.high, wishes, codec)
            if low is None or high is None or low[0] <= high[1]:
                continue
        elif set(constraint.names) <= set(cells):
            alone = replace(codec.schema, constraints=(constraint,))
            if not alone.broken(pd.DataFrame({name: cells[name] for name in constraint.names}))[0]:
                continue
        else:
            continue
        raise DataError(f"{said} cannot be: {constraint} holds in every row")


def _span(name: str, wishes: Mapping[str, Wish], codec: Codec) -> tuple[float, float] | None:
    """The ends of what a column may be, in ns if it is a date; None where it may be missing."""
    column = codec.by_name[name]
    quantity = quantity_of(column)
    size = nanoseconds(quantity.unit)
    if name in wishes:
        ends = wishes[name].ends(column)
    else:
        ends = None if getattr(column, "optional", False) else (quantity.low, quantity.high)
    return None if ends is None else (ends[0] * size, ends[1] * size)


def warn_of_the_unseen(given: Given, drawn: Iterator[Parts], codec: Codec) -> None:
    """Logs a warning where the model hardly ever draws a value that is asked for.

    drawn   parts of records drawn without any condition
    """
    if not given.often:
        return
    seen = met = 0
    for parts in drawn:
        cells = codec.named(parts, given.often)
        near = [w.met(cells[name], codec.by_name[name]) for name, w in given.often.items()]
        seen, met = seen + len(cells), met + int(np.all(near, axis=0).sum())
        if met >= ENOUGH or seen >= POOL:
            break
    if met < min(seen / 1000, ENOUGH):
        log.warning(
            "of %d patients drawn without the condition %s: the training records hardly show it, if at all",
            seen,
            f"{met or 'none'} {'have' if met > 1 else 'has'} {given.said}",
        )
