"""Published systems, each reading like its paper."""

from jaxehr.recipes.ehrdiff import ehrdiff as ehrdiff
from jaxehr.recipes.recipe import Recipe as Recipe
from jaxehr.recipes.recipe import Stage as Stage
from jaxehr.recipes.recipe import Synthesizer as Synthesizer
from jaxehr.recipes.recipe import fit as fit
from jaxehr.recipes.recipe import load as load
