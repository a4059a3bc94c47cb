"""How data is noised."""

from jaxehr.processes.gaussian import Gaussian as Gaussian
from jaxehr.processes.gaussian import standard_normal as standard_normal
from jaxehr.processes.schedules import Schedule as Schedule
from jaxehr.processes.schedules import cosine as cosine
from jaxehr.processes.schedules import ddpm as ddpm
from jaxehr.processes.schedules import edm as edm
from jaxehr.processes.schedules import flow as flow
from jaxehr.processes.schedules import sub_vp as sub_vp
from jaxehr.processes.schedules import ve as ve
from jaxehr.processes.schedules import vp as vp
