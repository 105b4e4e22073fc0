"""What comes out: the maps of several classes, and a warning where a map shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from interpviz.cam.targets import ClassScore, Target
from interpviz.errors import ZeroMapWarning, troubleshooting, warn_user


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
    maps: Tensor, target: Target, layers: list[str], class_name: Callable[[int], str]
) -> None:
    """Warn where a map is zero everywhere, and say which.

    Args:
        maps: Tensor `(N, H, W)`, zero or above.
        target: What was explained.
        layers: The names of the layers.
        class_name: Gives the name of a class, for the message.
    """
    empty = (maps.flatten(1).amax(1) == 0).nonzero()[:, 0].tolist()
    if not empty:
        return
    what = "this target"
    if isinstance(target, ClassScore):
        index = target.classes[empty[0]]
        what = f"class {index}"
        if class_name(index) != what:
            what += f" ({class_name(index)})"
    which = f"of image {empty[0]} " if len(maps) > 1 else ""
    more = f" ({len(empty)} of {len(maps)} maps are)" if len(maps) > 1 else ""
    where = ", ".join(f"'{name}'" for name in layers)
    warn_user(
        f"The map {which}for {what} at layer {where} is zero everywhere{more}: nothing there "
        "raises its score; check the preprocessing, the class and the layer. "
        f"See {troubleshooting('cam-is-all-zeros')}",
        ZeroMapWarning,
    )
