"""A network's training step and evaluation over those of a PyTorch twin, in one run: what its benchmarks share.

The two take turns, round by round, so that what else the machine does falls on both. With --core, one core has both,
and CPU seconds are compared: on a busy machine PyTorch's threads wait for each other, and would lose by that.
"""

import argparse
import json
import os
import statistics
import time

import jax
import jax.numpy as jnp
import optax

from jaxehr.training.sharding import mesh_of, replicated
from jaxehr.training.step import init_state, make_chunk
from jaxehr.types import Model


def ours(network, loss, adam, rows, times, *, batch: int, ema: float):
    """(run, evaluate, parameters, seconds of compilation): run() takes a step of training for each of the times,
    evaluate() an evaluation at each, of what the one before said."""
    steps = len(times)
    model = Model(network.init, loss, lambda *_, **__: None)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), adam)
    mesh = mesh_of()
    state = jax.device_put(init_state(model, optimizer, jax.random.key(0)), replicated(mesh))
    key, resident = jax.device_put((jax.random.key(1), rows), replicated(mesh))
    chunk = make_chunk(model, optimizer, batch_size=batch, ema_decay=ema, mesh=mesh)
    began = time.perf_counter()
    program = chunk.lower(state, key, resident, length=steps).compile()
    compile_s = time.perf_counter() - began
    params, x = state.params, resident[:batch]

    def evaluations(params, x):
        said = lambda x, t: (network.apply(params, x, t), None)
        return jax.lax.scan(said, x, jnp.asarray(times, jnp.float32))[0]

    evaluating = jax.jit(evaluations).lower(params, x).compile()
    params = jax.tree.map(jnp.copy, params)  # the state's own are donated

    def run():
        nonlocal state
        state, metrics = program(state, key, resident)
        jax.block_until_ready(metrics)

    def evaluate():
        jax.block_until_ready(evaluating(params, x))

    return run, evaluate, sum(leaf.size for leaf in jax.tree.leaves(params)), compile_s


def torch_device() -> str:
    """Where PyTorch computes as JAX does: on as many cores, and by TF32 on a GPU, as JAX's default."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")
    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def theirs(network, loss, rows, times, *, batch: int, ema: float, **of_adam):
    """(run, evaluate, parameters) of a network in PyTorch, written as its users would: eager, fused Adam, foreach
    average.

    loss    (network, records of a batch) -> what is minimised
    """
    import torch

    device = next(network.parameters()).device
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, fused=True, **of_adam)
    resident = torch.as_tensor(rows, device=device)

    def done():
        if device.type == "cuda":
            torch.cuda.synchronize()

    def run():
        for _ in times:
            x0 = resident[torch.randint(len(resident), (batch,), device=device)]
            value = loss(network, x0)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            torch._foreach_lerp_(average, parameters, 1 - ema)
        done()

    def evaluate():
        x = resident[:batch]
        with torch.inference_mode():
            for t in times:
                x = network(x, torch.full((batch,), float(t), device=device))
        done()

    return run, evaluate, sum(p.numel() for p in parameters)


def seconds(run) -> float:
    clock = time.process_time if len(os.sched_getaffinity(0)) == 1 else time.perf_counter
    began = clock()
    run()
    return clock() - began


def in_turns(a, b, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a and of b, after one round of warm-up."""
    a(), b()
    return [(seconds(a), seconds(b)) for _ in range(rounds)]


def compared(own, other, records: int, rounds: int) -> dict:
    """The figures of `ours` and `theirs`, which handle so many records a call."""
    *mine, parameters, compile_s = own
    *its, other_parameters = other
    if parameters != other_parameters:
        raise SystemExit(f"no twin: {parameters:,} parameters, {other_parameters:,} in PyTorch")
    row = {"parameters": parameters}
    for what, pair in zip(("training", "evaluation"), zip(mine, its, strict=True), strict=True):
        found = in_turns(*pair, rounds)
        ratios = [b / a for a, b in found]
        row[f"{what}_records_per_s"] = round(records / statistics.median(a for a, _ in found))
        row[f"{what}_over_torch"] = round(statistics.median(ratios), 3)
        row[f"{what}_range"] = [round(f(ratios), 3) for f in (min, max)]
    return {**row, "compile_s": round(compile_s, 1)}


def parser_of(about: str, sizes: list[str], steps: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=sizes)
    parser.add_argument("--steps", type=int, default=steps, help="steps in a dispatch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, help="the one that all is done on")
    parser.add_argument("--out", help="JSON file for the figures")
    return parser


def machine(core: int | None) -> dict:
    """What the figures are of; from here on all is done on that core, if one is named."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    import torch

    return {
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)),
        "jax": jax.__version__,
        "torch": torch.__version__,
    }


def kept(found: dict, path: str | None) -> None:
    if path:
        with open(path, "w") as file:
            json.dump(found, file, indent=1)
