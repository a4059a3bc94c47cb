"""What few patients have, replaced with averages over enough of them, so that no patient is kept in what is learnt.

Univariate microaggregation: Domingo-Ferrer and Mateo-Sanz, "Practical Data-Oriented Microaggregation for Statistical
Disclosure Control", IEEE TKDE 14, 2002. The least number of patients, 11 by default, is that of the cell size rule of
the US Centers for Medicare and Medicaid Services: a figure of 1 to 10 patients is not shown.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

MIN_PATIENTS = 11


def shared(numbers: Float[np.ndarray, "n"], least: int) -> Float[np.ndarray, "m"]:
    """The numbers in order, each of them now that of `least` patients or more.

    What as many have stays. The others, in order, are cut into groups of `least` to 2 least - 1, none of which has a
    patient in common with another, and each becomes the average of its group: that of the lowest is the new lowest.
    Fewer than `least` others in all are left out.

    All that a codec learns of a column's numbers is a function of these, or of the counts of rows.
    """
    numbers = np.sort(numbers)
    if least <= 1:
        return numbers
    _, counts = np.unique(numbers, return_counts=True)
    often = np.repeat(counts >= least, counts)
    others = numbers[~often]
    groups = len(others) // least
    if not groups:
        return numbers[often]
    first = np.arange(groups) * len(others) // groups
    sizes = np.diff(np.append(first, len(others)))
    means = np.add.reduceat(others, first) / sizes
    return np.sort(np.concatenate([numbers[often], np.repeat(means, sizes)]))


def other(kept: list[Any], dtype: str, example: Any) -> Any:
    """A value for what is not among the `kept`, and like none of them: 'other', or the first of 9, 99, 999, ... above
    them. None where the dtype has no room for one, as that of a boolean.

    example     any value of the column
    """
    if isinstance(example, str):
        folded = {value.casefold().strip() for value in kept if isinstance(value, str)}
        spelled = ["other", "other (rare)", *(f"other (rare {i})" for i in range(2, len(kept) + 3))]
        return next(word for word in spelled if word not in folded)
    if isinstance(example, bool) or not isinstance(example, int | float):
        return None
    highest = max([0, *(value for value in kept if isinstance(value, int | float))])
    nines = next(10**k - 1 for k in range(1, 400) if 10**k - 1 > highest)
    if nines > _largest(dtype):
        return None
    return type(example)(nines)


def _largest(dtype: str) -> float:
    if "int" in dtype.lower():
        return float(np.iinfo(dtype.lower()).max)
    return 2.0**53
