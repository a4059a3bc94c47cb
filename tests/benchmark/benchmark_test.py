"""The benchmark, and the laws for anyone's solver."""

import json

import numpy as np
import pytest

from jaxehr import names
from jaxehr.benchmark import gaussian_setting, load_sampler, measure, pareto
from jaxehr.cli import main

SOLVERS = """
import diffrax
import jax.numpy as jnp
from jaxehr.samplers.solvers import ExponentialSolver


class Midpoint(ExponentialSolver):
    def order(self, terms):
        return 2

    def advance(self, denoise, t, s, y, state):
        m = jnp.sqrt(t * s)
        half = m / t * y + (1 - m / t) * denoise(y, t)
        return s / t * y + (1 - s / t) * denoise(half, m), state


ready = diffrax.Ralston()
steep = diffrax.Tsit5()


def step(key, denoise, process, x, t, s):
    kept, y = process.sigma(s) / process.sigma(t), denoise(x, t)
    return kept * x + (process.alpha(s) - kept * process.alpha(t)) * y


def too_short(key, denoise, process, x, t, s):
    return x + 0.9 * (s - t) * (x - denoise(x, t)) / t


def branching_step(key, denoise, process, x, t, s):
    return x if jnp.abs(x).max() > 1e9 else denoise(x, t)


def branching(key, denoise, process, x_T, grid):
    from jaxehr.samplers import ddim
    return ddim()(key, denoise, process, x_T if x_T[0] < 1e9 else 1e9, grid)


def miscounted(key, denoise, process, x_T, grid):
    from jaxehr.samplers import ddim
    return ddim()(key, denoise, process, x_T, grid)._replace(nfe=jnp.asarray(1))


number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOLVERS)
    return path


@pytest.mark.parametrize("name", ["Midpoint", "ready", "steep", "step"])
def test_a_users_solver_is_held_to_the_laws(file, name, capsys):
    assert main(["check", f"{file}:{name}"]) == 0
    out = capsys.readouterr().out
    assert f"{name}: all laws hold" in out
    assert (", stated " in out) == (name != "step")


@pytest.mark.parametrize(
    ("name", "law"), [("too_short", "order"), ("miscounted", "nfe"), ("branching", "jit")]
)
def test_a_wrong_solver_is_caught(file, name, law, capsys):
    assert main(["check", f"{file}:{name}"]) == 1
    assert f"FAILS  {law}" in capsys.readouterr().out


def test_ours_by_name(capsys):
    """Each of them: every_sampler_test."""
    assert main(["check", "euler_maruyama"]) == 0


@pytest.mark.parametrize(("name", "order"), [("heun", "3"), ("tsit5", "7")])
def test_a_stated_order_that_is_not_reached_fails(name, order, capsys):
    assert main(["check", name, "--order", order]) == 1


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("mine", "FILE.py:NAME"),
        ("none.py:x", "there is no file"),
        (
            "{file}:Missing",
            "has no 'Missing' (it has: Midpoint, ready, steep, step, too_short, branching_step, branching, miscounted",
        ),
        ("{file}:branching_step", "branching_step: it cannot be compiled"),
        ("{file}:number", "a solver is a diffrax.AbstractSolver"),
    ],
)
def test_what_is_not_a_solver(file, where, says, capsys):
    assert main(["check", where.format(file=file)]) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_does_not_run(tmp_path, capsys):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert main(["check", f"{tmp_path / 'broken.py'}:x"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_rows_and_pictures(file, tmp_path, capsys):
    out = tmp_path / "rows.json"
    arguments = ["benchmark", "samplers", "--dim", "16", "--batch", "8", "--nfe", "8", "16"]
    mine = ["--samplers", "ddim", "dpmpp_2m", "ancestral", "picard", "--solver", f"{file}:Midpoint"]
    assert main([*arguments, *mine, "--rounds", "1", "--out", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert {row["sampler"] for row in rows} == {
        "ddim",
        "dpmpp_2m",
        "ancestral",
        "picard",
        "Midpoint",
    }
    for row in rows:
        assert set(row) >= {
            "sampler", "problem", "dim", "nfe", "error", "order", "weak_order", "ms_per_1000",
            "compile_s", "ratio_to_network",
        }  # fmt: skip
        assert row["nfe"] <= 16 or row["sampler"] == "picard"
        assert (row["error"] is None) == (row["sampler"] == "ancestral")
    error = {(row["sampler"], row["nfe"]): row["error"] for row in rows}
    assert error["dpmpp_2m", 16] < error["ddim", 16] < error["ddim", 8]
    assert out.with_suffix(".svg").exists() and out.with_suffix(".png").exists()
    assert "dpmpp_2m *" in capsys.readouterr().out


def test_the_front_holds_what_nothing_beats():
    setting = gaussian_setting(8, 4)
    samplers = {n: names.samplers()[n].sampler for n in ("euler", "unipc")}
    rows = list(measure(setting, samplers, [20], rounds=1, orders=False))
    assert pareto(rows) == {("unipc", 20)}


def test_error_is_against_the_exact_flow():
    """With many steps of high order nothing is left but rounding."""
    setting = gaussian_setting(8, 4)
    sampler = names.samplers()["dopri8"].sampler
    (row,) = measure(setting, {"dopri8": sampler}, [1300], rounds=1, orders=False)
    assert row.error < 1e-4 and row.steps == 99


def test_a_trained_run_is_a_problem_too(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = [f"{p},C{c}" for p in range(60) for c in rng.choice(9, 3, replace=False)]
    (tmp_path / "codes.csv").write_text("subject_id,code\n" + "\n".join(lines))
    run = str(tmp_path / "run")
    sizes = ["--set", "width=(16,16)", "--set", "time_width=8"]
    fit = ["fit", "ehrdiff", "--data", str(tmp_path / "codes.csv"), "--out", run, "--steps", "20"]
    assert main([*fit, "--batch-size", "16", *sizes]) == 0
    arguments = ["benchmark", "samplers", "--run", run, "--batch", "4", "--nfe", "40"]
    assert main([*arguments, "--samplers", "unipc", "--rounds", "1"]) == 0
    assert "unipc" in capsys.readouterr().out


def test_loading_says_the_stated_order(file):
    assert load_sampler(f"{file}:Midpoint").order == 2
    assert load_sampler(f"{file}:step").order is None
