"""Samplers measured: the laws they obey, their error against evaluations and time."""

from jaxehr.benchmark.errors import counted_evaluations as counted_evaluations
from jaxehr.benchmark.errors import is_random as is_random
from jaxehr.benchmark.errors import law_error as law_error
from jaxehr.benchmark.errors import moments_error as moments_error
from jaxehr.benchmark.errors import observed_order as observed_order
from jaxehr.benchmark.errors import path_error as path_error
from jaxehr.benchmark.errors import strong_error as strong_error
from jaxehr.benchmark.laws import Law as Law
from jaxehr.benchmark.laws import check as check
from jaxehr.benchmark.load import as_sampler as as_sampler
from jaxehr.benchmark.load import load_sampler as load_sampler
from jaxehr.benchmark.problems import ColumnMixtures as ColumnMixtures
from jaxehr.benchmark.problems import GaussianData as GaussianData
from jaxehr.benchmark.problems import Mixture as Mixture
from jaxehr.benchmark.problems import code_like_gaussian as code_like_gaussian
from jaxehr.benchmark.problems import code_like_mixture as code_like_mixture
from jaxehr.benchmark.problems import four_columns as four_columns
from jaxehr.benchmark.table import Row as Row
from jaxehr.benchmark.table import gaussian_setting as gaussian_setting
from jaxehr.benchmark.table import measure as measure
from jaxehr.benchmark.table import mixture_setting as mixture_setting
from jaxehr.benchmark.table import pareto as pareto
from jaxehr.benchmark.table import run_setting as run_setting
from jaxehr.benchmark.table import save as save
