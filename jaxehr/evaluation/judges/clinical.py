"""Clinical sense: how much more often than real patients the synthetic ones break rules of medicine."""

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

from jaxehr.evaluation.blocks.frames import Data
from jaxehr.evaluation.measures.metric import UNDERPOWERED, Metric


class Excess(Protocol):
    """A rule's rate in the synthetic records beyond the real ones' own; value is None where it cannot be judged.

    told    both rates, in words
    """

    @property
    def rule(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def floor(self) -> float | None: ...
    @property
    def n(self) -> int: ...
    @property
    def told(self) -> str: ...
    @property
    def said(self) -> str: ...


class Rules(Protocol):
    """Every rule as its excess, and notes on rules that these records cannot be asked."""

    def __call__(
        self, real: Data, synthetic: Data, holdout: Data | None, /
    ) -> tuple[Iterable[Excess], Iterable[str]]: ...


def of_excesses(found: Iterable[Excess]) -> Iterator[Metric]:
    """A metric of each rule, by the rule's own name: better when lower, and 0 the ideal, for real patients break rules
    too. The worst is a set of which every patient breaks it."""
    for e in found:
        if e.value is None:
            yield Metric(
                e.rule,
                "clinical",
                math.nan,
                None,
                "lower",
                0.0,
                e.n,
                status=UNDERPOWERED,
                why=e.said,
            )
            continue
        yield Metric(
            e.rule,
            "clinical",
            e.value,
            e.floor,
            "lower",
            0.0,
            e.n,
            e.low,
            e.high,
            worst=1.0,
            why="; ".join(filter(None, (e.told, e.said))),
        )
