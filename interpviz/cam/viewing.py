"""Maps of several classes and methods as an interactive view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from interpviz.cam.backdrop import backdrop
from interpviz.cam.engine.inputs import ModelInput
from interpviz.cam.maps import percent
from interpviz.cam.pictures import one_picture
from interpviz.errors import InputError

if TYPE_CHECKING:
    from interpviz.cam.base import CAM
    from interpviz.render.images import ImageLike
    from interpviz.render.views import CamView


def class_view(
    cam: CAM,
    image: ModelInput,
    targets: Sequence[int | str] | None,
    original: ImageLike | None,
    *,
    top: int,
    others: Sequence[CAM | str],
    options: dict[str, Any],
) -> CamView:
    """As [`CAM.view`][interpviz.cam.CAM.view] describes it."""
    from interpviz.render.views import CamView

    inputs = one_picture(image, cam)
    found = cam.class_maps(inputs, targets, top=top, normalize=False)
    # Only now it is known which layer was found.
    methods = [cam, *(_method(cam, other) for other in others)]
    maps = [found.maps]
    for method in methods[1:]:
        maps.append(method.class_maps(inputs, found.classes, normalize=False).maps)
    given = {
        "names": [
            f"{name} ({percent(probability)})"
            for name, probability in zip(found.names, found.probabilities, strict=True)
        ],
        "methods": _names(methods),
        "signed": any(method.signed for method in methods),
        **options,
    }
    return CamView(backdrop(inputs.images, original), torch.stack(maps), **given)


def _method(cam: CAM, other: CAM | str) -> CAM:
    """Another method on the same model, and on the same layers where only its name is given."""
    if isinstance(other, str):
        return cam.from_name(other)(
            cam.model, cam.target_layers, categories=cam.categories, grid=cam.grid,
            signed=cam.signed,
        )  # fmt: skip
    if other.model is not cam.model:
        raise InputError(
            f"The other method, {type(other).__name__}, was made for another model: make it with "
            "the same one."
        )
    return other


def _names(methods: Sequence[CAM]) -> list[str]:
    """The names of methods, with their layers where the same one comes twice."""
    names = [type(method).__name__ for method in methods]
    return [
        name if names.count(name) == 1 else f"{name} at {', '.join(method._names)}"
        for name, method in zip(names, methods, strict=True)
    ]
