"""A generative adversarial network of records: medGAN, with the critic of WGAN-GP.

Papers          Choi, Biswal, Malin, Duke, Stewart and Sun, "Generating Multi-label Discrete Patient Records using
                Generative Adversarial Networks", MLHC 2017. Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville,
                "Improved Training of Wasserstein GANs", NeurIPS 2017.
Composition     An autoencoder is trained first. The generator then draws its codes, and its decoder makes records of
                them, which is trained on with the generator. A critic that sees records; the gradient penalty 10; five
                steps of the critic for one of the generator; Adam 1e-4 with betas 0 and 0.9.
Differences     One loss is both players': each sees the other's parameters as constants; every step moves the critic,
                and every fifth the generator, with Adam's averages over all five. Bits and categories are drawn, in
                training with straight-through gradients; medGAN hands on probabilities and rounds at the end, which
                no rare code survives. Layers are normalised, not batches, and the critic sees no average of the batch:
                the loss is each patient's own. Tables too: numbers as normal scores, categories by softmax.
                An exponential moving average is drawn from.
"""

import jax
import jax.numpy as jnp
import optax
import pandas as pd
from jaxtyping import Array, Float, Num

from jaxehr.codecs import MIN_PATIENTS, Codec, Quantile, codec_of
from jaxehr.data import Records, Schema
from jaxehr.networks import perceptron, residual_generator
from jaxehr.numerics import in_float32
from jaxehr.synthesis.draws import at_once, no_draw
from jaxehr.synthesis.one_pass import drawn, first_scale, log_likelihood, standard
from jaxehr.synthesis.recipe import Recipe, Stage, recipe_of
from jaxehr.synthesis.steps import steps_for
from jaxehr.synthesis.view import Layout, layout_of, matrix_view
from jaxehr.types import Key, Model, Network, Params


@in_float32
def gan(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None = None,
    *,
    min_patients: int = MIN_PATIENTS,
    latent: int = 128,
    width: tuple[int, ...] = (256, 128),
    autoencoder_steps: int | None = None,
    autoencoder_learning_rate: float = 1e-3,
    penalty: float = 10.0,
    critic_steps: int = 5,
    steps: int | None = None,
    batch_size: int = 256,
    learning_rate: float = 1e-4,
    ema_decay: float = 0.999,
) -> Recipe:
    """medGAN (Choi et al. 2017) with a WGAN-GP critic (Gulrajani et al. 2017): codes or tables.

    data                    training records, or the codec of an earlier fit
    min_patients            who have what is learnt of a value (jaxehr.codecs.shared); 1 learns all
    latent                  of the autoencoder, and of the generator's noise
    width                   of the critic's hidden layers
    autoencoder_steps       by default a fifth of the steps
    penalty                 on the critic's slope between a real and a drawn record
    critic_steps            for each of the generator
    steps                   of the critic; by default as many as the records need, at most 50,000
    """
    codec = codec_of(data, schema, Quantile, min_patients)
    width, steps = tuple(width), steps_for(codec, batch_size, steps, most=50_000)
    if autoencoder_steps is None:
        autoencoder_steps = max(steps // 5, 1)
    layout = layout_of(codec)
    decoder = perceptron(latent, layout.columns)
    critic = perceptron(layout.columns, 1, width=width, activation=jax.nn.leaky_relu)
    first = Stage(
        "autoencoder",
        autoencoder_model(layout, latent, decoder),
        optax.adam(autoencoder_learning_rate),
        autoencoder_steps,
        ema_decay,
    )

    def adversarial(params: dict[str, Params]) -> Model:
        trained = params["autoencoder"]["decoder"]
        return gan_model(layout, latent, decoder, critic, trained, penalty=penalty)

    adam = optax.adam(learning_rate, b1=0.0, b2=0.9)
    seldom = optax.scale_by_schedule(lambda n: ((n + 1) % critic_steps == 0).astype(jnp.float32))
    optimizer = optax.multi_transform(
        {"critic": adam, "generator": optax.chain(adam, seldom)},
        {"critic": "critic", "generator": "generator", "decoder": "generator"},
    )
    second = Stage("gan", adversarial, optimizer, steps, ema_decay, judged=False)
    return recipe_of(gan, locals(), codec, matrix_view(codec), first, second)


def autoencoder_model(layout: Layout, latent: int, decoder: Network) -> Model:
    """medGAN's autoencoder: one layer to a code in (-1, 1), one back."""
    encoder = perceptron(layout.columns, latent)

    def init(key: Key) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder.init(encoder_key),
            "decoder": decoder.init(decoder_key),
            **first_scale(layout),
        }

    def loss(params: Params, key: Key, x0: Num[Array, "batch column"]) -> Array:
        x0 = x0.astype(jnp.float32)
        code = jnp.tanh(encoder.apply(params["encoder"], standard(layout, x0)))
        raw = decoder.apply(params["decoder"], code)
        return -log_likelihood(layout, params, raw, x0)

    return Model(init, loss, no_draw("an autoencoder alone has no law to draw codes from"))


def gan_model(
    layout: Layout,
    latent: int,
    decoder: Network,
    critic: Network,
    trained: Params,
    *,
    penalty: float,
) -> Model:
    """Critic, generator and decoder; the decoder begins with the parameters `trained`."""
    generator = residual_generator(latent)

    def init(key: Key) -> Params:
        generator_key, critic_key = jax.random.split(key)
        return {
            "critic": critic.init(critic_key),
            "generator": generator.init(generator_key),
            "decoder": jax.tree.map(jnp.asarray, trained),
        }

    def made(params: Params, key: Key, shape: tuple[int, ...]) -> Array:
        latent_key, record_key = jax.random.split(key)
        code = generator.apply(params["generator"], jax.random.normal(latent_key, (*shape, latent)))
        return drawn(layout, record_key, decoder.apply(params["decoder"], code))

    def loss(params: Params, key: Key, x0: Num[Array, "batch column"]) -> Array:
        made_key, between_key = jax.random.split(key)
        x = standard(layout, made(params, made_key, x0.shape[:1]))
        real, fake = standard(layout, x0.astype(jnp.float32)), jax.lax.stop_gradient(x)

        def score(x: Float[Array, "*batch column"]) -> Float[Array, "*batch"]:
            return jnp.squeeze(critic.apply(params["critic"], x), -1)

        between = jax.random.uniform(between_key, (len(real), 1))
        slope = jax.vmap(jax.grad(score))(between * real + (1 - between) * fake)
        length = jnp.sqrt(jnp.square(slope).sum(-1) + 1e-12)  # no slope of a root at 0
        critic_loss = score(fake) - score(real) + penalty * jnp.square(length - 1)

        fixed = jax.lax.stop_gradient(params["critic"])
        return critic_loss - jnp.squeeze(critic.apply(fixed, x), -1)

    def draw(params: Params, key: Key) -> Array:
        return made(params, key, ())

    return Model(init, loss, at_once("gan", draw))
