"""Methods by name, class or function, and the maps they draw."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam import CAM
from interpviz.cam.engine.layers import Layer
from interpviz.cam.targets import Target
from interpviz.errors import InputError, ZeroMapWarning
from interpviz.metrics.checks import as_maps

Explainer = Callable[..., Any]
"""Takes images `(N, C, H, W)` and targets, gives maps `(N, H, W)`, as a CAM does."""

Method = str | Callable[[nn.Module, Layer | Sequence[Layer] | None], Explainer]
"""A name of `interpviz.cam.methods()`, a CAM class, or whatever makes an explainer of a model and
a target layer, as `functools.partial(ScoreCAM, ...)` or a function of one's own."""


def maker_of(method: Method) -> Callable[..., Explainer]:
    """What makes an explainer of a model and a layer.

    Args:
        method: A name, a CAM class or a function.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(method, str):
        return CAM.from_name(method)
    if isinstance(method, CAM) or not callable(method):
        raise InputError(
            f"The method is {method!r}: pass a name, a CAM class such as GradCAM, or a function "
            "from a model and a target layer to an explainer, because it is made anew here."
        )
    return method


def name_of(method: Method) -> str:
    """A name for tables and figures.

    Args:
        method: A name, a CAM class or a function.
    """
    if isinstance(method, str):
        return method
    inner = method.func if isinstance(method, partial) else method
    return str(getattr(inner, "__name__", type(inner).__name__))


def draw_maps(
    explain: Explainer, images: Tensor, targets: list[int] | Target, batch_size: int
) -> Tensor:
    """Maps of all images, in batches.

    Args:
        explain: The explainer.
        images: Tensor `(N, C, H, W)`, on the model's device.
        targets: One class an image, or a target for all, which is then asked for at once.
        batch_size: How many images are explained at a time.

    Returns:
        Tensor `(N, H, W)`, float32, on the images' device.

    Raises:
        InputError: The explainer does not return maps of the images' size.
    """
    size = batch_size if isinstance(targets, list) else len(images)
    maps = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        own = targets[start : start + size] if isinstance(targets, list) else targets
        maps.append(as_maps(explain(part, own), like=part))
    return torch.cat(maps)


class without_zero_warnings(warnings.catch_warnings):  # noqa: N801
    """Where maps of zeros are expected, and counted."""

    def __enter__(self) -> Any:
        log = super().__enter__()
        warnings.simplefilter("ignore", ZeroMapWarning)
        return log
