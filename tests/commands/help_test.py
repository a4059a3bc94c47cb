"""jaxehr help: every page is printed, short enough to be read, and names nothing that is not there."""

import inspect
import re

import jax
import numpy as np
import pandas as pd
import pytest
from pages import commands, faults, python

import jaxehr
from jaxehr import names
from jaxehr.cli import EXAMPLES, main
from jaxehr.commands.help import pages
from jaxehr.evaluation.judges import verdict
from jaxehr.evaluation.judges.verdict import COPIED, LEAK, UNSEEN
from jaxehr.evaluation.measures.catalogue import ENTRIES

PAGES = pages()


def test_alone_it_lists_every_topic_with_what_it_is_about(capsys):
    assert main(["help"]) == 0
    listed = capsys.readouterr().out
    assert {"data", "schema", "conditions", "evaluation", "privacy", "solvers"} <= set(PAGES)
    for topic, page in PAGES.items():
        about = page.splitlines()[0].removeprefix(f"{topic}: ")
        assert re.search(rf"^jaxehr help {topic} +{re.escape(about)}$", listed, re.MULTILINE)


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_is_printed_and_of_one_or_two_screens(topic, capsys):
    assert main(["help", topic]) == 0
    assert capsys.readouterr().out == PAGES[topic]
    lines = PAGES[topic].splitlines()
    assert lines[0].startswith(f"{topic}: ") and not lines[1]
    assert 40 <= len(lines) <= 100 and max(map(len, lines)) <= 104
    assert commands(PAGES[topic])


def test_a_misspelt_topic_is_answered_with_the_nearest(capsys):
    assert main(["help", "privcy"]) == 2
    assert "unknown topic 'privcy'; did you mean privacy?" in capsys.readouterr().err


@pytest.mark.parametrize("topic", PAGES)
def test_nothing_is_named_that_is_not_there(topic):
    assert list(faults(PAGES[topic])) == []


def test_the_examples_of_help_are_commands():
    assert len(commands(EXAMPLES)) > 10 and list(faults(EXAMPLES)) == []


@pytest.mark.parametrize(
    "line",
    [
        "  jaxehr fit masked --data FILE",
        "  jaxehr fit maskd --data FILE --out RUN",
        "  jaxehr fit masked --data FILE --out RUN --set widht=3",
        "  jaxehr sample RUN -n 10 --out s.csv --sampler huen",
        "  jaxehr baseline copla --data FILE -n 10 --out c.csv",
        "  jaxehr evaluate --real a.csv --synthetic b.csv --out r --only fidelty",
        "  jaxehr help privcy",
        "with --mising it is said",
        "shape_eror is the distance",
        "_tpr_at_2pct of these",
        "by dpmpp_4m",
        "\n\n    synthesizer.sample(key, sampler=probability_flo(x))\n",
    ],
)
def test_a_planted_fault_is_found(line):
    assert len(list(faults(f"{line}\n"))) == 1


def test_every_figure_and_every_sampler_is_explained():
    """Of figures with variants (linear models, R^2, attackers' rates) the first is, and the ending."""
    judged = PAGES["evaluation"] + PAGES["privacy"] + PAGES["series"]
    endings = r"(_linear|(?<=_auroc)_linear|_tpr_at_0?1pct|_epsilon)$"
    for name in ENTRIES:
        first = re.sub(endings, lambda m: "" if "linear" in m[0] else "_auc", name) if (
            name not in judged
        ) else name  # fmt: skip
        assert re.sub("_r2$", "_auroc", first) in judged, name
    for ending in ("_linear", "_r2", "_tpr_at_1pct", "_tpr_at_01pct", "_epsilon"):
        assert re.search(rf"(?<!\w){ending}\b", judged), ending
    known = {*names.samplers(), *names.mixed_samplers(), *names.masked_samplers()}
    said = set(re.findall(r"\w+", PAGES["solvers"]))
    assert known <= said and set(names.recipes()) <= said


def test_every_verdict_of_privacy_is_explained():
    source = inspect.getsource(verdict._of_privacy)
    headings = {LEAK, COPIED, UNSEEN, *re.findall(r'"([A-Z][a-z]+(?: [a-z]+)*)"', source)}
    assert len(headings) >= 6
    for heading in headings:
        assert re.search(rf"^  {heading}  ", PAGES["privacy"], re.MULTILINE), heading


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What `jaxehr demo` leaves in runs/demo, in small: (its folder, a name space for the pages' Python)."""
    folder = tmp_path_factory.mktemp("help")
    rng = np.random.default_rng(0)

    def patients():
        n = 90
        return pd.DataFrame(
            {
                "age": rng.integers(40, 90, n),
                "sex": np.where(rng.random(n) < 0.5, "female", "male"),
                "bmi": rng.normal(28, 4, n).round(1),
                "hdl": np.where(rng.random(n) < 0.3, np.nan, rng.normal(50, 9, n).round()),
                "stroke": rng.random(n) < 0.4,
                "death": rng.random(n) < 0.3,
            }
        )

    sets = {name: patients() for name in ("train", "holdout", "synthetic")}
    recipe = jaxehr.masked(sets["train"], steps=2, width=16, blocks=1, batch_size=16)
    run = folder / "runs" / "demo"
    synthesizer = jaxehr.fit(recipe, sets["train"], jax.random.key(0), run_dir=run)
    for name, frame in sets.items():
        jaxehr.write_records(frame, run / f"{name}.csv")
    return folder, {**sets, "synthesizer": synthesizer, "key": jax.random.key(1)}


@pytest.mark.parametrize("topic", [t for t in PAGES if python(PAGES[t])])
def test_the_python_of_a_page_runs(topic, demo, monkeypatch):
    folder, space = demo
    monkeypatch.chdir(folder)
    space = {**space, "jaxehr": jaxehr}
    for code in python(PAGES[topic]):
        exec(compile(code.replace("1_000", "9"), topic, "exec"), space)
