"""Solvers of ours, one file a method, each a `diffrax.AbstractSolver`."""

from jaxehr.samplers.solvers.churn import Churn as Churn
from jaxehr.samplers.solvers.deis import DEISAB2 as DEISAB2
from jaxehr.samplers.solvers.deis import DEIStAB as DEIStAB
from jaxehr.samplers.solvers.dpmpp import DPMpp2M as DPMpp2M
from jaxehr.samplers.solvers.dpmpp import DPMpp2MSDE as DPMpp2MSDE
from jaxehr.samplers.solvers.dpmpp import DPMpp2S as DPMpp2S
from jaxehr.samplers.solvers.dpmpp import DPMpp3M as DPMpp3M
from jaxehr.samplers.solvers.exponential import ExponentialEuler as ExponentialEuler
from jaxehr.samplers.solvers.exponential import ExponentialSolver as ExponentialSolver
from jaxehr.samplers.solvers.exponential import StochasticSolver as StochasticSolver
from jaxehr.samplers.solvers.heun import Heun as Heun
from jaxehr.samplers.solvers.unipc import UniPC2 as UniPC2
from jaxehr.samplers.solvers.unipc import UniPC3 as UniPC3
from jaxehr.samplers.solvers.unipc import bh1 as bh1
from jaxehr.samplers.solvers.unipc import bh2 as bh2
