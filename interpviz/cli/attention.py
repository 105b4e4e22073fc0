"""`interpviz attention`: what the heads of a language model look at in a text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpviz.cli.common import (
    AsJson,
    Device,
    Model,
    Weights,
    examples,
    in_one_sentence,
    print_json,
    save_figure,
)

if TYPE_CHECKING:
    from interpviz.attention import AttentionMaps
    from interpviz.zoo.any_model import Loaded

EXAMPLES = examples(
    "interpviz attention 'The cat sat on the mat.'",
    "interpviz attention 'The cat sat.' --model gpt --layers 0 --layers 5 --out heads.svg",
    "interpviz attention 'The cat sat.' --out view.html",
    "interpviz attention - --model hf:folder --out heads.csv < text.txt",
)

PICTURES = (".png", ".svg", ".pdf")
TABLES = (".csv", ".json")
VIEWS = (".html",)


def look(
    text: Annotated[str, typer.Argument(help="A text; - reads standard input.")],
    *,
    model: Model = "bert",
    weights: Weights = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layers",
            "-l",
            metavar="LAYER",
            help="A name or an index; repeat [default: the last for a picture, else all].",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help=f"A picture of a layer's heads ({', '.join(PICTURES)}), or, of all layers by "
            f"default, a table of numbers for each head ({', '.join(TABLES)}) or a page to touch "
            f"({', '.join(VIEWS)}).",
        ),
    ] = Path("attention.png"),
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Draw what each head looks at, or write a page to touch or a table of numbers of them."""
    ending = out.suffix.lower()
    writers = {PICTURES: _draw, TABLES: _write_table, VIEWS: _write_view}
    write = next((writer for endings, writer in writers.items() if ending in endings), None)
    if write is None:
        known = ", ".join((*PICTURES, *TABLES, *VIEWS))
        raise typer.BadParameter(f"--out ends in {ending!r}, but must end in one of {known}.")
    with in_one_sentence():
        from interpviz.zoo.external import find_model

        loaded = find_model(model, weights, device=device)
        chosen: list[int | str] = [int(n) if n.lstrip("-").isdecimal() else n for n in layers or []]
        usual: list[int | str] | None = [-1] if ending in PICTURES else None
        given = sys.stdin.read() if text == "-" else text
        maps = _capture(loaded, given, chosen or usual)
        paths = write(loaded, maps, out)
    if as_json:
        made = {"out": [str(p) for p in paths], "layers": maps.layer_names}
        print_json({**made, "tokens": (maps.tokens or [[]])[0]})
    else:
        typer.echo("\n".join(str(path) for path in paths))


def _capture(loaded: Loaded, text: str, layers: list[int | str] | None) -> AttentionMaps:
    from interpviz.attention import capture_attention
    from interpviz.errors import InputError

    if loaded.tokenizer is None:
        raise InputError(f"{loaded.name} reads pictures, not text: use `interpviz cam`.")
    if not text.strip():
        raise InputError("The text is empty: pass some words.")
    inputs = loaded.tokenizer(text.strip(), return_tensors="pt")
    return capture_attention(loaded.model, inputs, layers, tokens=loaded.tokenizer)


def _draw(loaded: Loaded, maps: AttentionMaps, out: Path) -> list[Path]:
    from interpviz.attention import AttentionVisualizer

    visualizer = AttentionVisualizer(loaded.model)
    tokens = None if maps.tokens is None else maps.tokens[0]
    several = len(maps.layer_names) > 1
    paths = []
    for name in maps.layer_names:
        path = out.with_stem(f"{out.stem}-{name}") if several else out
        save_figure(visualizer.visualize_all_heads(maps.weights[name], tokens), path)
        paths.append(path)
    return paths


def _write_table(_loaded: Loaded, maps: AttentionMaps, out: Path) -> list[Path]:
    table = maps.statistics().to_pandas()
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".csv":
        table.to_csv(out, index=False)
    else:
        table.to_json(out, orient="records", indent=1)
    return [out]


def _write_view(_loaded: Loaded, maps: AttentionMaps, out: Path) -> list[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    return [maps.view().to_html(out)]
