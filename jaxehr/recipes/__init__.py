"""Published systems, each reading like its paper."""

from jaxehr.recipes.courses import courses as courses
from jaxehr.recipes.ddpm import ddim as ddim
from jaxehr.recipes.ddpm import ddpm as ddpm
from jaxehr.recipes.ehrdiff import ehrdiff as ehrdiff
from jaxehr.recipes.gan import gan as gan
from jaxehr.recipes.longitudinal_dpm import longitudinal_dpm as longitudinal_dpm
from jaxehr.recipes.masked import masked as masked
from jaxehr.recipes.meddiff import meddiff as meddiff
from jaxehr.recipes.ncsn import ncsn as ncsn
from jaxehr.recipes.scoehr import scoehr as scoehr
from jaxehr.recipes.score_sde import score_sde as score_sde
from jaxehr.recipes.score_sde import score_sde_sub_vp as score_sde_sub_vp
from jaxehr.recipes.score_sde import score_sde_ve as score_sde_ve
from jaxehr.recipes.tabddpm import tabddpm as tabddpm
from jaxehr.recipes.timediff import timediff as timediff
from jaxehr.recipes.vae import vae as vae
