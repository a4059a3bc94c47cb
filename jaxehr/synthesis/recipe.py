"""A recipe is a published choice of codec, model, optimizer and steps; fitting it gives a synthesizer."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import optax
import pandas as pd

from jaxehr.codecs import Codec
from jaxehr.data import Records, stacked
from jaxehr.numerics import in_float32, threefry
from jaxehr.synthesis import conditions, run
from jaxehr.synthesis.encoded import Encoded
from jaxehr.synthesis.forecast import forecast
from jaxehr.synthesis.imputation import imputed
from jaxehr.synthesis.look import Look, as_records, looked
from jaxehr.synthesis.records import batches, draw_records
from jaxehr.synthesis.sampling import Drawer, drawer_of
from jaxehr.synthesis.series import variables_of
from jaxehr.synthesis.view import View
from jaxehr.training import best_of
from jaxehr.training.checkpoint import write_params
from jaxehr.training.held_out import SHARE, Best, split_rows
from jaxehr.training.packed import packed
from jaxehr.training.sharding import check_batch, mesh_of
from jaxehr.types import Grid, Key, Model, Params, Sampler, X

log = logging.getLogger(__name__)


class Stage(NamedTuple):
    """One training: its parameters live under `name`.

    model   or a function that makes it of the parameters of the stages before, by name
    judged  whether its loss on records held out says how good it is: not so where two players share one
    """

    name: str
    model: Model | Callable[[dict[str, Params]], Model]
    optimizer: optax.GradientTransformation
    steps: int
    ema_decay: float = 0.999
    judged: bool = True


class Recipe(NamedTuple):
    """All that is chosen before training.

    name        of the function that makes it: name(codec, **settings) makes the same recipe again
    settings    plain values, nothing left to a default
    view        how the model sees what the codec encodes
    stages      trained in order; the last one is drawn from
    rows        of the records that something was measured of; `fit` takes them off
    look        by which a draw is kept, or another made
    """

    name: str
    settings: dict[str, Any]
    codec: Codec
    view: View
    stages: tuple[Stage, ...]
    batch_size: int
    rows: Encoded | None = None
    look: Look | None = None

    def encoded(self, data: pd.DataFrame | Records) -> X:
        """The rows to train on, with their bits packed."""
        rows = None if self.rows is None else self.rows.of(data, self.codec)
        return packed(self.view.to_x(self.codec.encode(data))) if rows is None else rows


def recipe_of(
    function: Callable[..., Recipe],
    chosen: Mapping[str, Any],
    codec: Codec,
    view: View,
    *stages: Stage,
    rows: Encoded | None = None,
    look: Look | None = None,
) -> Recipe:
    """What `function` makes: `chosen`, its locals() in the end, holds what it chose for each of its settings."""
    parameters = inspect.signature(function).parameters.values()
    settings = {p.name: chosen[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
    size = settings["batch_size"]
    return Recipe(function.__name__, settings, codec, view, stages, size, rows, look)


class Synthesizer(NamedTuple):
    """A fitted recipe: params holds the averaged parameters of each stage by name, and each stage its model."""

    recipe: Recipe
    params: dict[str, Params]

    @property
    def model(self) -> Model:
        """What is drawn from."""
        return model_of(self.recipe.stages[-1], self.params)

    def sample(
        self,
        key: Key,
        n: int,
        *,
        given: Mapping[str, Any] | None = None,
        guidance: float | None = None,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        batch_size: int = 1024,
    ) -> Any:
        """n synthetic patients, in the columns, order and dtypes of the training records: a DataFrame where these were
        one, else Records.

        Patient i depends on (key, i) alone: not on n, the batch size, or the number of devices.

        given           what they have in common: {"sex": "F", "age": (65, 80)}. A value, None for a missing one, a list
                        of values, or of numbers and dates a pair (low, high) with None for no end; of a code
                        whether it is there: {"DIAG//250": True}
        guidance        w of a recipe that was trained with a label: records have the law p(x | y) p(y | x)^w, so that
                        they show their label more clearly, and differ less. 0, and None, is what was learnt. One
                        program draws under all weights
        sampler, grid   None stands for the recipe's own
        Raises ValueError if n < 1, for guidance that cannot be, or for a sampler where a value is given to a recipe
        that then has its own alone; DataError for a condition that cannot be.
        """
        how = {"guidance": guidance, "sampler": sampler, "grid": grid}
        return stacked(list(self.stream(key, n, given=given, batch_size=batch_size, **how)))

    def stream(
        self,
        key: Key,
        n: int,
        *,
        given: Mapping[str, Any] | None = None,
        batch_size: int = 1024,
        **how: Any,
    ) -> Iterator[Any]:
        """As `sample`, a batch at a time: n may be more than memory holds. `how`: guidance, sampler and grid."""
        key = threefry(key)
        drawer = self.drawer(**how)
        if not given:
            return draw_records(drawer, key, n, batch_size=batch_size)
        key, pool_key = jax.random.split(key)
        codec = self.recipe.codec
        asked = conditions.given_of(given, codec, narrows=self.model.narrows)
        frames = draw_records(drawer, key, n, given=asked, batch_size=batch_size)

        def after_the_first() -> Iterator[Any]:
            # What the model refuses it refuses there: nothing else was drawn in vain.
            yield next(frames)
            pool = batches(self.drawer(), pool_key, batch_size)
            conditions.warn_of_the_unseen(asked, pool, codec)
            yield from frames

        return after_the_first()

    def impute(
        self,
        key: Key,
        data: pd.DataFrame | Records,
        *,
        variables: Sequence[Any] = (),
        unseen_as_missing: bool = False,
        batch_size: int = 1024,
    ) -> Any:
        """The records with the missing cells of their table drawn, given those that are there, and the events of the
        same patients, where the run learnt both; what is there stays as it is.

        One call is one imputation; other keys give others (Rubin 1987: multiple imputation). Columns that were complete
        in training are filled in like the rest; ids are left alone. Constraints of the schema hold in what is filled
        in: a row is drawn anew until they do, and one of which no draw does is left as it was, and named in a warning.

        variables   of a series, whose events are added at times inside each step before a subject's end in which they
                    have none; ("all",) is every one
        unseen_as_missing   a category that was not there in training is drawn like a missing one, instead of refused
        Raises DataError for columns that differ from those learnt, and for a category never seen.
        """
        return imputed(
            self.drawer(),
            threefry(key),
            data,
            variables=variables_of(self.recipe.codec, variables),
            unseen_as_missing=unseen_as_missing,
            batch_size=batch_size,
        )

    def forecast(
        self,
        key: Key,
        data: pd.DataFrame | Records,
        *,
        until: str,
        draws: int | None = None,
        still_there: bool = False,
        batch_size: int = 1024,
    ) -> Any:
        """The records before a time as they are, and a draw of what follows given all of these: what was measured, that
        all else was not, and the table. Draws do not depend on the batch size.

        until       since each subject's start, in whole steps: "24h"; "0h" knows the table alone
        draws       of each subject, one set of records below the other, with a first column `draw`
        still_there     also goes on with subjects who have no event in the last step before, nor later; else these have
                        ended, and come back as they are
        Raises DataError for records that do not fit the run, or a time that is none or beyond its steps.
        """
        return forecast(
            self.drawer(),
            threefry(key),
            data,
            until=until,
            draws=draws,
            still_there=still_there,
            batch_size=batch_size,
        )

    def drawer(
        self,
        guidance: float | None = None,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
    ) -> Drawer:
        if guidance is not None:
            conditions.check_guidance(guidance, self.recipe, guides=self.model.guides)
        recipe, look = self.recipe, self.recipe.look
        kept_by = None if look is None else (look.chance, self.params[look.name])
        params = self.params[recipe.stages[-1].name]
        return drawer_of(
            self.model, params, recipe.codec, recipe.view, sampler, grid, kept_by, guidance
        )

    def save(self, path: str | Path) -> None:
        """Writes what `load` needs: settings, codec, schema and parameters. No training state, no records.

        Raises run.RunError if there is a run at `path` already, or another process writes one there.
        """
        path = Path(path)
        steps = {stage.name: stage.steps for stage in self.recipe.stages}
        with run.held(path):
            run.check_new(path)
            for name, params in self.params.items():
                write_params(run.checkpoints(path, name), steps.get(name, 1), params)
            run.create(path, self.recipe)
            run.finish(path)


@in_float32
def fit(
    recipe: Recipe,
    data: pd.DataFrame | Records,
    key: Key,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    holdout: float = SHARE,
    refit: bool = False,
    audit: Callable[[Model, Params, X, X], dict[str, float]] | None = None,
    **options: Any,
) -> Synthesizer:
    """Trains every stage of `recipe` on `data`.

    run_dir     keeps checkpoints, metrics.jsonl, settings, codec and schema there
    resume      continue the run in run_dir; it then equals an unbroken one
    holdout     share of the records that are not learnt from, where there are at least 1,000: the parameters whose loss
                on them is least are kept, and training ends when that no longer falls. 0 learns from all, to the end
    refit       then train anew on all records, for as many steps as were best
    audit       (model, parameters, rows learnt, rows held out) -> what to note in the run about them, where there are
                rows that the last stage did not learn; of a second look too, and of the two what has the higher "auc"
    options     of jaxehr.training.best_of: checkpoint_every, checkpoint_minutes, skip_nonfinite, steps_per_dispatch,
                mesh, profile

    Raises run.RunError where run_dir holds another run, or another process trains it; training.Diverged,
    training.Interrupted; ValueError for a batch that does not split over the devices, or a share that is not from 0 to
    1/2.
    """
    key, table = threefry(key), recipe.encoded(data)
    check_batch(recipe.batch_size, options.get("mesh") or mesh_of())
    learnt, held_out = split_rows(table, jax.random.fold_in(key, len(recipe.stages)), holdout)
    path = None if run_dir is None else Path(run_dir)
    if path is not None and resume:
        run.check_recipe(path, recipe.name)
    with nullcontext() if path is None else run.held(path):
        if path is not None:
            print_ = run.fingerprint(data, recipe.codec.schema, table, key)
            _open(path, recipe, print_, {"holdout": holdout, "refit": refit}, resume)
        train = partial(best_of, batch_size=recipe.batch_size, run=path, resume=resume, **options)
        stages, model, params, out = _trained(recipe, train, key, (table, learnt, held_out), refit)
        look, last = recipe.look, params[stages[-1].name]
        if look is not None:
            drawer = drawer_of(model, last, recipe.codec, recipe.view)
            look_key = jax.random.fold_in(key, len(stages) + 2)
            sides = learnt, held_out
            params[look.name] = looked(look, drawer, look_key, table, sides, path, resume)
        if path is not None:
            found = []
            if audit is not None and out is not None:
                found.append(audit(model, last, learnt, out))
                if look is not None:
                    seen = as_records(learnt), as_records(out)
                    found.append(audit(look.model, params[look.name], *seen))
            # what tells more is what the run tells
            run.finish(path, max(found, key=lambda each: each["auc"], default=None))
    return Synthesizer(recipe._replace(stages=stages, rows=None), params)


def _open(path: Path, recipe: Recipe, print_: str, fitted: dict[str, Any], resume: bool) -> None:
    """A run's folder, new or as it was left."""
    if resume:
        run.reopen(path, recipe, print_, fitted)
    else:
        run.check_new(path)
        run.create(path, recipe, print_, fitted)


