"""jaxehr: synthetic electronic health records by diffusion models, in JAX.

    import jax, jaxehr

    recipe = jaxehr.masked(train)                             # a DataFrame: one row per patient, or subject_id and code
    synthesizer = jaxehr.fit(recipe, train, jax.random.key(0))
    synthetic = synthesizer.sample(jax.random.key(1), 10_000)
    jaxehr.evaluate(train, synthetic, holdout).save("report")

Names are imported when they are first used, so that `import jaxehr` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxehr.version import __version__ as __version__

if TYPE_CHECKING:
    from jaxehr.data import Records as Records
    from jaxehr.data import Schema as Schema
    from jaxehr.data import events_by_subject as events_by_subject
    from jaxehr.data import hospital as hospital
    from jaxehr.data import read_layout as read_layout
    from jaxehr.data import read_meds as read_meds
    from jaxehr.data import read_records as read_records
    from jaxehr.data import read_subjects as read_subjects
    from jaxehr.data import read_visits as read_visits
    from jaxehr.data import write_meds as write_meds
    from jaxehr.data import write_records as write_records
    from jaxehr.evaluation import Report as Report
    from jaxehr.evaluation import evaluate as evaluate
    from jaxehr.recipes.ehrdiff import ehrdiff as ehrdiff
    from jaxehr.recipes.masked import masked as masked
    from jaxehr.runs import load as load
    from jaxehr.samplers import karras as karras
    from jaxehr.samplers import probability_flow as probability_flow
    from jaxehr.synthesis import Recipe as Recipe
    from jaxehr.synthesis import Synthesizer as Synthesizer
    from jaxehr.synthesis import fit as fit


_HOME = {
    "Records": "data",
    "Schema": "data",
    "events_by_subject": "data",
    "hospital": "data",
    "read_layout": "data",
    "read_meds": "data",
    "read_records": "data",
    "read_subjects": "data",
    "read_visits": "data",
    "write_meds": "data",
    "write_records": "data",
    "Report": "evaluation",
    "evaluate": "evaluation",
    "Recipe": "synthesis",
    "Synthesizer": "synthesis",
    "ehrdiff": "recipes",
    "fit": "synthesis",
    "load": "runs",
    "masked": "recipes",
    "karras": "samplers",
    "probability_flow": "samplers",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxehr' has no attribute '{name}'")
    return getattr(import_module(f"jaxehr.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
