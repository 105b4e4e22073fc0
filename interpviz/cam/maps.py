"""What comes out: the maps of several classes, and a warning where a map shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from interpviz.cam.engine.grids import share_of_maximum
from interpviz.cam.targets import Target, target_name
from interpviz.errors import InputError, ZeroMapWarning, troubleshooting, warn_user

Scale = Literal["image", "batch", "raw"]
"""What a map is divided by: its own maximum, that of the whole batch, or nothing."""


def checked_scale(normalize: bool | str) -> Scale:
    """The scale that a caller asks for.

    Args:
        normalize: True, False or `"batch"`.

    Raises:
        InputError: It is something else.
    """
    if isinstance(normalize, bool):
        return "image" if normalize else "raw"
    if not isinstance(normalize, str) or normalize != "batch":
        raise InputError(
            f"normalize is {normalize!r}, but must be True (each map by its own maximum), 'batch' "
            "(all by one) or False (raw)."
        )
    return "batch"


def scaled(maps: Tensor, scale: Scale) -> Tensor:
    """Maps on the scale asked for.

    Args:
        maps: Tensor `(N, H, W)`.
        scale: One of `"image"`, `"batch"`, `"raw"`.
    """
    return maps if scale == "raw" else share_of_maximum(maps, shared=scale == "batch")


@dataclass(frozen=True)
class ClassMaps:
    """The maps of several classes for one image.

    Attributes:
        maps: Tensor `(K, H, W)`, float32.
        classes: The K class indices.
        names: The K class names, or `"class 281"` where the model has none.
        probabilities: The K softmax probabilities, in [0, 1]; of a model with a single logit its
            sigmoid.
    """

    maps: Tensor
    classes: list[int]
    names: list[str]
    probabilities: list[float]


def percent(probability: float) -> str:
    """A probability for a title: `"93%"`, and `"<1%"` rather than `"0%"`.

    Args:
        probability: In [0, 1].
    """
    return "<1%" if 0 < probability < 0.005 else f"{probability:.0%}"


def warn_of_zeros(
    maps: Tensor, target: Target | None, layers: list[str], class_name: Callable[[int], str]
) -> None:
    """Warn where a map is zero everywhere, and say which.

    Args:
        maps: Tensor `(N, H, W)`.
        target: What was explained, or None.
        layers: The names of the layers.
        class_name: Gives the name of a class, for the message.
    """
    empty = (maps.flatten(1).abs().amax(1) == 0).nonzero()[:, 0].tolist()
    if not empty:
        return
    which = f"of image {empty[0]} " if len(maps) > 1 else ""
    more = f" ({len(empty)} of {len(maps)} maps are)" if len(maps) > 1 else ""
    where = ", ".join(f"'{name}'" for name in layers)
    what = "" if target is None else f"for {target_name(target, empty[0], class_name)} "
    warn_user(
        f"The map {which}{what}at layer {where} is zero everywhere{more}: nothing there "
        "raises its score; check the preprocessing, the class and the layer. "
        f"See {troubleshooting('cam-is-all-zeros')}",
        ZeroMapWarning,
    )
