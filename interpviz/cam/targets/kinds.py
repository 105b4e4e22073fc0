"""The kinds of target: of the logits, or of the model's whole output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


class Score(ABC):
    """A target that knows its name, and can be bound to what the model said of some images."""

    @abstractmethod
    def __call__(self, logits: Tensor) -> Tensor:
        """The score of each image.

        Args:
            logits: The scores in the model's output, `(N, ...)`.

        Returns:
            Tensor `(N,)`, with the graph of the logits.
        """

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:  # noqa: ARG002
        """The same target with names looked up and predictions fixed.

        Args:
            output: What the model returned for the images.
            categories: Class names in the order of the logits, or None.

        Raises:
            TargetError: The output has no such class.
        """
        return self

    def repeated(self, groups: int) -> Self | None:  # noqa: ARG002
        """The same target for the same images several times over, to score them in one call.

        Args:
            groups: How many times.

        Returns:
            The target for `groups * N` images, or None where each group needs its own call.
        """
        return None

    def mirrored(self, width: int) -> Self | None:  # noqa: ARG002
        """The same target for images that are mirrored left to right.

        Args:
            width: The width of the images in pixels.

        Returns:
            The target itself where it has no place in the picture, as that of a class; one with
            its place mirrored; or None where it cannot be had.
        """
        return self

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:  # noqa: ARG002
        """A few words on what is explained, for titles and messages.

        Args:
            image: Which image of the batch.
            class_name: Gives the name of a class.
        """
        return "this target"

    def __str__(self) -> str:
        return self.describe(0, lambda index: f"class {index}")


class OutputTarget(Score):
    """A target that reads the model's whole output, not only the logits in it.

    Derive from it where the score is in other parts of the output: boxes, embeddings, several
    heads. `__call__(output)` gives a tensor `(N,)`; `bind`, `mirrored` and `describe` may be left
    out.
    """

    @abstractmethod
    def __call__(self, output: Any) -> Tensor:
        """The score of each image.

        Args:
            output: What the model returned for N images.

        Returns:
            Tensor `(N,)`, with the graph of the output.
        """

    def mirrored(self, width: int) -> Self | None:  # noqa: ARG002
        """None, as the target may read a place in the picture; write this method to say how."""
        return None


@dataclass(frozen=True)
class OnOutput(OutputTarget):
    """A function of the model's whole output.

    Use it where a plain function, which is given the logits, is not enough.

    Args:
        function: From what the model returned for N images to a tensor `(N,)`.

    Examples:
        >>> import torch
        >>> OnOutput(lambda output: output["depth"].mean((1, 2)))({"depth": torch.ones(2, 4, 4)})
        tensor([1., 1.])
    """

    function: Callable[[Any], Tensor]

    def __call__(self, output: Any) -> Tensor:
        """What the function gives."""
        return self.function(output)


def at_least_float32(tensor: Tensor) -> Tensor:
    """A tensor precise enough for sums.

    Args:
        tensor: Of any floating-point type.
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def of_image(word: str, image: int, count: int) -> str:
    """Which image a message is about, or nothing where there is only one.

    Args:
        word: What stands before it, such as `" of"`.
        image: The image's index.
        count: The number of images.
    """
    return f"{word} image {image}" if count > 1 else ""
