"""jaxehr fit: what cannot be is said in one line, before records are read and with nothing written."""

import pytest

from jaxehr.cli import main


@pytest.mark.parametrize(
    "asked, said",
    [
        ("--mesh=data=1000", "a mesh of data=1000, fsdp=1 is of 1000 devices, and there"),
        ("--mesh=fsdp=1000", "is of a multiple of 1000 devices"),
        ("--mesh=data=-1,fsdp=-1", "-1 for one of them at most"),
        ("--mesh=data=2,data=2", "--mesh takes data=N, fsdp=M or both"),
        ("--checkpoint-every=0", "at least 1 step, or some minutes, as in 10m; got 0"),
        ("--checkpoint-every=0m", "at least 1 step, or some minutes, as in 10m; got 0m"),
        ("--checkpoint-every=5h", "at least 1 step, or some minutes, as in 10m; got 5h"),
    ],
)
def test_a_mesh_or_an_interval_that_cannot_be_is_refused(asked, said, tmp_path, capsys):
    try:
        code = main(["fit", "masked", "--data", "none.csv", "--out", str(tmp_path / "run"), asked])
    except SystemExit as end:  # of argparse
        code = end.code
    assert code == 2 and said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
