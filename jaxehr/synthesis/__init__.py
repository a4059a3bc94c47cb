"""What every recipe shares: fitting, drawing, conditions, imputation, views of records, folders of runs."""

from jaxehr.synthesis.recipe import Recipe as Recipe
from jaxehr.synthesis.recipe import Stage as Stage
from jaxehr.synthesis.recipe import Synthesizer as Synthesizer
from jaxehr.synthesis.recipe import fit as fit
from jaxehr.synthesis.recipe import load as load
