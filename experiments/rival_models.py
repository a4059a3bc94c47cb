"""What rivals.py starts inside a rival's environment: learns a Parquet file, draws rows, says what each took.

    ENVS/NAME/bin/python rival_models.py NAME train.parquet drawn.parquet cost.json '{"n": 1000, "seed": 0}'

Settings are the rivals' own but for what is given: epochs (TabularARGN stops by its own held-out loss before that).
Only pandas and the rival are imported. What learning took is all that the process took but drawing: rivals.py sees it.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Callable

import pandas as pd

Draw = Callable[[int], pd.DataFrame]


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def tabularargn(train: pd.DataFrame, seed: int, epochs: str | None = None) -> Draw:
    from mostlyai import engine

    workspace = tempfile.mkdtemp()
    engine.set_random_state(seed)
    engine.split(workspace_dir=workspace, tgt_data=train, model_type="TABULAR")
    engine.analyze(workspace_dir=workspace)
    engine.encode(workspace_dir=workspace)
    engine.train(workspace_dir=workspace, **({"max_epochs": float(epochs)} if epochs else {}))

    def draw(n: int) -> pd.DataFrame:
        engine.generate(workspace_dir=workspace, sample_size=n)
        return pd.read_parquet(f"{workspace}/SyntheticData")

    return draw


TABLE = "patients"


def _only(drawn: pd.DataFrame | dict[str, pd.DataFrame]) -> pd.DataFrame:
    return drawn[TABLE] if isinstance(drawn, dict) else drawn


def of_sdv(name: str) -> Callable[..., Draw]:
    def fitted(train: pd.DataFrame, seed: int, epochs: str | None = None) -> Draw:
        import numpy as np
        import sdv.single_table
        import torch
        from sdv.metadata import Metadata

        np.random.seed(seed)  # noqa: NPY002 (what SDV draws from)
        torch.manual_seed(seed)
        kinds = {c: "numerical" if is_number(train[c]) else "categorical" for c in train}
        columns = {column: {"sdtype": kind} for column, kind in kinds.items()}
        metadata = Metadata.load_from_dict({"tables": {TABLE: {"columns": columns}}})
        settings = {"epochs": int(epochs)} if epochs else {}
        model = getattr(sdv.single_table, name)(metadata, **settings)
        model.fit({TABLE: train})
        return lambda n: _only(model.sample(n))

    return fitted


MODELS = {
    "tabularargn": tabularargn,
    "copula": of_sdv("GaussianCopulaSynthesizer"),
    "ctgan": of_sdv("CTGANSynthesizer"),
    "tvae": of_sdv("TVAESynthesizer"),
}


def spent() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    name, source, drawn, said, given = sys.argv[1:]
    settings = json.loads(given)
    n, seed = settings.pop("n"), settings.pop("seed")
    train = pd.read_parquet(source)
    for column in train.select_dtypes("category"):
        train[column] = train[column].astype(object)
    draw = MODELS[name](train, seed, **settings)
    trained = spent()
    frame = draw(n or len(train))
    costs = {"draw CPU s": spent() - trained, "peak MB": peak_mb()}
    frame.to_parquet(drawn)
    with open(said, "w") as file:
        json.dump({"rows": len(frame)} | costs, file)


if __name__ == "__main__":
    main()
