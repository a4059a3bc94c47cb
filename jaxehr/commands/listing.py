"""jaxehr recipes and samplers: what there is."""

from jaxehr.commands.command import Command


def add(command: Command) -> None:
    listed = command(
        "recipes", _list_recipes, "The published systems, with their settings and defaults."
    )
    listed.add_argument("name", nargs="?", metavar="NAME", help="only this one")
    command(
        "samplers", _list_samplers, "What draws records: names for --sampler, with their orders."
    )


def _list_recipes(options) -> int:
    from jaxehr import names, settings

    known = names.recipes()
    if options.name is not None:
        known = {options.name: settings.nearest(options.name, known, "recipe")}
    for name, recipe in known.items():
        print(settings.describe(name, recipe))
    return 0


def _list_samplers(options) -> int:
    from rich.console import Console
    from rich.table import Table

    from jaxehr import names

    table = Table("name", "order", "evaluations of 20 steps", "what", box=None, pad_edge=False)
    of_categories = {
        f"{name} (tabddpm)": found for name, found in names.mixed_samplers().items()
    } | {f"{name} (masked)": found for name, found in names.masked_samplers().items()}
    for name, found in {**names.samplers(), **of_categories}.items():
        order = "" if found.order is None else f"{found.order:g}"
        cost = "as needed" if found.cost is None else str(found.cost(20))
        table.add_row(name, order, cost, found.about)
    Console().print(table)
    return 0
