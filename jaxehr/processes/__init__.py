"""How data is noised."""

from jaxehr.processes.gaussian import Gaussian as Gaussian
from jaxehr.processes.schedules import Schedule as Schedule
from jaxehr.processes.schedules import edm as edm
from jaxehr.processes.schedules import vp as vp
