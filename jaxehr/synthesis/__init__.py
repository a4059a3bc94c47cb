"""What every recipe shares: fitting, drawing, conditions, imputation, views of records, folders of runs."""

from jaxehr.synthesis.load import load as load
from jaxehr.synthesis.recipe import Recipe as Recipe
from jaxehr.synthesis.recipe import Stage as Stage
from jaxehr.synthesis.recipe import Synthesizer as Synthesizer
from jaxehr.synthesis.recipe import fit as fit
