"""A run's sampler as one file, which is drawn from without the code that trained it (jaxehr.exported)."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jaxehr import __version__, files
from jaxehr.exported import FORMAT, NEEDS, ExportError
from jaxehr.numerics import THREEFRY, in_float32
from jaxehr.synthesis import Synthesizer
from jaxehr.types import Grid, Sampler

PLATFORMS = ("cpu", "cuda", "tpu")


@in_float32
def export(
    synthesizer: Synthesizer,
    path: str | Path,
    *,
    sampler: Sampler | None = None,
    grid: Grid | None = None,
    guidance: float | None = None,
    batch_size: int = 1024,
    platforms: tuple[str, ...] = PLATFORMS,
) -> None:
    """Writes the program that draws `batch_size` records at once, for each platform, its parameters, and what decoding
    needs.

    What is drawn under conditions, imputed or forecast is not exported.

    sampler, grid, guidance     as in Synthesizer.sample; they are fixed by this
    Raises ExportError where the draw is no program of JAX's alone, or its records are seen in a way of their own;
    ImportError without flatbuffers.
    """
    recipe = synthesizer.recipe
    if batch_size < 1:
        raise ValueError(f"the records of a batch must be at least 1; got {batch_size}")
    if recipe.view.made is None:
        raise ExportError(
            f"{recipe.name} cannot be exported: it sees records in a way of its own, which no file says"
        )
    try:
        import flatbuffers  # noqa: F401
    except ImportError:
        raise ImportError(f"jaxehr export {NEEDS}") from None
    drawer = synthesizer.drawer(guidance, sampler, grid)
    draw = drawer.program()
    looked = None if drawer.look is None else drawer.look[1]
    leaves, tree = jax.tree.flatten(jax.tree.map(np.asarray, (drawer.params, looked)))

    def program(leaves: Any, key: Any, indices: Any) -> Any:
        params, looked = jax.tree.unflatten(tree, leaves)
        return draw(params, looked, jax.random.wrap_key_data(key, impl=THREEFRY), indices, None)

    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    key = jax.ShapeDtypeStruct((2,), jnp.uint32)
    indices = jax.ShapeDtypeStruct((batch_size,), jnp.uint32)
    programs = {}
    try:
        for platform in platforms:
            made = jax.export.export(jax.jit(program), platforms=[platform])(shapes, key, indices)
            programs[platform] = bytes(made.serialize())
    except Exception as error:  # JAX and what is traced raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ExportError(f"{recipe.name} cannot be exported ({reason})") from error
    possible = drawer.possible
    about = {
        "format": FORMAT,
        "jaxehr": __version__,
        "jax": jax.__version__,
        "recipe": recipe.name,
        "batch_size": batch_size,
        "platforms": platforms,
        "leaves": len(leaves),
        "view": recipe.view.made,
        "possible": None if possible is None else {"fault": possible.fault, "way": possible.way},
        "codec": recipe.codec.to_json(),
    }
    arrays = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}
    for name, content in {"about": json.dumps(about).encode(), **programs}.items():
        arrays[name] = np.frombuffer(content, np.uint8)
    with files.whole(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)
