"""What few patients have, replaced with averages over enough of them, so that no patient is kept in what is learnt.

Univariate microaggregation: Domingo-Ferrer and Mateo-Sanz, "Practical Data-Oriented Microaggregation for Statistical
Disclosure Control", IEEE TKDE 14, 2002. The least number of patients, 11 by default, is that of the cell size rule of
the US Centers for Medicare and Medicaid Services: a figure of 1 to 10 patients is not shown.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

MIN_PATIENTS = 11


def shared(
    numbers: Float[np.ndarray, "n"], least: int, whose: Int[np.ndarray, "n"] | None = None
) -> Float[np.ndarray, "m"]:
    """The numbers in order, each of them now that of `least` patients or more.

    whose   the patient of each, who may have several; without it each number is another patient's

    What as many have stays. The others, in order, are cut into groups of `least` to 2 least - 1, none of which has a
    patient in common with another, and each becomes the average of its group: that of the lowest is the new lowest.
    Fewer than `least` others in all are left out.

    All that a codec learns of a column's numbers is a function of these, or of the counts of rows.
    """
    if whose is not None and least > 1:
        return _shared_by_patients(numbers, least, whose)
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


def _shared_by_patients(numbers: np.ndarray, least: int, whose: np.ndarray) -> np.ndarray:
    """As `shared`, its groups those of the numbers of `least` patients or more, whatever the number of numbers. The
    average of a group is that of its patients' averages, so that one who has many of its numbers does not show."""
    order = np.argsort(numbers, kind="stable")
    numbers, whose = numbers[order], np.unique(whose[order], return_inverse=True)[1]
    value = np.unique(numbers, return_inverse=True)[1]
    often = (patients_of(value, whose) >= least)[value]
    others, theirs = numbers[~often], whose[~often]
    if len(np.unique(theirs)) < least:
        return numbers[often]
    # Groups of as many numbers as patients are wanted; one of too few patients joins its neighbour, until none is.
    group = np.arange(len(others)) // least
    while (few := patients_of(group, theirs) < least).any():
        place = np.arange(len(few))
        run = place - np.maximum.accumulate(np.where(few, -1, place))  # 1, 2, ... in a row of them
        target = place + (few & (run % 2 == 1))
        target[-1] = place[-1] - 1 if target[-1] > place[-1] else target[-1]
        group = np.cumsum(np.append(0, np.diff(target) > 0))[group]
    sizes = np.bincount(group)
    people = int(whose.max()) + 1
    pair, at = np.unique(group * people + theirs, return_inverse=True)
    of_patients = np.bincount(at, others) / np.bincount(at)
    means = np.bincount(pair // people, of_patients) / np.bincount(pair // people)
    return np.sort(np.concatenate([numbers[often], np.repeat(means, sizes)]))


def patients_of(value: Int[np.ndarray, "n"], whose: Int[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """Of the values 0, 1, ... how many patients have each."""
    people = int(whose.max(initial=0)) + 1
    pairs = np.sort(value.astype(np.int64) * people + whose)  # np.unique is many times slower
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return np.bincount(pairs // people, minlength=int(value.max(initial=-1)) + 1)


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
