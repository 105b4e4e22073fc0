"""Maps over photos: what `visualize_cam` and `plot_classes` draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interpviz.cam.backdrop import backdrop
from interpviz.cam.engine.inputs import Inputs, ModelInput, one_image
from interpviz.cam.maps import percent
from interpviz.cam.targets import Targets
from interpviz.errors import InputError
from interpviz.render import describe, map_panels, overlay
from interpviz.render.style import MAP_CMAP, SIGNED_CMAP

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from interpviz.cam.base import CAM
    from interpviz.render.images import ImageLike


def cmap_of(cam: CAM, chosen: str | int | Colormap | None) -> str | int | Colormap:
    """The colour map for a method's maps: the one chosen, or one that fits their sign."""
    if chosen is not None:
        return chosen
    return SIGNED_CMAP if cam.signed else MAP_CMAP


def draw_overlay(
    cam: CAM,
    image: ModelInput,
    target: Targets,
    original: ImageLike | None,
    cmap: str | int | Colormap | None,
    alpha: float,
) -> NDArray[np.uint8]:
    """As [`CAM.visualize_cam`][interpviz.cam.CAM.visualize_cam] describes it."""
    inputs = one_picture(image, cam)
    heatmap = cam(inputs, target)[0]
    if cam.signed:
        heatmap = (heatmap + 1) / 2
    return overlay(backdrop(inputs.images, original), heatmap, cmap=cmap_of(cam, cmap), alpha=alpha)


def draw_classes(
    cam: CAM,
    image: ModelInput,
    targets: Sequence[int | str] | None,
    original: ImageLike | None,
    top: int,
    cmap: str | int | Colormap | None,
) -> Figure:
    """As [`CAM.plot_classes`][interpviz.cam.CAM.plot_classes] describes it."""
    inputs = one_picture(image, cam)
    found = cam.class_maps(inputs, targets, top=top)
    titles = [
        f"{name}\n{percent(probability)}"
        for name, probability in zip(found.names, found.probabilities, strict=True)
    ]
    figure = map_panels(
        backdrop(inputs.images, original),
        found.maps,
        titles,
        photo_title="input\n",
        cmap=cmap_of(cam, cmap),
        vmin=-1 if cam.signed else 0,
    )
    shown = ", ".join(title.replace("\n", " at ") for title in titles)
    return describe(figure, f"A photo, and heat maps over it for the classes {shown}.")


def one_picture(image: ModelInput, cam: CAM) -> Inputs:
    """A model's input where it is one picture.

    Args:
        image: Preprocessed image `(C, H, W)` or `(1, C, H, W)`.
        cam: The method whose model takes it.

    Raises:
        InputError: There is more than one image, or it is a clip.
    """
    inputs = one_image(image, cam.model)
    if len(inputs.size) > 2:
        raise InputError(
            "This is a clip of several frames, and one picture cannot show its maps: call "
            "`cam.video(clip)`."
        )
    return inputs
