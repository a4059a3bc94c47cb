"""A dict of processes is a process: each part of a record is noised by its own, all at the same time t."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from jaxehr.types import Key, Noise, Time, X


class Mixed(NamedTuple):
    """Parts by name. They may have schedules of their own; time is shared, and so is the grid of a sampler."""

    parts: Mapping[str, Any]

    def prior(self, key: Key, shape: Mapping[str, tuple[int, ...]], t: Time) -> X:
        """x_T; the shape is a dict as well."""
        return self._each(key, lambda name, part, k: part.prior(k, shape[name], t))

    def corrupt(self, key: Key, x: X, t: Time, s: Time | None = None) -> X:
        return self._each(key, lambda name, part, k: part.corrupt(k, x[name], t, s))

    def pinned(self, key: Key, x0: X, t: Time) -> X:
        return self._each(key, lambda name, part, k: part.pinned(k, x0[name], t))

    def posterior(self, key: Noise, x0: X, x: X, t: Time, s: Time, eta: float = 1.0) -> X:
        """`key` may also be a dict: a key or noise for each part."""
        return self._each(
            key, lambda name, part, k: part.posterior(k, x0[name], x[name], t, s, eta)
        )

    def _each(self, key: Any, of: Callable[[str, Any, Any], Any]) -> dict[str, Any]:
        keys = part_keys(key, self.parts)
        return {name: of(name, part, keys[name]) for name, part in self.parts.items()}


def part_keys(key: Any, parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """A key for each part, the same whatever their order; a dict of keys or noises is taken as it is."""
    if isinstance(key, Mapping):
        return key
    if len(parts) == 1:  # one part is the part itself
        return dict.fromkeys(parts, key)
    keys = jax.random.split(key, len(parts))
    return {name: keys[i] for i, name in enumerate(sorted(parts))}
