"""How data is noised."""

from jaxehr.processes.gaussian import Gaussian as Gaussian
from jaxehr.processes.gaussian import standard_normal as standard_normal
from jaxehr.processes.masked import MASK as MASK
from jaxehr.processes.masked import Masked as Masked
from jaxehr.processes.masked import Path as Path
from jaxehr.processes.mixed import Mixed as Mixed
from jaxehr.processes.multinomial import LOW as LOW
from jaxehr.processes.multinomial import Multinomial as Multinomial
from jaxehr.processes.schedules import Schedule as Schedule
from jaxehr.processes.schedules import cosine as cosine
from jaxehr.processes.schedules import cosine_betas as cosine_betas
from jaxehr.processes.schedules import ddpm as ddpm
from jaxehr.processes.schedules import edm as edm
from jaxehr.processes.schedules import flow as flow
from jaxehr.processes.schedules import sub_vp as sub_vp
from jaxehr.processes.schedules import table as table
from jaxehr.processes.schedules import ve as ve
from jaxehr.processes.schedules import vp as vp
