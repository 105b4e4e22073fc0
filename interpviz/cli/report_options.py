"""The options that only `interpviz report` has, or has in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Images = Annotated[
    str | None,
    typer.Option("--images", "-i", help="A folder or its address; folders in it name the classes."),
]
Texts = Annotated[
    Path | None,
    typer.Option(
        "--texts",
        "-t",
        metavar="FILE",
        help="In the place of images: a text a line, or .jsonl, .csv, .tsv with a text and perhaps "
        "a label each. Without --model, of the zoo's bert.",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        help="A folder, or with --images its address; a report there is continued.",
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="NAME",
        help="With --images a dotted name, as in model.named_modules(); with --texts a name or an "
        "index.",
        show_default="found; of texts the first, middle and last",
    ),
]
Top = Annotated[int, typer.Option(min=1, max=100, help="How many classes an image.")]
Masks = Annotated[
    Path | None, typer.Option(help="A folder with masks of the objects, by the same paths.")
]
MaxTokens = Annotated[int, typer.Option(min=2, help="Longer texts are cut to this many tokens.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images or texts at once.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads that decode.")]
Engine = Annotated[str, typer.Option(help="local for this machine, ray for a Ray cluster.")]
Site = Annotated[
    bool, typer.Option("--site/--no-site", help="Write the pages, or only their data.")
]
