"""From noise to data: every sampler is `sampler(key, denoise, process, x_T, grid) -> Draw(x, nfe)`."""

from jaxehr.samplers.continuous import evaluations as evaluations
from jaxehr.samplers.continuous import probability_flow as probability_flow
from jaxehr.samplers.grids import karras as karras
