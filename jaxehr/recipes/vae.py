"""A variational autoencoder: Kingma and Welling, ICLR 2014, in the form that Xu, Skoularidou, Cuesta-Infante and
Veeramachaneni, "Modeling Tabular Data using Conditional GAN", NeurIPS 2019, give it for tables: TVAE.

Composition     Encoder and decoder of two ReLU layers of 128, a normal latent of 128, the ELBO with a learned scale for
                each number, a softmax for each category, reconstruction weighted twice, Adam 1e-3, batches of 500.
Differences     Numbers become normal scores (TVAE: the modes of a Gaussian mixture), with an indicator where they are
                missing, and keep their range. Bits are Bernoulli (TVAE: categories of two), so it takes codes. No
                weight decay (TVAE: 1e-5). An exponential moving average is drawn from.
"""

import jax
import jax.numpy as jnp
import optax
import pandas as pd
from jaxtyping import Array, Num

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.networks import perceptron
from jaxehr.numerics import in_float32
from jaxehr.synthesis.draws import at_once
from jaxehr.synthesis.one_pass import drawn, first_scale, log_likelihood, standard
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Layout, layout_of, matrix_view
from jaxehr.types import Key, Model, Params


@in_float32
def vae(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    width: tuple[int, ...] = (128, 128),
    latent: int = 128,
    reconstruction_weight: float = 2.0,
    steps: int | None = None,
    batch_size: int = 500,
    learning_rate: float = 1e-3,
    ema_decay: float = 0.999,
) -> Recipe:
    """TVAE (Xu et al. 2019): a variational autoencoder of codes or tables.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    width                   of the hidden layers of the encoder, and in reverse of the decoder
    reconstruction_weight   of the likelihood against the KL; 1 is the ELBO
    steps                   by default as many as the records need, at most 20,000
    """
    codec = codec_of(data, schema, Quantile, min_patients)
    width, steps = tuple(width), steps_for(codec, batch_size, steps, most=20_000)
    model = vae_model(layout_of(codec), width, latent, reconstruction_weight=reconstruction_weight)
    stage = Stage("vae", model, optax.adam(learning_rate), steps, ema_decay)
    return recipe_of(vae, locals(), codec, matrix_view(codec), stage)


def vae_model(
    layout: Layout, width: tuple[int, ...], latent: int, *, reconstruction_weight: float
) -> Model:
    encoder = perceptron(layout.columns, 2 * latent, width=width)
    decoder = perceptron(latent, layout.columns, width=width[::-1])

    def init(key: Key) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder.init(encoder_key),
            "decoder": decoder.init(decoder_key),
            **first_scale(layout),
        }

    def loss(params: Params, key: Key, x0: Num[Array, "batch column"]) -> Array:
        x0 = x0.astype(jnp.float32)
        found = encoder.apply(params["encoder"], standard(layout, x0))
        mean, log_variance = jnp.split(found, 2, axis=-1)
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
        raw = decoder.apply(params["decoder"], z)
        reconstruction = log_likelihood(layout, params, raw, x0)
        kl = (jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1).sum(-1) / 2
        return kl - reconstruction_weight * reconstruction

    def draw(params: Params, key: Key) -> Array:
        latent_key, record_key = jax.random.split(key)
        raw = decoder.apply(params["decoder"], jax.random.normal(latent_key, (latent,)))
        return drawn(layout, record_key, raw, params)

    return Model(init, loss, at_once("vae", draw))
