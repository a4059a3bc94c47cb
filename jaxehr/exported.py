"""Samplers that `jaxehr export` wrote: loaded and drawn from without what trains, and without Flax, Diffrax or Orbax.

    from jaxehr import exported

    sampler = exported.load("stays.sampler")
    sampler.sample(jax.random.key(1), 1000)     # as Synthesizer.sample draws them, to the bit

The file is one of numpy.load's (.npz): `cpu`, `cuda` and `tpu`, programs as jax.export.serialize wrote them; `leaf_0`,
`leaf_1`, ..., the parameters that each takes; `about`, JSON with what decoding needs. No pickle is read. A program for
several platforms at once would do, but XLA fuses it otherwise, and its draws differ from the run's in the last bits.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxehr.files import line_of
from jaxehr.numerics import in_float32, threefry
from jaxehr.types import Key, X

if TYPE_CHECKING:
    from jaxehr.codecs import Codec, KnownParts, Parts
    from jaxehr.synthesis.view import View
    from jaxehr.types import Possible

FORMAT = 1  # counted up with any change of the file
NEEDS = "needs the package flatbuffers: pip install 'jaxehr[export]'"


class ExportError(ValueError):
    """What cannot be exported, or a file that is no exported sampler; one line says why."""


@dataclass(frozen=True)
class Exported:
    """A sampler of one run: its parameters, and the program that draws `batch_size` records of them at once.

    about   what is known of it: recipe, batch_size, platforms, the versions of jaxehr and jax that wrote it, ...
    """

    about: dict[str, Any]
    leaves: tuple[Any, ...]
    call: Callable[..., tuple[X, Any]]

    @property
    def batch_size(self) -> int:
        return self.about["batch_size"]

    @in_float32
    def x(self, key: Key, indices: np.ndarray) -> tuple[X, np.ndarray]:
        """(records of these numbers as the model has them, which of them are kept); takes JAX and NumPy alone.

        Raises ValueError for more than `batch_size` of them.
        """
        if len(indices) > self.batch_size:
            raise ValueError(
                f"the program draws {self.batch_size:,} records at once; got {len(indices):,} indices: call it for a "
                "part of them at a time, or export with a larger --batch-size"
            )
        at = np.resize(np.asarray(indices, np.uint32), self.batch_size)
        x, kept = self.call(self.leaves, jax.random.key_data(threefry(key)), at)
        return jax.tree.map(lambda part: np.asarray(part)[: len(indices)], (x, kept))

    def sample(self, key: Key, n: int) -> Any:
        """n synthetic patients, in the columns, order and dtypes of the training records.

        Takes pandas, jaxehr.data and jaxehr.codecs beside JAX. The same records as `Synthesizer.sample(key, n,
        batch_size=batch_size)` of the run draws, to the bit on the same backend. Raises ValueError if n < 1.
        """
        from jaxehr.data import stacked

        return stacked(list(self.stream(key, n)))

    def stream(self, key: Key, n: int) -> Iterator[Any]:
        """As `sample`, a batch at a time: n may be more than memory holds."""
        from jaxehr.synthesis.records import draw_records

        return draw_records(self, threefry(key), n, batch_size=self.batch_size)

    def batch(
        self, key: Key, indices: np.ndarray, known: "KnownParts | None" = None
    ) -> "tuple[Parts, np.ndarray]":
        """(the parts of these records, which of them are kept). Nothing can be known of them before."""
        from jaxehr.synthesis.records import check_finite

        assert known is None
        x, kept = self.x(key, indices)
        check_finite(x)
        return self._view.of_x(x), kept

    @cached_property
    def codec(self) -> "Codec":
        from jaxehr.codecs import codec_from_json

        return codec_from_json(self.about["codec"])

    @property
    def possible(self) -> "Possible | None":
        from jaxehr.types import Possible

        said = self.about["possible"]
        return None if said is None else Possible(holds=lambda x: None, **said)

    @cached_property
    def _view(self) -> "View":
        from jaxehr.synthesis.carried import carried_view
        from jaxehr.synthesis.label_view import labelled_view
        from jaxehr.synthesis.view import matrix_view, token_view

        views: dict[str, Callable[..., View]] = {
            "matrix_view": matrix_view,
            "token_view": token_view,
            "labelled_view": labelled_view,
            "carried_view": carried_view,
        }
        name, options = self.about["view"]
        return views[name](self.codec, **options)


def load(path: str | Path) -> Exported:
    """The sampler in a file that `jaxehr export` wrote.

    Raises ExportError for a file that is none, is damaged, of another format, or of a version of JAX whose programs
    this one does not read; ImportError without flatbuffers.
    """
    try:
        import flatbuffers  # noqa: F401
        import jax.export
    except ImportError:
        raise ImportError(f"{path} {NEEDS}") from None
    here = {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())
    about, leaves, program = _read(Path(path), here)
    try:
        exported = jax.export.deserialize(bytearray(program))
    except Exception as error:
        raise ExportError(
            f"{path} was exported with JAX {about['jax']}, and JAX {jax.__version__} does not read it "
            f"({line_of(error)}); export the run again"
        ) from None
    return Exported(about, jax.device_put(leaves), jax.jit(exported.call))


def _read(path: Path, platform: str) -> tuple[dict[str, Any], tuple[np.ndarray, ...], bytes]:
    """(about, the parameters, the program for the platform)."""
    try:
        with np.load(path, allow_pickle=False) as file:  # a checksum of each array is compared
            about = json.loads(file["about"].tobytes())
            found, platforms = about["format"], about["platforms"]
            if found == FORMAT and platform in platforms:
                leaves = tuple(file[f"leaf_{i}"] for i in range(about["leaves"]))
                return about, leaves, file[platform].tobytes()
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception:  # of what is no zip, or a damaged one, there are many kinds
        raise ExportError(
            f"{path} is no exported sampler, or not as it was written; `jaxehr export` writes one"
        ) from None
    if found != FORMAT:
        raise ExportError(
            f"{path} has format {found}, this jaxehr reads {FORMAT}; export the run again"
        )
    raise ExportError(f"{path} was exported for {', '.join(platforms)}, not for {platform}")
