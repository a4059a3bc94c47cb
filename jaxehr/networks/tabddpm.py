"""The network of TabDDPM: Kotelnikov et al. (2023), section 3.2 and the authors' MLPDiffusion."""

import flax.linen as nn
import jax.numpy as jnp

from jaxehr.networks.mlp import Embedding, linear, told_a_label
from jaxehr.types import Network


def tabddpm_mlp(
    columns: int,
    *,
    width: tuple[int, ...],
    time_width: int = 128,
    embedding: Embedding,
    labels: int = 0,
) -> Network:
    """An MLP whose input has the time, and a label, added to it.

        emb = Linear(SiLU(Linear(embedding(t)))) + SiLU(label embedding)
        h   = Linear(x) + emb;   h = ReLU(Linear(h)) for each width;   Linear(h)

    labels      number of labels; 0 for none. A label of -1 stands for one that is not said (classifier-free guidance)

    apply(params, x, t, label): t the whole number of the step, counted from 0. Weights start as PyTorch's do.
    """
    module = _TabDDPM(columns, width, time_width, embedding, labels)
    return told_a_label(module, columns, labels)


class _TabDDPM(nn.Module):
    columns: int
    width: tuple[int, ...]
    time_width: int
    embedding: Embedding
    labels: int

    @nn.compact
    def __call__(self, x, t, label):
        features = self.embedding(t)
        hidden = linear(self.time_width, features, "time_0")(features)
        emb = linear(self.time_width, hidden, "time_1")(nn.silu(hidden))
        if self.labels:
            table = nn.Embed(
                self.labels,
                self.time_width,
                embedding_init=nn.initializers.normal(1.0),
                name="label",
            )
            said = (label >= 0)[..., None]
            emb += jnp.where(said, nn.silu(table(jnp.maximum(label, 0))), 0.0)
        h = linear(self.time_width, x, "proj")(x) + emb
        for i, width in enumerate(self.width):
            h = nn.relu(linear(width, h, f"block_{i}")(h))
        return linear(self.columns, h, "head")(h)
