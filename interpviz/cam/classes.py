"""Several classes of one image with a single forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interpviz.cam.engine.hooks import outside_inference_mode
from interpviz.cam.engine.inputs import ModelInput, one_image
from interpviz.cam.maps import ClassMaps, checked_scale, scaled, warn_of_zeros
from interpviz.cam.targets import as_list, class_index, find_logits
from interpviz.cam.targets.categories import probabilities
from interpviz.errors import TargetError

if TYPE_CHECKING:
    from interpviz.cam.base import CAM


def explain_classes(
    cam: CAM,
    image: ModelInput,
    targets: Sequence[int | str] | None,
    top: int,
    normalize: bool | str,
) -> ClassMaps:
    """As [`CAM.class_maps`][interpviz.cam.CAM.class_maps] describes it."""
    scale = checked_scale(normalize)
    with outside_inference_mode():
        run = replace(cam._run(one_image(image, cam.model)), again=True)
        logits = find_logits(run.trace.output)
        if logits.ndim != 2:
            raise TargetError(
                f"The model's output has shape {tuple(logits.shape)}, so it has no list of "
                "classes: call the CAM with a target function instead."
            )
        classes = _chosen(cam, logits, targets, top)
        maps = []
        for index in classes:
            target = cam._choose(index, run.trace.output, 1)
            maps.append(cam._maps(replace(run, target=target), scale))
            warn_of_zeros(maps[-1], target, run.trace.names, cam.class_name)
    shares = probabilities(logits.detach()[:1])[0, classes].tolist()
    names = [cam.class_name(index) for index in classes]
    return ClassMaps(scaled(torch.cat(maps), scale), classes, names, shares)


def _chosen(cam: CAM, logits: Tensor, targets: Sequence[int | str] | None, top: int) -> list[int]:
    count = logits.shape[1]
    if targets is None and top < 1:
        raise TargetError(f"top is {top}, but at least one class must be explained.")
    if targets is None:
        return logits[0].topk(min(top, count)).indices.tolist()
    if callable(targets):
        raise TargetError(
            "These are the maps of classes: pass indices or names, or call the CAM itself with "
            "a target function."
        )
    chosen = as_list(targets)
    if not chosen:
        raise TargetError("The list of targets is empty: name at least one class.")
    return [class_index(target, count, cam.categories) for target in chosen]
