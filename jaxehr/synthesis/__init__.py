"""What every recipe shares: fitting, drawing, conditions, imputation, views of records, folders of runs.

Names are imported when they are first used: what draws from an exported sampler needs a few of these files, and none
that trains.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxehr.synthesis.recipe import Recipe as Recipe
    from jaxehr.synthesis.recipe import Stage as Stage
    from jaxehr.synthesis.recipe import Synthesizer as Synthesizer
    from jaxehr.synthesis.recipe import fit as fit

__all__ = ["Recipe", "Stage", "Synthesizer", "fit"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jaxehr.synthesis' has no attribute '{name}'")
    return getattr(import_module("jaxehr.synthesis.recipe"), name)
