"""What is explained: from what the user wrote to one score an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from interpviz.cam.targets.categories import (
    as_class_logits,
    choose_classes,
    is_list,
    not_class_logits,
    require_one_an_image,
)
from interpviz.cam.targets.kinds import OutputTarget, Score
from interpviz.cam.targets.outputs import batch_size, find_logits, is_per_image, rows
from interpviz.cam.targets.scores import BinaryScore, ClassScore
from interpviz.errors import TargetError

Target = Callable[[Any], Tensor]
"""Takes the model's logits `(N, ...)`, gives one score an image `(N,)`; an
[`OutputTarget`][interpviz.cam.OutputTarget] takes the whole output instead."""

Targets = None | int | str | Tensor | Target | Sequence[int | str | Target | None]


@dataclass(frozen=True)
class EachOwn(OutputTarget):
    """A target of its own for each image.

    It is what a list of targets stands for.

    Args:
        targets: One an image; each is given only its own image's part of the output.
    """

    targets: tuple[Target, ...]

    def __call__(self, output: Any) -> Tensor:
        """Each image's score by its own target."""
        require_one_an_image(self.targets, batch_size(output))
        return self.grouped(output, len(self.targets))[0]

    def grouped(self, output: Any, total: int) -> Tensor:
        """Each image's scores in several groups, by its own target.

        Args:
            output: What the model returned for `groups * N` images.
            total: How many these are.

        Returns:
            Tensor `(groups, N)`.
        """
        count = len(self.targets)
        parts = [
            grouped_scores(own, rows(output, image, total, count), 1)
            for image, own in enumerate(self.targets)
        ]
        widest = reduce(torch.promote_types, (part.dtype for part in parts))
        return torch.cat([part.to(widest) for part in parts], 1)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """What is explained of this image."""
        return target_name(self.targets[image], 0, class_name)


def resolve_target(
    targets: Targets, output: Any, count: int, categories: Sequence[str] | None
) -> Target:
    """Turn what the user wrote into a score.

    Args:
        targets: None for the predicted class of each image, or its predicted side where the model
            gives one logit an image; a class index or name for all images; a target, such as those
            of this package, or a function of the logits; or a list or tensor of one an image.
        output: What the model returned.
        count: The number of images.
        categories: Class names in the order of the logits, or None.

    Returns:
        The target, for `score_of`; its names are looked up, and what it says of predictions
        is fixed as in this output.

    Raises:
        TargetError: No such class, or not one target an image.
    """
    if isinstance(targets, Score):
        return targets.bind(output, categories)
    if callable(targets):
        return targets
    if is_list(targets) and any(t is None or callable(t) for t in targets):
        require_one_an_image(targets, count)
        return _joined([_own(t, i, output, categories) for i, t in enumerate(targets)])
    logits = _class_logits(output, count)
    if targets is None and logits.shape[1] == 1:
        return BinaryScore().bind(logits, categories)
    return ClassScore(choose_classes(targets, logits, categories))


def _own(target: Any, image: int, output: Any, categories: Sequence[str] | None) -> Target:
    row = rows(output, image, image + 1)
    try:
        if target is None or callable(target):
            return resolve_target(target, row, 1, categories)
        # A list of lists is no list of targets.
        return ClassScore(choose_classes([target], _class_logits(row, 1), categories))
    except TargetError as error:
        error.add_note(f"This is about target {image} of the list.")
        raise


def _joined(parts: Sequence[Target]) -> Target:
    """One target for what each image is explained by.

    What treats classes in a way of its own, as metrics do, must find them in any list of classes.
    """
    classes = [c for part in parts if type(part) is ClassScore for c in part.classes]
    if len(classes) == len(parts):
        return ClassScore(tuple(classes))
    sides = [part.positive for part in parts if type(part) is BinaryScore]
    if len(sides) == len(parts):
        return BinaryScore([side for own in sides if isinstance(own, Sequence) for side in own])
    return EachOwn(tuple(parts))


def _class_logits(output: Any, count: int) -> Tensor:
    if is_per_image(output):
        raise TargetError(
            "The model returns detections, not (batch, classes): say which one to explain with "
            "`BoxScore(box)`, or pass `targets` as `OnOutput(function)`."
        )
    logits = find_logits(output)
    if logits.ndim == 0 or len(logits) != count:
        raise not_class_logits(logits)
    return as_class_logits(logits)


def score_of(target: Target, output: Any, count: int) -> Tensor:
    """The score of each image, if the target gives one.

    Args:
        target: What `resolve_target` returned.
        output: What the model returned.
        count: The number of images.

    Returns:
        Tensor `(count,)`.

    Raises:
        TargetError: The target returned something else.
    """
    score: Any = target(output if isinstance(target, OutputTarget) else find_logits(output))
    if isinstance(score, Tensor):
        if score.shape == (count,) or (count == 1 and score.ndim == 0):
            return score.reshape(count)
        shape: object = tuple(score.shape)
    else:
        shape = type(score).__name__
    raise TargetError(
        f"The target function returned {shape} for {count} images: it must return one score an "
        f"image, a tensor of shape ({count},)."
    )


def grouped_scores(target: Target, output: Any, count: int) -> Tensor:
    """The scores of a batch that holds the same images several times, changed in several ways.

    A function is called for one group after another, since it may treat each image in its own way.

    Args:
        target: What `resolve_target` returned for the images.
        output: What the model returned for `groups * count` images, the images of the first group
            first.
        count: The number of images.

    Returns:
        Tensor `(groups, count)`.

    Raises:
        TargetError: The output is not of whole groups, or the target does not return one score an
            image.
    """
    parts = output if isinstance(target, OutputTarget) else find_logits(output)
    total = batch_size(parts)
    if total % count:
        raise TargetError(
            f"The model returned {total} rows for groups of {count} images: its output must have "
            "one row an image."
        )
    if isinstance(target, EachOwn):
        require_one_an_image(target.targets, count)
        return target.grouped(parts, total)
    whole = target.repeated(total // count) if isinstance(target, Score) else None
    if whole is not None:
        return score_of(whole, output, total).reshape(-1, count)
    scores = [score_of(target, rows(parts, i, i + count), count) for i in range(0, total, count)]
    return torch.stack(scores)


def target_name(target: Target, image: int, class_name: Callable[[int], str]) -> str:
    """A few words on what is explained, for titles and messages.

    Args:
        target: What `resolve_target` returned.
        image: Which image of the batch.
        class_name: Gives the name of a class.

    Returns:
        Such as `"class 281 (tabby)"`, `"tiger cat minus tabby"`, or `"this target"` for a
        function.
    """
    return target.describe(image, class_name) if isinstance(target, Score) else "this target"
