"""Networks, as pure functions. The only folder that knows Flax Linen."""

from jaxehr.networks.autoencoder import Autoencoder as Autoencoder
from jaxehr.networks.autoencoder import tanh_autoencoder as tanh_autoencoder
from jaxehr.networks.codes import code_network as code_network
from jaxehr.networks.codes import code_reader as code_reader
from jaxehr.networks.mlp import at_unit_variance as at_unit_variance
from jaxehr.networks.mlp import exploding_mlp as exploding_mlp
from jaxehr.networks.mlp import fourier as fourier
from jaxehr.networks.mlp import mlp as mlp
from jaxehr.networks.mlp import sinusoidal as sinusoidal
from jaxehr.networks.mlp import timestep as timestep
from jaxehr.networks.perceptron import perceptron as perceptron
from jaxehr.networks.perceptron import residual_generator as residual_generator
from jaxehr.networks.recurrence import GRU as GRU
from jaxehr.networks.recurrence import LSTM as LSTM
from jaxehr.networks.recurrent import by_step as by_step
from jaxehr.networks.recurrent import recurrent as recurrent
from jaxehr.networks.series_unet import series_unet as series_unet
from jaxehr.networks.series_unet import whole_steps as whole_steps
from jaxehr.networks.tabddpm import tabddpm_mlp as tabddpm_mlp
from jaxehr.networks.tokens import TokenNetwork as TokenNetwork
from jaxehr.networks.tokens import cell_reader as cell_reader
from jaxehr.networks.tokens import token_network as token_network
from jaxehr.networks.tokens import told as told
from jaxehr.networks.unet import square_side as square_side
from jaxehr.networks.unet import unet_1d as unet_1d
from jaxehr.networks.unet import unet_2d as unet_2d
