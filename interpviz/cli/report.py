"""`interpviz report`: all images of a folder, or texts of a file, ready to be browsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

_IMAGE_MODEL = "efficientnet_lite0"
_TEXT_MODEL = "bert"
_FOR_IMAGES = ("method", "top", "masks", "workers", "engine")
_FOR_TEXTS = ("max_tokens",)

EXAMPLES = examples(
    "interpviz report --images photos --out site",
    "interpviz report --model torchvision:resnet18 --weights best.pt --images val --out site",
    "interpviz report --model mypackage.nets:make --images val --masks val-masks --out site",
    "interpviz report --model hf:my-classifier --texts reviews.csv --out site",
)


def make(  # noqa: PLR0913
    context: typer.Context,
    *,
    images: Annotated[
        str | None,
        typer.Option(
            "--images", "-i", help="A folder or its address; folders in it name the classes."
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            "-t",
            metavar="FILE",
            help="In the place of images: a text a line, or .jsonl, .csv, .tsv with a text and "
            "perhaps a label each. Without --model, of the zoo's bert.",
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="A folder or an address; a report there is continued."),
    ],
    model: Model = _IMAGE_MODEL,
    weights: Weights = None,
    layer: Layer = None,
    method: Methods = ["gradcam"],  # noqa: B006
    top: Annotated[int, typer.Option(min=1, max=100, help="How many classes an image.")] = 2,
    masks: Annotated[
        Path | None, typer.Option(help="A folder with masks of the objects, by the same paths.")
    ] = None,
    classes: Classes = None,
    max_tokens: Annotated[
        int, typer.Option(min=2, help="Longer texts are cut to this many tokens.")
    ] = 128,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images or texts at once.")] = None,
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
    """Explain every image of a folder, or every text of a file, and write a site of them.

    Run again, it does only what is new or changed.
    """
    if (images is None) == (texts is None):
        raise typer.BadParameter("give either --images or --texts.")
    if texts is None:
        _refuse(context, _FOR_TEXTS, "texts", "images")
    else:
        _refuse(context, _FOR_IMAGES, "images", "texts")
    shared: dict[str, Any] = {
        "checkpoint": weights,
        "device": device,
        "progress": not as_json,
        "command": command_line(),
        "site": site,
    }
    with in_one_sentence():
        names = None if classes is None else class_names(classes)
        if texts is not None:
            from interpviz.report import build_texts

            summary = build_texts(
                model if _is_given(context, "model") else _TEXT_MODEL,
                texts,
                out,
                categories=names,
                batch_size=batch_size or 16,
                layers=None if layer is None else [_place(layer)],
                max_tokens=max_tokens,
                **shared,
            )
        else:
            from interpviz.report import build

            summary = build(
                model,
                images,
                out,
                masks=masks,
                categories=names,
                engine=engine,
                batch_size=batch_size,
                workers=workers,
                methods=method,
                top=top,
                layer=layer,
                **shared,
            )
    where = f"{summary.out}/index.html" if site else str(summary.out)
    _tell(summary, as_json, where, "image" if texts is None else "text")
    if summary.failures:
        raise typer.Exit(SOME_FAILED if summary.explained else NOTHING_DONE)


def _is_given(context: typer.Context, name: str) -> bool:
    # By name, because Typer's enumeration is click's only in some of its versions.
    source = context.get_parameter_source(name)
    return source is not None and not source.name.startswith("DEFAULT")


def _refuse(context: typer.Context, names: tuple[str, ...], what: str, other: str) -> None:
    for name in names:
        if _is_given(context, name):
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} is for {what}: leave it out with --{other}.")


def _place(layer: str) -> int | str:
    return int(layer) if layer.lstrip("-").isdecimal() else layer


def _tell(summary: Summary, as_json: bool, where: str, what: str) -> None:
    if as_json:
        failed = [{what: name, "reason": reason} for name, reason in summary.failures]
        counts = {"total": summary.total, "explained": summary.explained, "new": summary.new}
        print_json(
            {**counts, "accuracy": summary.accuracy, "out": str(summary.out), "failed": failed}
        )
    else:
        print_failures(summary.failures)
        right = "" if summary.accuracy is None else f", {summary.accuracy:.1%} of labelled right"
        typer.echo(
            f"{summary.explained} of {summary.total} {what}s explained ({summary.new} now) in "
            f"{summary.seconds:.0f} s{right}: {where}"
        )
