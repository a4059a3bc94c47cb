"""jaxehr help: a page about a topic; each is a text in topics/, and its first line says what it is about."""

from pathlib import Path

from jaxehr.commands.command import Command

TOPICS = Path(__file__).parent / "topics"


def add(command: Command) -> None:
    explain = command("help", _run, "Explain a topic at length, with examples.")
    explain.add_argument(
        "topic", nargs="?", metavar="TOPIC", help="one of those that `jaxehr help` alone lists"
    )


def pages() -> dict[str, str]:
    """The text of each topic by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(TOPICS.glob("*.txt"))}


def _run(options) -> int:
    from jaxehr import settings

    found = pages()
    if options.topic is not None:
        print(settings.nearest(options.topic, found, "topic"), end="")
        return 0
    width = max(map(len, found))
    for name, text in found.items():
        _, about = text.splitlines()[0].split(": ", 1)
        print(f"jaxehr help {name:{width}}  {about}")
    print(
        "\n`jaxehr COMMAND --help` explains the options of a command, `jaxehr recipes` those of a recipe."
    )
    return 0
