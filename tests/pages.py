"""What a page of documentation names that is not there: commands, options, recipes, settings, samplers, figures."""

import argparse
import contextlib
import inspect
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache

import jaxehr
from jaxehr import cli, names, samplers, settings
from jaxehr.commands.help import pages
from jaxehr.data import Schema, layouts, read_records
from jaxehr.evaluation.measures.catalogue import ENTRIES
from jaxehr.evaluation.measures.metric import PILLARS
from jaxehr.evaluation.rules.grammar import KEYS
from jaxehr.evaluation.rules.rule import RELATIONS

FILES = r"[\w/]+\.(csv|json|toml|py|parquet|html)\b"
TAKEN = {"subject_id", "patient_id", "numeric_value", "text_value"}  # names of columns
PUBLIC = (read_records, jaxehr.evaluate, jaxehr.fit, jaxehr.Synthesizer.sample,
          jaxehr.Synthesizer.impute)  # fmt: skip


def commands(page: str) -> list[str]:
    """The lines that begin with jaxehr and two blanks before it, each whole."""
    whole = re.sub(r"\\\n\s*", "", page)
    return re.findall(r"^  (jaxehr .*)$", whole, re.MULTILINE)


def python(page: str) -> list[str]:
    """What stands alone behind four blanks."""
    runs = re.findall(r"(?:^|\n\n)((?:    .*\n|\n)+)", page)
    return [inspect.cleandoc("\n" + run) + "\n" for run in runs if run.strip()]


def faults(page: str) -> Iterator[str]:
    """A line for each name that is none."""
    for line in commands(page):
        yield from (f"{line}: {fault}" for fault in _of_command(line))
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) - flags():
        yield f"no command has {flag}"
    bare = re.sub(FILES, "", page)
    for word in (
        set(re.findall(r"(?<![\w.])_?[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b(?!\()", bare)) - words()
    ):
        if not any(name.endswith(word) for name in ENTRIES if word.startswith("_")):
            yield f"nothing is called {word}"
    code = "".join(python(page))
    own = set(re.findall(r"\w+", "".join(re.findall(r"(?:def|class) .*", code))))
    for word in set(re.findall(r"(?<![\w.])([a-z][a-z0-9_]+)\(", code)) - own:
        if not hasattr(jaxehr, word) and not hasattr(samplers, word):
            yield f"there is no function {word}"


@cache
def parser() -> argparse.ArgumentParser:
    return cli.parser()


def _of_command(line: str) -> Iterator[str]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = parser().parse_args(shlex.split(line, comments=True)[1:])
    except SystemExit:
        yield said.getvalue().strip().splitlines()[-1]
        return
    recipes = names.recipes()
    recipe = getattr(options, "recipe", None)
    asked = {
        recipe: recipes,
        getattr(options, "sampler", None): _samplers(),
        getattr(options, "topic", None): pages(),
    }
    if line.startswith("jaxehr baseline"):
        asked[options.name] = names.baselines()
    asked |= dict.fromkeys((getattr(options, "only", None) or "").split(","), PILLARS)
    for name, known in asked.items():
        if name and name not in known:
            yield f"'{name}' is none of {', '.join(known)}"
    if recipe in recipes:
        try:
            settings.parse(options.settings, recipes[recipe])
        except ValueError as error:
            yield str(error)


def _samplers() -> set[str]:
    return {*names.samplers(), *names.mixed_samplers(), *names.masked_samplers()}


@cache
def flags() -> set[str]:
    """Of all commands."""
    (found,) = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return {
        flag for each in found.choices.values() for a in each._actions for flag in a.option_strings
    }


@cache
def words() -> set[str]:
    """Names of more than one word."""
    recipes = names.recipes()
    found = {*ENTRIES, *recipes, *_samplers(), *names.baselines(), *TAKEN, *dir(samplers)}
    found |= {name for recipe in recipes.values() for name in settings.of(recipe)}
    ours = (getattr(samplers, name) for name in dir(samplers))
    for each in (*PUBLIC, *(f for f in ours if inspect.isfunction(f) or inspect.isclass(f))):
        found |= set(inspect.signature(each).parameters)
    return found | {*KEYS, *RELATIONS} | set(layouts()) | set(dir(Schema)) | set(dir(jaxehr))
