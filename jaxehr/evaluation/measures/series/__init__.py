"""Figures of courses (`blocks.series.Series`), each a function of the real ones and of others.

The floor of each is the same figure for real patients that were held out, in the place of the synthetic ones.
"""