def _trained(
    recipe: Recipe,
    train: Callable[..., Best],
    key: Key,
    rows: tuple[X, X, X | None],
    refit: bool,
) -> tuple[tuple[Stage, ...], Model, dict[str, Params], X | None]:
    """(the stages with their models, the last model, parameters, rows that it did not learn), each learnt in turn.

    rows    all, those that are learnt, and those held out
    """
    table, learnt, held_out = rows
    params: dict[str, Params] = {}
    stages, out = [], None
    for number, stage in enumerate(recipe.stages):
        model = model_of(stage, params)
        own = partial(
            train,
            model,
            stage.optimizer,
            key=jax.random.fold_in(key, number),
            ema_decay=stage.ema_decay,
        )
        out, steps = held_out if stage.judged else None, stage.steps
        if refit and out is not None:
            name = f"{stage.name}_held_out"
            steps, out = own(table=learnt, steps=steps, name=name, held_out=out).step, None
        seen = table if out is None else learnt
        params[stage.name] = own(table=seen, steps=steps, name=stage.name, held_out=out).params
        stages.append(stage._replace(model=model))
    return tuple(stages), model, params, out


def model_of(stage: Stage, params: dict[str, Params]) -> Model:
    return stage.model if isinstance(stage.model, Model) else stage.model(params)
