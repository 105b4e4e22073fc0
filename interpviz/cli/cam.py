"""`interpviz cam`: what a network looked at in a few images."""

from __future__ import annotations

from collections.abc import Iterator
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
    examples,
    in_one_sentence,
    name_or_index,
    print_failures,
    print_json,
    reason_of,
    save_figure,
    unused_name,
)
from interpviz.errors import InputError, TargetError

if TYPE_CHECKING:
    from interpviz.cam import CAM
    from interpviz.zoo.any_model import Loaded

EXAMPLES = examples(
    "interpviz cam cat.jpg",
    "interpviz cam cat.jpg dog.jpg --model timm:resnet18 --method gradcam --method scorecam",
    "interpviz cam cat.jpg --target 'tiger cat' --target tabby --out figures",
    "interpviz cam x.png --model mypackage.nets:make --weights best.pt --layer layer4",
)

ENDINGS = (".png", ".svg", ".pdf", ".jpg", ".webp")

Images = Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files.")]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", metavar="CLASS", help="A class by name or index; repeat."),
]
Top = Annotated[
    int, typer.Option(min=1, help="How many of the most probable classes, without --target.")
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="A folder, or for one image and method a file.")
]


def explain(
    images: Images,
    *,
    model: Model = "efficientnet_lite0",
    weights: Weights = None,
    layer: Layer = None,
    method: Methods = ["gradcam"],  # noqa: B006
    target: Targets = None,
    top: Top = 3,
    out: Out = Path(),
    classes: Classes = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Draw the photo and a map for each of several classes, one figure an image and method."""
    as_file = out.suffix.lower() in ENDINGS
    if as_file and len(images) * len(method) > 1:
        raise typer.BadParameter("there are several figures, so --out must be a folder")
    with in_one_sentence():
        from interpviz.cam import CAM
        from interpviz.zoo.external import find_model

        kinds = {name: CAM.from_name(name) for name in method}
        loaded = find_model(model, weights, device=device)
        where = layer or loaded.target_layer
        names = (class_names(classes) if classes else loaded.categories) or None
        cams = {n: kind(loaded.model, where, categories=names) for n, kind in kinds.items()}
        drawn = _Drawn(loaded, cams, [name_or_index(t) for t in target or []] or None, top)
        # Before the first image is explained, so that a folder that is refused costs no time.
        (out.parent if as_file else out).mkdir(parents=True, exist_ok=True)
        made, failures = drawn.all_of(images, out, as_file)
    _tell(made, failures, as_json)
    if failures:
        raise typer.Exit(SOME_FAILED if made else NOTHING_DONE)


def _tell(made: list[dict[str, Any]], failures: list[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        failed = [{"image": name, "reason": reason} for name, reason in failures]
        print_json({"figures": made, "failed": failed})
        return
    for figure in made:
        classes = ", ".join(f"{c['name']} {c['probability']:.2f}" for c in figure["classes"])
        typer.echo(f"{figure['out']}: {classes}")
    print_failures(failures)


class _Drawn:
    def __init__(
        self, loaded: Loaded, cams: dict[str, CAM], targets: list[int | str] | None, top: int
    ) -> None:
        if loaded.transform is None:
            raise InputError(f"{loaded.name} reads text, not pictures: use `interpviz attention`.")
        self.transform = loaded.transform
        self.cams = cams
        self.targets = targets
        self.top = top
        self.taken: set[Path] = set()

    def all_of(
        self, images: list[Path], out: Path, as_file: bool
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        made: list[dict[str, Any]] = []
        failures: list[tuple[str, str]] = []
        for image in images:
            try:
                # One by one, so that those before a method that fails are told.
                for figure in self._figures(image, out, as_file):
                    made.append(figure)
            except Exception as error:  # a user's network may fail in any way
                if isinstance(error, TargetError) and not made:
                    # A class that is not there is missing for the other images too.
                    raise
                failures.append((str(image), reason_of(error)))
        return made, failures

    def _figures(self, image: Path, out: Path, as_file: bool) -> Iterator[dict[str, Any]]:
        from interpviz.report.decode import decode
        from interpviz.report.files import read_file

        view, tensor = self.transform(decode(read_file(image))[0])
        for name, cam in self.cams.items():
            path = out if as_file else self._free(out, f"{image.stem}-{name}")
            found = cam.class_maps(tensor, self.targets, top=self.top)
            save_figure(cam.plot_classes(tensor, found.classes, view), path)
            classes = [
                {"index": index, "name": label, "probability": probability}
                for index, label, probability in zip(
                    found.classes, found.names, found.probabilities, strict=True
                )
            ]
            yield {"image": str(image), "method": name, "out": str(path), "classes": classes}

    def _free(self, out: Path, stem: str) -> Path:
        return unused_name(self.taken, out / f"{stem}.png", lambda n: out / f"{stem}-{n}.png")
