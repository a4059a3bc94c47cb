"""Columns that follow from others: they are not learnt, and every draw keeps what they follow by."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.columns import Constant, Flag, Learnt, NumberKind, column_from_json, fit_column
from jaxehr.codecs.numbers import Arrays, Named
from jaxehr.codecs.offsets import nanoseconds
from jaxehr.data.constraints import constraints_from_json
from jaxehr.data.formulas import Equal, Formula, Product, Sum
from jaxehr.data.schema import Column, Schema

log = logging.getLogger(__name__)

Values = Mapping[str, pd.Series]
DAY = 86_400 * 10**9  # nanoseconds


@dataclass(frozen=True)
class Derived(Constant):
    """A column that is equal to another one, a sum, or a product, by a constraint of the schema.

    column  as it was seen: its type, its ends, its values
    law     what it follows from
    there   a bit that says whether the value is there, where it may be missing though all that it follows from is
            there; without it the value is missing where any of these is, and nothing of it is learnt
    """

    law: Formula | None = None
    there: Flag | None = None

    def parts(self) -> Named:
        return () if self.there is None else self.there.parts()

    def encode(self, values: pd.Series) -> Arrays:
        return () if self.there is None else self.there.encode(_there(values))

    def known(self, values: pd.Series) -> tuple[Arrays, Arrays]:
        return ((), ()) if self.there is None else self.there.known(_there(values))

    def decode(self, n: int, *arrays: np.ndarray) -> pd.Series:
        """True where the column is there, as far as it says so itself; its values are told by `followed`."""
        return pd.Series([True] * n) if self.there is None else self.there.decode(n, *arrays)

    @property
    def formula(self) -> Formula:
        assert self.law is not None
        return self.law

    def value(
        self,
        values: Values,
        columns: Mapping[str, Learnt],
        there: np.ndarray,
        bound: tuple[float, float] | None = None,
    ) -> pd.Series:
        """What follows from the others; missing where one of these is, and where it is not `there` itself.

        bound   ends of what is written; None is those that were learnt, beyond which it does not follow any more
        """
        if _is_copy(self):
            return _copied(values[self.formula.sources[0]].astype(object).where(there, None), self)
        numbers = {name: _numbers(values[name], columns[name]) for name in self.formula.sources}
        return _written(self.formula.of(numbers).where(there), self, bound)

    def to_json(self) -> dict[str, Any]:
        there = None if self.there is None else self.there.to_json()
        law = {"kind": self.formula.kind, **asdict(self.formula)}
        return {"type": "Derived", "column": self.column.to_json(), "law": law, "there": there}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Derived":
        (law,) = constraints_from_json([value["law"]])
        assert isinstance(law, Formula)
        there = None if value["there"] is None else Flag.from_json(value["there"])
        return cls(column_from_json(value["column"]), law=law, there=there)


def derived(
    frame: pd.DataFrame,
    schema: Schema,
    columns: Mapping[str, Learnt],
    numbers: NumberKind,
    least: int,
) -> dict[str, Learnt]:
    """The columns, those made to follow from others that can: by an equality, a sum or a product of the schema.

    That can is where fewer than `least` patients break it, or have the value without all that it follows from; they are
    learnt as if they did not. Where more do, or the other columns may be missing and this one may not, it is kept by
    drawing anew. A column follows by one constraint, and nothing from itself.
    """
    found: dict[str, Learnt] = dict(columns)
    kinds = {column.name: column for column in schema.columns}
    for law in schema.constraints:
        if not isinstance(law, Formula) or not _free(law, found):
            continue
        own = frame[law.column].notna()
        sources = frame[list(law.sources)].notna().all(axis=1)
        odd = int((law.broken(frame, kinds) | (own & ~sources).to_numpy()).sum())
        optional = any(_may_lack(found[name]) for name in law.sources)
        if odd >= least or (optional and not _may_lack(found[law.column])):
            log.warning(
                "%s is kept by drawing anew, since %s: that is slow, and may fail",
                law,
                f"{odd:,} rows are not so" if odd else f"'{law.column}' is never missing",
            )
            continue
        flag = None
        if int((sources & ~own).sum()) >= least:
            kind = Column(law.column, "boolean", "object")
            bit = fit_column(_there(frame[law.column]), kind, numbers, least)
            flag = bit if isinstance(bit, Flag) else None
        if odd:
            log.warning(
                "%s: fewer than %d patients, of whom it is not so, are learnt as if it were",
                *(law, least),
            )
        column: Any = found[law.column]
        found[law.column] = Derived(column, law=law, there=flag)
    return found


def followed(
    values: Values,
    columns: Mapping[str, Learnt],
    bound: tuple[float, float] | None = None,
) -> dict[str, pd.Series]:
    """The values, in which those of a column that follows from others say where it is there, and then what it is.

    bound   as in `Derived.value`
    """
    found = dict(values)
    waiting = {c.name: c for c in columns.values() if isinstance(c, Derived) and c.name in values}
    while waiting:
        name = next(n for n, c in waiting.items() if not waiting.keys() & set(c.formula.sources))
        there = found[name].notna().to_numpy()
        found[name] = waiting.pop(name).value(found, columns, there, bound)
    return found


def completed(frame: pd.DataFrame, columns: Mapping[str, Learnt]) -> pd.DataFrame:
    """The frame with what a column that is given says of those that it follows from, where one of these is not."""
    for column in reversed([c for c in columns.values() if isinstance(c, Derived)]):
        if column.name in frame:
            frame = frame.assign(**dict(_solved(column, frame, columns)))
    return frame


def _solved(
    column: Derived, frame: pd.DataFrame, columns: Mapping[str, Learnt]
) -> Iterator[tuple[str, pd.Series]]:
    law, blank = column.formula, pd.Series([None] * len(frame), index=frame.index, dtype=object)
    sources = pd.DataFrame({name: frame.get(name, blank) for name in law.sources})
    alone = (sources.isna().sum(axis=1) == 1) & frame[column.name].notna()
    for name in law.sources:
        rows = alone & sources[name].isna()
        if not rows.any() or _is_squared(law, name):
            continue
        if _is_copy(column):
            answer = frame.loc[rows, column.name]
        else:
            rest = {s: _numbers(frame.loc[rows, s], columns[s]) for s in law.sources if s != name}
            own = _numbers(frame.loc[rows, column.name], column)
            answer = _written(_without(law, name, own, rest), columns[name])
        filled = sources[name].astype(object)
        filled[rows] = answer.to_numpy(object)
        yield name, filled


def _without(law: Formula, name: str, own: pd.Series, rest: Values) -> pd.Series:
    """What the one column must be, given all the others."""
    if isinstance(law, Equal):
        return own
    if isinstance(law, Sum):
        return own - sum(rest.values())
    above = law.times * np.prod([rest[f] for f in law.factors if f != name], axis=0)
    below = np.prod([rest[o] for o in law.over if o != name], axis=0)
    found = own * below / above if name in law.factors else above / below / own
    return found.where(np.isfinite(found))


def _is_squared(law: Formula, name: str) -> bool:
    return isinstance(law, Product) and (*law.factors, *law.over).count(name) > 1


def _free(law: Formula, columns: Mapping[str, Learnt]) -> bool:
    """Whether its columns are learnt, the one that follows by no other law, and no column from itself."""
    if not set(law.names) <= columns.keys() or isinstance(columns[law.column], Constant):
        return False
    if any(
        getattr(getattr(_inner(columns[n]), "quantity", None), "unit", None) == "ns"
        for n in law.names
    ):
        return False  # too fine to be told in days
    ahead, seen = list(law.sources), set()
    while ahead:
        name = ahead.pop()
        column = columns[name]
        if name not in seen and isinstance(column, Derived):
            ahead += column.formula.sources
        seen.add(name)
    return law.column not in seen


def _may_lack(column: Any) -> bool:
    inner = _inner(column)
    return bool(getattr(inner, "optional", None in getattr(inner, "values", ())))


def _inner(column: Any) -> Any:
    return column.column if isinstance(column, Constant) else column


def _is_copy(column: Derived) -> bool:
    """Of categories and flags, which are taken as they are."""
    return not hasattr(_inner(column), "quantity")


def _copied(values: pd.Series, column: Derived) -> pd.Series:
    inner = _inner(column)
    return inner.decode(len(values), inner.encode(values)[0])


def _numbers(values: pd.Series, column: Any) -> pd.Series:
    """float64; dates as days since 1970."""
    quantity = getattr(_inner(column), "quantity", None)
    if quantity is None:  # of a number that has one value, or none
        return pd.Series(pd.to_numeric(values).to_numpy(np.float64, na_value=np.nan))
    numbers = quantity.numbers(values)
    days = nanoseconds(quantity.unit) / DAY if quantity.kind == "datetime" else 1.0
    return pd.Series(numbers * days)


def _written(
    numbers: pd.Series, column: Any, bound: tuple[float, float] | None = None
) -> pd.Series:
    """The way back, in the column's own dtype and decimals, and its range where no other is said."""
    inner = _inner(column)
    if not hasattr(inner, "quantity"):
        return numbers.astype(object).where(numbers.notna(), None)
    low, high = bound or (inner.quantity.low, inner.quantity.high)
    quantity = replace(inner.quantity, low=low, high=high)
    days = DAY / nanoseconds(quantity.unit) if quantity.kind == "datetime" else 1.0
    return quantity.series((numbers * days).to_numpy())


def _there(values: pd.Series) -> pd.Series:
    return values.notna().astype(object).where(values.notna(), None)
