"""How much memory there is."""

from jaxehr import machine


def test_a_container_has_what_it_is_given(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    for text, expected in (("1048576\n", 2**20), ("max\n", None), (f"{2**62}\n", None)):
        limit.write_text(text)
        whole = machine.memory()
        monkeypatch.setattr(machine, "LIMITS", (str(limit),))
        assert machine.memory() == (expected or whole)
        monkeypatch.undo()
