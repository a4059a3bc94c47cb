"""Intervals of 95% for shares and for the difference of two shares."""

import math

import numpy as np
from jaxtyping import Float

Z = 1.959963984540054  # of the normal, two-sided 95%


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of the share hits / n; holds its level for shares near 0 too.

    They need not be whole: n may be an effective number.
    """
    p = hits / n
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # At the ends the two terms are equal, but for rounding.
    return middle - half if hits else 0.0, middle + half if hits < n else 1.0


def newcombe(hits: float, n: float, others: float, m: float) -> tuple[float, float]:
    """The interval of hits / n - others / m from their Wilson intervals (Newcombe 1998, method 10)."""
    p, q = hits / n, others / m
    (p_low, p_high), (q_low, q_high) = wilson(hits, n), wilson(others, m)
    low = p - q - math.hypot(p - p_low, q_high - q)
    return low, p - q + math.hypot(p_high - p, q - q_low)


def effective(shares: Float[np.ndarray, "n"], events: int) -> float:
    """How many independent events tell as much of a mean as these shares do (Kish 1965): p (1 - p) by the variance of
    the mean. Not fewer than there are shares, and not more than the events that they are of."""
    n, p, spread = len(shares), float(shares.mean()), float(shares.var())
    return float(n if p in (0, 1) else min(max(n * p * (1 - p) / max(spread, 1e-300), n), events))
