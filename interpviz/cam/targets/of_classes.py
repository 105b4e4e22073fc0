"""What the scores that are read of one class an image have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from interpviz.cam.targets.categories import Classes, as_class_logits, choose_classes
from interpviz.cam.targets.kinds import Score
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import TargetError


@dataclass(frozen=True)
class OfClasses(Score):
    """A score of one class an image; it is bound when its classes are a tuple of indices.

    Args:
        classes: A class index or name for all images, a list of one an image, or None for the
            predicted ones.
    """

    classes: Classes

    reads: ClassVar[str]
    """What it reads of the logits, which a model with one logit an image does not give."""

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with one class index an image."""
        logits = several_logits(find_logits(output), self.reads)
        return replace(self, classes=choose_classes(self.classes, logits, categories))

    @abstractmethod
    def __call__(self, logits: Tensor) -> Tensor:
        """The score of each image's class."""

    def _read(self, logits: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """The logits, one column a class, and each image's class."""
        columns = several_logits(logits, self.reads)
        return columns, choose_classes(self.classes, columns, None)

    def repeated(self, groups: int) -> Self:
        """The same for each group's images."""
        return replace(self, classes=tiled(self.classes, groups))


def several_logits(logits: Tensor, reads: str) -> Tensor:
    """Logits of a model with two classes or more.

    Args:
        logits: Tensor `(N, classes)`.
        reads: What is read of them, for the message.

    Raises:
        TargetError: It has one logit an image, or another shape.
    """
    columns = as_class_logits(logits)
    if columns.shape[1] == 1:
        raise TargetError(
            f"The model gives one logit an image, of which {reads} says nothing: use BinaryScore()."
        )
    return columns


def pick(columns: Tensor, classes: Sequence[int]) -> Tensor:
    """Each image's value of its own class.

    Args:
        columns: Tensor `(N, classes)`.
        classes: One index an image.

    Returns:
        Tensor `(N,)`.
    """
    return columns.gather(1, torch.tensor(classes, device=columns.device)[:, None])[:, 0]


def tiled(own: Any, groups: int) -> Any:
    """What is one an image, for several groups of the images; anything else as it is.

    Args:
        own: A tuple of one an image, or something for all of them.
        groups: How many groups.
    """
    return own * groups if isinstance(own, tuple) else own
