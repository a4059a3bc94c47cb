"""What is said of a long run."""

import time

from jaxehr.training.progress import said_if_slow


def test_a_line_is_said_of_what_takes_long_and_of_that_alone(capsys):
    with said_if_slow("compiling", after=0.05):
        time.sleep(0.5)
        assert capsys.readouterr().err == "compiling\n"
    with said_if_slow("compiling", after=0.2):
        pass
    time.sleep(0.4)
    assert not capsys.readouterr().err
