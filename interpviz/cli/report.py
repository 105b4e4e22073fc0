"""`interpviz report`: all images of a folder, explained and ready to be browsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpviz.cli.common import (
    NOTHING_DONE,
    SOME_FAILED,
    AsJson,
    Classes,
    Device,
    Layer,
    Methods,
    Model,
    Weights,
    class_names,
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
        str,
        typer.Option(
            "--images", "-i", help="A folder or its address; folders in it name the classes."
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="A folder or an address; a report there is continued."),
    ],
    model: Model = "efficientnet_lite0",
    weights: Weights = None,
    layer: Layer = None,
    method: Methods = ["gradcam"],  # noqa: B006
    top: Annotated[int, typer.Option(min=1, max=100, help="How many classes an image.")] = 2,
    masks: Annotated[
        Path | None, typer.Option(help="A folder with masks of the objects, by the same paths.")
    ] = None,
    classes: Classes = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at once.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode.")] = None,
    device: Device = None,
    engine: Annotated[
        str, typer.Option(help="local for this machine, ray for a Ray cluster.")
    ] = "local",
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
            categories=None if classes is None else class_names(classes),
            device=device,
            engine=engine,
            batch_size=batch_size,
            workers=workers,
            progress=not as_json,
            command=command_line(),
            site=site,
            methods=method,
            top=top,
            layer=layer,
        )
    _tell(summary, as_json, f"{summary.out}/index.html" if site else str(summary.out))
    if summary.failures:
        raise typer.Exit(SOME_FAILED if summary.explained else NOTHING_DONE)


def _tell(summary: Summary, as_json: bool, where: str) -> None:
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
