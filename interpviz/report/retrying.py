"""A batch through the model, in smaller parts where it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interpviz.report.explain import Explainer, Mask


@dataclass(frozen=True)
class Refusal:
    """Why an image was not explained.

    Attributes:
        error: What the model, or the engine, raised.
    """

    error: Exception


class Retrying:
    """Explains batches. An image that the model refuses takes no other one with it.

    Args:
        explain: What the model does.

    Attributes:
        most: How many images the memory held at last; None until it ran out.
    """

    def __init__(self, explain: Explainer) -> None:
        self._explain = explain
        self.most: int | None = None

    def __call__(
        self, images: Sequence[Tensor], labels: Sequence[int], masks: Sequence[Mask]
    ) -> list[dict[str, Any] | Refusal]:
        """Explain a batch.

        Args:
            images: Inputs `(C, H, W)` of one size.
            labels: The class that each image has, or -1.
            masks: Where each image's object is, `(H, W)`, or None.

        Returns:
            For each image the numbers of its record, or why there are none.

        Raises:
            OSError: The system failed, not the model.
        """
        try:
            return list(self._explain(images, labels, masks))
        except OSError:
            raise
        except Exception as error:  # a user's network may fail in any way
            if len(images) == 1:
                return [Refusal(error)]
            step = 1
            if isinstance(error, torch.OutOfMemoryError):
                step = self.most = max(1, len(images) // 2)
        parts = [slice(first, first + step) for first in range(0, len(images), step)]
        return [one for part in parts for one in self(images[part], labels[part], masks[part])]
