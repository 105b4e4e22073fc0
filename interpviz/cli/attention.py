"""`interpviz attention`: what the heads of a language model look at in a text."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    name_or_index,
    print_json,
    reason_of,
    save_figure,
)
from interpviz.errors import InputError, InterpvizError

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


Text = Annotated[str, typer.Argument(help="A text; - reads standard input.")]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layers",
        "-l",
        metavar="LAYER",
        help="A name or an index; repeat.",
        show_default="the last for a picture, else all",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help=f"A picture of a layer's heads ({', '.join(PICTURES)}), or, of all layers by "
        f"default, a table of numbers for each head ({', '.join(TABLES)}) or a page to touch "
        f"({', '.join(VIEWS)}).",
    ),
]


def look(
    text: Text,
    *,
    model: Model = "bert",
    weights: Weights = None,
    layers: Layers = None,
    out: Out = Path("attention.png"),
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Draw what each head looks at, or write a page to touch or a table of numbers of them."""
    write = _writer(out.suffix.lower())
    with in_one_sentence():
        from interpviz.zoo.external import find_model

        loaded = find_model(model, weights, device=device)
        chosen: list[int | str] = [name_or_index(layer) for layer in layers or []]
        usual: list[int | str] | None = [-1] if write is _draw else None
        given = sys.stdin.read() if text == "-" else text
        maps = _capture(loaded, given, chosen or usual)
        paths = write(loaded, maps, out)
    if as_json:
        made = {"out": [str(p) for p in paths], "layers": maps.layer_names}
        print_json({**made, "tokens": (maps.tokens or [[]])[0]})
    else:
        typer.echo("\n".join(str(path) for path in paths))


def _writer(ending: str) -> Callable[[Loaded, AttentionMaps, Path], list[Path]]:
    writers = {PICTURES: _draw, TABLES: _write_table, VIEWS: _write_view}
    for endings, writer in writers.items():
        if ending in endings:
            return writer
    known = ", ".join((*PICTURES, *TABLES, *VIEWS))
    raise typer.BadParameter(f"--out ends in {ending!r}, but must end in one of {known}.")


def _capture(loaded: Loaded, text: str, layers: list[int | str] | None) -> AttentionMaps:
    from interpviz.attention import capture_attention

    if loaded.tokenizer is None:
        raise InputError(f"{loaded.name} reads pictures, not text: use `interpviz cam`.")
    if not text.strip():
        raise InputError("The text is empty: pass some words.")
    try:
        inputs = loaded.tokenizer(text.strip(), return_tensors="pt")
        return capture_attention(loaded.model, inputs, layers, tokens=loaded.tokenizer)
    except InterpvizError:
        raise
    except Exception as error:  # of a text that is too long they raise what they like
        raise InputError(
            f"{loaded.name} does not take this text ({reason_of(error)}): pass a shorter one, or "
            "another model."
        ) from error


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
