"""Training: one pure step, many steps a dispatch, checkpoints that a broken run continues from."""

from jaxehr.training.fit import Diverged as Diverged
from jaxehr.training.fit import Interrupted as Interrupted
from jaxehr.training.fit import best_of as best_of
from jaxehr.training.fit import train as train
from jaxehr.training.sharding import mesh_of as mesh_of
from jaxehr.training.step import State as State
from jaxehr.training.step import init_state as init_state
from jaxehr.training.step import train_step as train_step
