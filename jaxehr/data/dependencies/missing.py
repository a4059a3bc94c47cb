"""Columns that are missing together."""

from collections import defaultdict

import pandas as pd

from jaxehr.data.dependencies.dependency import LEAST, Dependency
from jaxehr.data.implications import Implication


def together(frame: pd.DataFrame) -> tuple[list[Dependency], set[str]]:
    """(of each group of columns that are missing in the same rows that they are, all of a group but its first)."""
    gaps = frame.isna()
    groups: dict[bytes, list[str]] = defaultdict(list)
    for name in frame:
        count = int(gaps[name].sum())
        if LEAST <= count <= len(frame) - LEAST:
            groups[gaps[name].to_numpy().tobytes()].append(name)
    found, aside = [], set()
    for first, *others in (names for names in groups.values() if len(names) > 1):
        rest: dict[str, None] = dict.fromkeys(others)
        laws = [
            Implication({first: None}, rest),
            *(Implication({o: None}, {first: None}) for o in others),
        ]
        share = float(gaps[first].mean())
        k = len(others) + 1
        chance = share**k + (1 - share) ** k
        names = ", ".join(map(str, (first, *others[:6]))) + (
            f" and {k - 7:,} more" if k > 7 else ""
        )
        said = f"{names} are missing together, or none is"
        found.append(Dependency(tuple(laws), said, len(frame), len(frame), chance))
        aside |= set(others)
    return found, aside
