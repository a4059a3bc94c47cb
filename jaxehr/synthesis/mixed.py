"""A diffusion model of numbers beside categories, on the rows of `token_view`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxehr.codecs import END
from jaxehr.denoisers import EPS, guided
from jaxehr.losses import Times
from jaxehr.processes import Mixed
from jaxehr.synthesis.draws import noise_to_data
from jaxehr.synthesis.view import Tokens
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Model, Params, Sampler


def mixed_model(
    process: Mixed,
    init: Callable[[Key], Params],
    denoiser: Callable[[Params, Array | None], Denoiser],
    loss: Callable[..., Array],
    *,
    tokens: Tokens,
    times: Times,
    sampler: Sampler,
    grid: Callable[[int], Grid],
    steps: int,
    reach: float = END,
    clip_denoised: bool = True,
    label: Callable[[Key, Known | None], Array] | None = None,
    label_dropout: float = 0.0,
) -> Model:
    """A Model whose numbers, where there are any, lie in [-reach, reach], and whose label is a condition.

    denoiser        (params, label) -> the denoiser of records that have it; a label of -1 is not said
    loss            (process, x_0, x_0 as denoised, x, t, observed=): `losses.mixed_loss`
    times           of a training batch
    sampler, grid   the recipe's own; a draw takes `steps` steps of the grid
    reach           of the numbers, by default that of normal scores
    clip_denoised   its own sampler, too, has denoised numbers held within their scale, as all others have
    label           (key, what is known) -> one, drawn before the rest: `label.label_drawn`
    label_dropout   share of the training rows whose label is not said
    """
    numbers = len(tokens.indicators)
    shapes = {**tokens.shapes, **({"number": (numbers,)} if numbers else {})}
    walk = noise_to_data(process, shapes, sampler=sampler, grid=grid, steps=steps)

    def batch_loss(params: Params, key: Key, x: Any) -> Array:
        x0, said = split(x, reach)
        t_key, noise_key, fill_key, label_key = jax.random.split(key, 4)
        t = times(t_key, (len(next(iter(x0.values()))),))
        observed: Array | float = 1.0
        if numbers:  # as in `diffusion.without_missing`
            missing = tokens.missing(x0)
            observed = 1.0 - missing
            fresh = jax.random.normal(fill_key, x0["number"].shape)
            x0 = {**x0, "number": jnp.where(missing > 0, fresh, x0["number"])}
        if said is not None and label_dropout:
            hidden = jax.random.bernoulli(label_key, label_dropout, said.shape)
            said = jnp.where(hidden, -1, said)
        x = process.corrupt(noise_key, x0, t)
        return loss(process, x0, denoiser(params, said)(x, t), x, t, observed=observed)

    def draw(
        params: Params,
        key: Key,
        *,
        known: Known | None = None,
        guidance: Array | float | None = None,
        **asked: Any,
    ) -> Draw:
        label_key, prior_key, path_key = jax.random.split(key, 3)
        said = None if label is None else label(label_key, known)
        denoise = denoiser(params, said)
        if said is not None and guidance is not None:
            denoise = guided(denoise, denoiser(params, jnp.full_like(said, -1)), 1 + guidance)
        if numbers and (clip_denoised or asked.get("sampler") is not None):
            denoise = inside(denoise, reach)
        held: Any = known
        if held is not None:
            parts = [
                {n: p for n, p in of.items() if n != "label"} for of in (held.mask, held.allowed)
            ]
            held = Known(split(held.x0, reach)[0], *parts)
        x, nfe, _ = walk((prior_key, path_key), denoise, known=held, **asked)
        return Draw(joined(x, said, reach), nfe)

    guides = label is not None and label_dropout > 0
    return Model(init, batch_loss, draw, grid, process=process, guides=guides)


def noise_and_logits(
    process: Mixed, tokens: Tokens, *, log_one_hot: bool = False
) -> Callable[[Callable], Denoiser]:
    """Makes a denoiser of a network that says the noise of each number, and logits of each group of categories.

    It reads (numbers and categories one-hot in one row, t).

    log_one_hot     categories are read as the logarithms of 0 and 1, the former as -69
    """
    numbers = len(tokens.indicators)

    def denoiser(network: Callable[[Array, Array], Array]) -> Denoiser:
        def denoise(x: Any, t):
            t = jnp.asarray(t, float)
            lead = next(iter(x.values())).shape[:-1]
            hot = tokens.one_hot(x).astype(float) if tokens.groups else jnp.zeros((*lead, 0))
            if log_one_hot:
                of_class = np.isin(np.arange(tokens.width), tokens.places)
                hot = jnp.where(of_class, jnp.log(jnp.maximum(hot, 1e-30)), 0.0)
            said = network(jnp.concatenate([x["number"], hot], axis=-1) if numbers else hot, t)
            x0: dict[str, Any] = tokens.spread(said[..., numbers:])
            if numbers:
                x0["number"] = EPS.to_x0(
                    process.parts["number"], said[..., :numbers], x["number"], t
                )
            return x0

        return denoise

    return denoiser


def split(x: Any, reach: float = END) -> tuple[Any, Array | None]:
    """(the parts that are diffused, with numbers in [-reach, reach]; the label)."""
    rest = {name: part for name, part in x.items() if name != "label"}
    if "number" in rest:
        rest["number"] = (rest["number"] - 0.5) * (2 * reach)
    return rest, x.get("label")


def joined(x: Any, label: Array | None, reach: float = END) -> Any:
    """The inverse of `split`."""
    if "number" in x:
        x = {**x, "number": x["number"] / (2 * reach) + 0.5}
    return x if label is None else {**x, "label": label}


def inside(denoise: Denoiser, reach: float = END) -> Denoiser:
    """Denoised numbers held within their scale, by default that of normal scores, as any that came from data are.

    At the first times alpha is near 0, and x_0 is the error of the noise over alpha: the first step of a cosine table
    multiplies what the network misses by 1 / sqrt(1 - .999), which is 31. The numbers that follow lie where the network
    has never been, so that it misses more, of the categories as well: missing values are lost with the numbers (Lu et
    al. 2022, section 3.4: thresholding).
    """

    def denoise_inside(x, t):
        x0: Any = denoise(x, t)
        return {**x0, "number": jnp.clip(x0["number"], -reach, reach)}

    return denoise_inside
