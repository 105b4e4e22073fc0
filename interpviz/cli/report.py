"""`interpviz report`: all images of a folder, explained and ready to be browsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpviz.cli.common import (
    NOTHING_DONE,
    SOME_FAILED,
    AsJson,
    Device,
    Layer,
    Methods,
    Model,
    Weights,
    command_line,
    examples,
    in_one_sentence,
    print_failures,
    print_json,
)

if TYPE_CHECKING:
    from interpviz.report import Summary

EXAMPLES = examples(
    "interpviz report --images photos --out site",
    "interpviz report --model torchvision:resnet18 --weights best.pt --images val --out site",
    "interpviz report --model mypackage.nets:make --images val --masks val-masks --out site",
)


def make(  # noqa: PLR0913
    *,
    images: Annotated[
        Path, typer.Option("--images", "-i", help="A folder; folders in it name the classes.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write; a report there is continued.")
    ],
    model: Model = "efficientnet_lite0",
    weights: Weights = None,
    layer: Layer = None,
    method: Methods = ["gradcam"],  # noqa: B006
    top: Annotated[int, typer.Option(min=1, max=100, help="How many classes an image.")] = 2,
    masks: Annotated[
        Path | None, typer.Option(help="A folder with masks of the objects, by the same paths.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A file with one class name a line, in the model's order.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at once.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode.")] = None,
    device: Device = None,
    site: Annotated[
        bool, typer.Option("--site/--no-site", help="Write the pages, or only their data.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Explain every image of a folder. Run again, it does only what is new or changed."""
    with in_one_sentence():
        from interpviz.report import build

        summary = build(
            model,
            images,
            out,
            checkpoint=weights,
            masks=masks,
            categories=None if classes is None else _names(classes),
            device=device,
            batch_size=batch_size,
            workers=workers,
            progress=not as_json,
            command=command_line(),
            site=site,
            methods=method,
            top=top,
            layer=layer,
        )
    _tell(summary, as_json, summary.out / "index.html" if site else summary.out)
    if summary.failures:
        raise typer.Exit(SOME_FAILED if summary.explained else NOTHING_DONE)


def _tell(summary: Summary, as_json: bool, where: Path) -> None:
    if as_json:
        failed = [{"image": name, "reason": reason} for name, reason in summary.failures]
        counts = {"total": summary.total, "explained": summary.explained, "new": summary.new}
        print_json(
            {**counts, "accuracy": summary.accuracy, "out": str(summary.out), "failed": failed}
        )
    else:
        print_failures(summary.failures)
        right = "" if summary.accuracy is None else f", {summary.accuracy:.1%} of labelled right"
        typer.echo(
            f"{summary.explained} of {summary.total} images explained ({summary.new} now) in "
            f"{summary.seconds:.0f} s{right}: {where}"
        )


def _names(file: Path) -> list[str]:
    from interpviz.errors import InputError

    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class names {file} cannot be read: pass a text file.") from error
