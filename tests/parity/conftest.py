"""Where the authors' arrays lie: the folder named by JAXEHR_PARITY, by default tests/fixtures/parity."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("JAXEHR_PARITY", Path(__file__).parents[1] / "fixtures" / "parity"))


@pytest.fixture(scope="session")
def parity():
    if not FOLDER.is_dir():
        pytest.fail(f"JAXEHR_PARITY is to name a folder; {FOLDER} is none", pytrace=False)
    return FOLDER
