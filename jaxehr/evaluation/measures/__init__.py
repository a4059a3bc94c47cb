"""Figures of fidelity, utility and privacy, each a function of records."""
