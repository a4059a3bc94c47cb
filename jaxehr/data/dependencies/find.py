"""All dependencies of a table, the most telling first."""

from collections.abc import Iterable

import pandas as pd

from jaxehr.data.dependencies.classes import implications
from jaxehr.data.dependencies.dependency import Dependency
from jaxehr.data.dependencies.pairs import equalities, orders
from jaxehr.data.dependencies.products import products
from jaxehr.data.dependencies.quantities import Quantities
from jaxehr.data.dependencies.steps import steps
from jaxehr.data.dependencies.sums import sums
from jaxehr.data.records import Records, records_of
from jaxehr.data.schema import Schema

WIDE = (
    200  # columns that are looked at: the work grows with their square, and of sums with their cube
)


def dependencies(data: pd.DataFrame | Records, schema: Schema) -> tuple[Dependency, ...]:
    """What the columns of the static table say of each other; of events there is nothing to say.

    Of columns that have nothing to do with each other something is found in 1 of 100 tables at most (`holds`). What
    follows from the rest is left out. Of a wider table the first 200 columns are looked at.
    """
    static = records_of(data).static
    if static is None:
        return ()
    columns = {c.name: c for c in schema.columns if c.kind != "id"}
    # Columns of one value, or none, say nothing.
    columns = {name: c for name, c in columns.items() if static[name].nunique(dropna=False) > 1}
    columns = dict(list(columns.items())[:WIDE])
    frame = static[list(columns)].reset_index(drop=True)
    quantities = Quantities.of(frame, columns)
    equal = equalities(frame, columns, quantities)
    same = {name for each in equal if each.always for name in each.laws[0].names[:1]}
    added = sums(frame, columns, quantities.without(same))
    followed = same | {name for each in added if each.always for name in each.laws[0].names[:1]}
    multiplied = products(frame, columns, quantities.without(followed))
    multiplied = [each for each in multiplied if not _pairs([each]) & _pairs(equal)]
    # Of a column in two units one is enough.
    same |= {e.laws[0].names[0] for e in multiplied if e.always and len(e.laws[0].names) == 2}
    ordered = orders(quantities.without(same), added)
    own = frame[[name for name in frame if name not in same]]
    stepped = steps(own, columns, quantities.without(same))
    implied = implications(own, columns, _pairs([*equal, *stepped]))
    found = [*equal, *added, *multiplied, *ordered, *stepped, *implied]
    return tuple(sorted(found, key=lambda each: -each.telling))


def _pairs(found: Iterable[Dependency]) -> set[frozenset[str]]:
    return {frozenset(each.laws[0].names) for each in found}
