"""`interpviz report`: all images of a folder, or texts of a file, ready to be browsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from interpviz.cli.common import (
    NOTHING_DONE,
    SOME_FAILED,
    AsJson,
    Classes,
    Device,
    Methods,
    Model,
    Weights,
    class_names,
    command_line,
    examples,
    in_one_sentence,
    name_or_index,
    print_failures,
    print_json,
)
from interpviz.cli.report_options import (
    BatchSize,
    Engine,
    Images,
    Layer,
    Masks,
    MaxTokens,
    Out,
    Site,
    Texts,
    Top,
    Workers,
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
    images: Images = None,
    texts: Texts = None,
    out: Out,
    model: Model = _IMAGE_MODEL,
    weights: Weights = None,
    layer: Layer = None,
    method: Methods = ["gradcam"],  # noqa: B006
    top: Top = 2,
    masks: Masks = None,
    classes: Classes = None,
    max_tokens: MaxTokens = 128,
    batch_size: BatchSize = None,
    workers: Workers = None,
    device: Device = None,
    engine: Engine = "local",
    site: Site = True,
    as_json: AsJson = False,
) -> None:
    """Explain every image of a folder, or every text of a file, and write a site of them.

    Run again, it does only what is new or changed.
    """
    _check(context, images, texts)
    usual = {"checkpoint": weights, "device": device, "site": site, "command": command_line()}
    options: dict[str, Any] = {**usual, "progress": not as_json}
    with in_one_sentence():
        from interpviz.report import build, build_texts

        options["categories"] = None if classes is None else class_names(classes)
        if texts is None:
            options |= {"methods": method, "top": top, "layer": layer, "masks": masks}
            options |= {"engine": engine, "batch_size": batch_size, "workers": workers}
            summary = build(model, images, out, **options)
        else:
            options |= {"batch_size": batch_size or 16, "max_tokens": max_tokens}
            options["layers"] = None if layer is None else [name_or_index(layer)]
            chosen = model if _is_given(context, "model") else _TEXT_MODEL
            summary = build_texts(chosen, texts, out, **options)
    _tell(summary, as_json, site, "image" if texts is None else "text")
    if summary.failures:
        raise typer.Exit(SOME_FAILED if summary.explained else NOTHING_DONE)


def _check(context: typer.Context, images: str | None, texts: Path | None) -> None:
    if (images is None) == (texts is None):
        raise typer.BadParameter("give either --images or --texts.")
    if texts is None:
        _refuse(context, _FOR_TEXTS, "texts", "images")
    else:
        _refuse(context, _FOR_IMAGES, "images", "texts")


def _is_given(context: typer.Context, name: str) -> bool:
    # By name, because Typer's enumeration is click's only in some of its versions.
    source = context.get_parameter_source(name)
    return source is not None and not source.name.startswith("DEFAULT")


def _refuse(context: typer.Context, names: tuple[str, ...], what: str, other: str) -> None:
    for name in names:
        if _is_given(context, name):
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} is for {what}: leave it out with --{other}.")


def _tell(summary: Summary, as_json: bool, site: bool, what: str) -> None:
    if as_json:
        failed = [{what: name, "reason": reason} for name, reason in summary.failures]
        counts = {"total": summary.total, "explained": summary.explained, "new": summary.new}
        print_json(
            {**counts, "accuracy": summary.accuracy, "out": str(summary.out), "failed": failed}
        )
    else:
        print_failures(summary.failures)
        where = f"{summary.out}/index.html" if site else summary.out
        right = "" if summary.accuracy is None else f", {summary.accuracy:.1%} of labelled right"
        typer.echo(
            f"{summary.explained} of {summary.total} {what}s explained ({summary.new} now) in "
            f"{summary.seconds:.0f} s{right}: {where}"
        )
