"""Several classes and several methods for a whole batch, with one pass of the model's trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.cam.engine.hooks import outside_inference_mode
from interpviz.cam.engine.inputs import prepare
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import InputError, TargetError

if TYPE_CHECKING:
    from interpviz.cam.base import CAM
    from interpviz.cam.engine.run import Run

ChooseClasses = Callable[[Tensor], Tensor]
"""Takes logits `(N, classes)`, gives the class indices to explain `(N, K)`."""


@dataclass(frozen=True)
class BatchMaps:
    """The maps of a batch, by several methods and for several classes an image.

    Attributes:
        logits: Tensor `(N, classes)`, float32.
        classes: The explained class indices `(N, K)`.
        maps: Raw maps `(N, M, H, W)`, float32, zero and above: of one method after another, each
            with K of them, or with one where the method asks for no class.
        grid: Height and width of the explained layer's own grid; of several, of the largest.
    """

    logits: Tensor
    classes: Tensor
    maps: Tensor
    grid: tuple[int, int]


def batch_class_maps(methods: Sequence[CAM], images: Tensor, choose: ChooseClasses) -> BatchMaps:
    """Explain several classes of every image of a batch, by several methods.

    Methods that look at the same layers share one forward pass; each class then costs what lies
    behind the layer.

    Args:
        methods: The methods, all of one model.
        images: Preprocessed images `(N, C, H, W)`.
        choose: Which classes are explained. Of a model with one logit an image the predicted side
            is, whatever it says.

    Returns:
        The maps.

    Raises:
        InputError: There is no method, they are of several models, or the images are not a batch of
            finite numbers.
        TargetError: The model gives no list of classes, or a class does not exist.
        LayerError: A layer is not used, or has no spatial grid.
        GradientError: A score does not depend on the layer.
    """
    if not methods or any(cam.model is not methods[0].model for cam in methods):
        raise InputError("Give one or more methods of one model.")
    with outside_inference_mode():
        run = replace(methods[0]._run(prepare(images, methods[0].model)), again=True)
        logits = _logits_of(run)
        single = logits.shape[1] == 1
        classes = (logits > 0).long() if single else choose(logits)
        maps: list[Tensor] = []
        for cam in methods:
            run = _run_of(cam, run)
            maps.extend(_maps_of(cam, run, None if single else classes))
        sides = [tuple(grid.shape[-2:]) for grid in run.activations]
    high, wide = max(sides, key=lambda side: side[0] * side[1])
    return BatchMaps(logits, classes, torch.stack(maps, 1), (int(high), int(wide)))


def _logits_of(run: Run) -> Tensor:
    logits = find_logits(run.trace.output).detach().float()
    if logits.ndim != 2:
        raise TargetError(
            f"The model's output has shape {tuple(logits.shape)}, not (batch, classes), so it has "
            "no classes to explain: pass a classifier."
        )
    return logits


def _run_of(cam: CAM, run: Run) -> Run:
    if not cam.target_layers or list(cam.target_layers) == list(run.layers):
        return run
    return replace(cam._run(run.inputs), again=True)


def _maps_of(cam: CAM, run: Run, classes: Tensor | None) -> Iterator[Tensor]:
    output, count = run.trace.output, run.inputs.count
    if classes is None or not cam.asks_for_score:
        yield cam._maps(replace(run, target=cam._choose(None, output, count)), "raw")
        return
    for column in classes.T.tolist():
        yield cam._maps(replace(run, target=cam._choose(column, output, count)), "raw")


def reduced(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The small maps that become these when they are enlarged bilinearly.

    Maps that the engine has enlarged from a layer's own grid come back as they were there. Others
    come back as what agrees with them at the small grid's points.

    Args:
        maps: Tensor `(N, H, W)`, zero and above.
        size: Height and width of the small maps, at most those of the maps.

    Returns:
        Tensor `(N, h, w)`, zero and above.
    """
    small = F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    across_rows, across_columns = (
        _sampled_again(wide, narrow).to(maps)
        for wide, narrow in zip(maps.shape[1:], size, strict=True)
    )
    by_rows = torch.linalg.solve(across_rows, small)
    both: Tensor = torch.linalg.solve(across_columns, by_rows.mT).mT
    return both.relu()


def _sampled_again(wide: int, narrow: int) -> Tensor:
    """What enlarging and then sampling makes of the values along one axis, as a matrix."""
    points = torch.eye(narrow)[None]
    enlarged = F.interpolate(points, wide, mode="linear", align_corners=False)
    return F.interpolate(enlarged, narrow, mode="linear", align_corners=False)[0].T
