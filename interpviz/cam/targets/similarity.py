"""How near the embedding of an image is to another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.cam.targets.kinds import OutputTarget, at_least_float32
from interpviz.errors import TargetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EMBEDDINGS = ("image_embeds", "embeds", "pooler_output")


@dataclass(frozen=True, eq=False)
class Similarity(OutputTarget):
    """The cosine similarity of each image's embedding x with a given one e: `x . e / (|x| |e|)`.

    Use it for models that embed and do not classify: with the embedding of a text, what in the
    picture matches the words (CLIP and its kin); with that of another picture, what the two have
    in common.

    Args:
        embedding: Tensor, array or list of numbers `(D,)` for all images, or `(N, D)` of one an
            image. It is kept as a tensor.
        name: Where the output holds the images' embeddings. By default `image_embeds`, `embeds` or
            `pooler_output`, the first that is there, or the output itself where it is a tensor.

    Raises:
        TargetError: The embedding is not made of numbers; or, when it is explained, it does not fit
            those of the model.

    Examples:
        >>> import torch
        >>> Similarity(torch.tensor([1.0, 0.0]))(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor([1., 0.])
    """

    embedding: Tensor | NDArray[Any] | Sequence[Any]
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", _as_tensor(self.embedding))

    def __call__(self, output: Any) -> Tensor:
        """The similarity of each image, in [-1, 1].

        Args:
            output: A tensor `(N, D)`, or a mapping or object that holds one.

        Returns:
            Tensor `(N,)`, float32, or float64 as the embeddings.

        Raises:
            TargetError: There are no such embeddings, or they do not fit the given one.
        """
        found = self._find(output)
        # The clone is for an embedding made in inference mode, which no graph may hold.
        given = torch.as_tensor(self.embedding).detach().clone().to(found.device)
        shape = tuple(given.shape)
        given = given[None] if given.ndim == 1 else given
        fits = given.ndim == found.ndim == 2 and given.shape[1] == found.shape[1]
        if not fits or len(given) not in (1, len(found)):
            raise TargetError(
                f"An embedding of shape {shape} cannot be compared with the model's, of shape "
                f"{tuple(found.shape)}: give (D,) for all images, or (N, D)."
            )
        return F.cosine_similarity(at_least_float32(found), at_least_float32(given), dim=1)

    def _find(self, output: Any) -> Tensor:
        if isinstance(output, Tensor) and self.name is None:
            return output
        parts = output if isinstance(output, Mapping) else getattr(output, "__dict__", {})
        for name in [self.name] if self.name else _EMBEDDINGS:
            found = parts.get(name)
            if isinstance(found, Tensor):
                return found
        held = [str(name) for name, part in parts.items() if isinstance(part, Tensor)]
        raise TargetError(
            f"The model returns {type(output).__name__} without "
            f"{self.name or ', '.join(_EMBEDDINGS)}: say where the embeddings are with "
            f"`Similarity(embedding, name=...)`; it holds {', '.join(held) or 'no named tensors'}."
        )

    def mirrored(self, width: int) -> Self:  # noqa: ARG002
        """The target itself, as an embedding has no place in the picture."""
        return self

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:  # noqa: ARG002
        """The words "the similarity"."""
        return "the similarity"


def _as_tensor(embedding: Any) -> Tensor:
    try:
        # An array may have strides that torch does not take.
        given = np.array(embedding) if isinstance(embedding, np.ndarray) else embedding
        found = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TargetError(
            f"The embedding is {type(embedding).__name__}, from which no tensor can be made: pass "
            "a tensor, an array or a list of numbers, (D,) for all images or (N, D)."
        ) from error
    return found
