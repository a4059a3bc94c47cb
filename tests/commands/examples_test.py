"""`--help` of a command shows its examples as they are written."""

import pytest

from jaxehr.cli import main
from jaxehr.commands.reading import EVENTS


def test_the_examples_of_events_keep_their_lines(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    shown = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert {line.strip() for line in EVENTS.splitlines()} <= shown
