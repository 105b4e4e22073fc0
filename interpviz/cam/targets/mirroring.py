"""What is explained of an image that is mirrored."""

from __future__ import annotations

from typing import Any

from interpviz.cam.targets.kinds import Score
from interpviz.cam.targets.outputs import find_logits
from interpviz.cam.targets.resolve import EachOwn, Target
from interpviz.errors import TargetError


def mirrored_target(target: Target, output: Any, width: int) -> Target:
    """The same target for the same images, mirrored left to right.

    Args:
        target: What `resolve_target` returned.
        output: What the model returned for the images as they are.
        width: The width of the images in pixels.

    Raises:
        TargetError: The target may depend on a place in the picture, and does not say how it is
            mirrored.
    """
    if isinstance(target, EachOwn):
        return EachOwn(tuple(mirrored_target(own, output, width) for own in target.targets))
    if isinstance(target, Score):
        mirrored = target.mirrored(width)
        if mirrored is None:
            raise _not_mirrored(f"{type(target).__name__} reads the model's whole output")
        return mirrored
    shape = tuple(find_logits(output).shape)
    if len(shape) > 2:
        raise _not_mirrored(f"the target is a function of an output of shape {shape}")
    return target


def _not_mirrored(what: str) -> TargetError:
    return TargetError(
        f"augment mirrors the images, but {what} and does not say where it looks in a mirrored "
        "one: use MaskScore or BoxScore, a target with a method `mirrored`, or no augment."
    )
