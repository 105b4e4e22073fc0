"""Scores of a part of the picture: a mask of a segmentation, a box of a detection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.cam.targets.categories import class_index, class_label
from interpviz.cam.targets.kinds import OutputTarget, Score, at_least_float32, of_image
from interpviz.cam.targets.outputs import find_logits, is_per_image
from interpviz.errors import TargetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class MaskScore(Score):
    """The mean of a class's logits over a mask M: `(sum over p in M of z_c(p)) / |M|`.

    Use it for segmentation networks, also those of torchvision, which return `{"out": logits}`:
    what in the picture makes these pixels a car.

    Paper: Vinogradova, Dibrov and Myers, "Towards Interpretable Semantic Segmentation via
    Gradient-weighted Class Activation Mapping", AAAI 2020; they take the sum.

    Args:
        category: The class, an index or a name.
        mask: Tensor or array `(H, W)` for all images or `(N, H, W)`, not zero where the score is
            taken; one of another size than the output is resized to the nearest pixel. None
            for the pixels that are predicted to be of the class: where its logit is the largest,
            or, of a single class, 0 or above.

    Examples:
        >>> import torch
        >>> logits = torch.zeros(1, 2, 4, 4)
        >>> logits[:, 1, :2] = 3
        >>> MaskScore(1)(logits), MaskScore(1, torch.ones(4, 4))(logits)
        (tensor([3.]), tensor([1.5000]))
    """

    category: int | str
    mask: Tensor | NDArray[Any] | None = None

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with a class index, and the mask at the output's size."""
        logits = _pixel_logits(output)
        category = class_index(self.category, logits.shape[1], categories)
        return replace(self, category=category, mask=self._pixels(logits, category, categories))

    def __call__(self, logits: Tensor) -> Tensor:
        """The mean for each image.

        Args:
            logits: Tensor `(N, classes, H, W)`.

        Returns:
            Tensor `(N,)`, float32, or float64 as the logits.

        Raises:
            TargetError: The mask of an image has no pixel.
        """
        logits = _pixel_logits(logits)
        category = class_index(self.category, logits.shape[1], None)
        pixels = self._pixels(logits, category, None)
        scores = at_least_float32(logits[:, category])
        return torch.where(pixels, scores, 0).sum((1, 2)) / pixels.sum((1, 2))

    def _pixels(self, logits: Tensor, category: int, categories: Sequence[str] | None) -> Tensor:
        """Boolean mask `(N, H, W)` with a pixel for each image."""
        predicted = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] < 0).long()
        pixels = predicted == category if self.mask is None else _sized(self.mask, logits)
        empty = (~pixels.flatten(1).any(1)).nonzero()[:, 0].tolist()
        if not empty:
            return pixels
        which = of_image(" of", empty[0], len(logits))
        if self.mask is not None:
            raise TargetError(
                f"The mask{which} has no pixel at the output's size, {tuple(logits.shape[2:])}: it "
                "must be non-zero where the score is taken."
            )
        found = torch.unique(predicted[empty[0]]).tolist() if logits.shape[1] > 1 else []
        listed = ", ".join(_name(index, categories) for index in found[:8])
        remedy = f"name one that is ({listed}), or pass a mask" if found else "pass a mask"
        raise TargetError(
            f"No pixel{which} is predicted to be {_name(category, categories)}: {remedy}."
        )

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "car in its mask"."""
        return f"{class_label(self.category, image, class_name)} in its mask"


def _pixel_logits(output: Any) -> Tensor:
    logits = find_logits(output)
    if logits.ndim != 4:
        raise TargetError(
            "MaskScore is for a segmentation, (batch, classes, height, width), but the model's "
            f"output has shape {tuple(logits.shape)}: name a class instead."
        )
    return logits


def _sized(mask: Any, logits: Tensor) -> Tensor:
    """A mask for each image, of the size of the logits."""
    # An array may have strides that torch does not take.
    whole = mask if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask))
    pixels = whole.to(logits.device) != 0
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or len(pixels) not in (1, len(logits)):
        raise TargetError(
            f"The mask has shape {tuple(whole.shape)} for {len(logits)} images: give (height, "
            "width), or one such mask an image."
        )
    size = logits.shape[2:]
    if pixels.shape[1:] != size:
        pixels = F.interpolate(pixels[:, None].float(), size, mode="nearest-exact")[:, 0] > 0
    return pixels.expand(len(logits), -1, -1)


def _name(index: int, categories: Sequence[str] | None) -> str:
    if categories is None or index >= len(categories):
        return f"class {index}"
    return f"class {index} ({categories[index]})"


@dataclass(frozen=True)
class BoxScore(OutputTarget):
    """What a detector finds at a box: `sum over detections d of score_d * IoU(box_d, box)`.

    Only detections of the class whose intersection over union with the box is at least `iou`
    count. Use it for torchvision's detectors, which return a list of one dict an image with
    `boxes`, `labels` and `scores`: what makes the network see this object here.

    A picture that is changed until nothing is found has a score of 0; that nothing is found in the
    first place is an error.

    Args:
        box: Left, top, right and bottom edge in pixels, as the model returns them.
        category: The class, an index (a value of `labels`) or a name, or None for any.
        iou: The least overlap, in (0, 1].

    Raises:
        TargetError: The box is none, or nothing is detected there.

    Examples:
        >>> import torch
        >>> found = {"boxes": [[0.0, 0.0, 4.0, 4.0]], "labels": [3], "scores": [0.5]}
        >>> output = [{name: torch.tensor(values) for name, values in found.items()}]
        >>> BoxScore((0, 0, 4, 2))(output)
        tensor([0.2500])
    """

    box: Sequence[float] | Tensor
    category: int | str | None = None
    iou: float = 0.5

    def __post_init__(self) -> None:
        edges = torch.as_tensor(self.box, dtype=torch.float64).tolist()
        shaped = isinstance(edges, list) and len(edges) == 4
        if not shaped or not (edges[0] < edges[2] and edges[1] < edges[3]):
            raise TargetError(
                f"The box {edges} is not (left, top, right, bottom) in pixels with left < right "
                "and top < bottom."
            )
        if not 0 < self.iou <= 1:
            raise TargetError(f"iou is {self.iou}, but must lie in (0, 1].")
        object.__setattr__(self, "box", tuple(edges))

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with a class index; it must be detected in every image."""
        bound = self
        if self.category is not None:
            bound = replace(self, category=class_index(self.category, None, categories))
        batch = _detections(output)
        for image, detections in enumerate(batch):
            if not bound._matches(detections)[0].any():
                what = bound.describe(image, lambda index: _name(index, categories))
                raise TargetError(
                    f"Nothing{of_image(' in', image, len(batch))} is detected as {what} with an "
                    f"overlap of {self.iou:g}: {_listed(detections, categories)}."
                )
        return bound

    def __call__(self, output: Any) -> Tensor:
        """The sum for each image, 0 or above.

        Args:
            output: List of one dict an image: `boxes` `(K, 4)`, `labels` `(K,)`, `scores` `(K,)`.

        Returns:
            Tensor `(N,)`.
        """
        sums = []
        for detections in _detections(output):
            matches, overlap = self._matches(detections)
            sums.append((at_least_float32(detections["scores"]) * overlap * matches).sum())
        return torch.stack(sums)

    def _matches(self, detections: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Which detections count `(K,)`, and the overlap of each with the box `(K,)`."""
        boxes = at_least_float32(detections["boxes"])
        overlap = _overlap(boxes, boxes.new_tensor(self.box))
        matches = overlap >= self.iou
        if self.category is not None:
            matches &= detections["labels"] == class_index(self.category, None, None)
        return matches, overlap

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "car in the box (10, 20, 50, 60)"."""
        known = self.category is not None
        named = class_label(self.category, image, class_name) if known else "anything"
        return f"{named} in the box {_edges(map(float, self.box))}"


def _overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """The intersection over union of boxes `(K, 4)` with one `(4,)`."""
    sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])
    common = sides.clamp(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return common / (areas - common)


def _detections(output: Any) -> list[Mapping[str, Tensor]]:
    wanted = {"boxes", "labels", "scores"}
    if is_per_image(output) and all(wanted <= set(found) for found in output):
        detections: list[Mapping[str, Tensor]] = output
        return detections
    raise TargetError(
        f"BoxScore is for a list of one dict an image with boxes, labels and scores, but the model "
        f"returns {type(output).__name__}: write a target with `OnOutput(function)`."
    )


def _listed(detections: Mapping[str, Tensor], categories: Sequence[str] | None) -> str:
    boxes, labels, scores = (detections[k].tolist() for k in ("boxes", "labels", "scores"))
    if not scores:
        return "nothing is detected at all"
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:5]
    words = [
        f"{_name(labels[i], categories)} at {_edges(boxes[i])} with score {scores[i]:.2f}"
        for i in best
    ]
    return f"of {len(scores)} detections the surest are {', '.join(words)}"


def _edges(box: Iterable[float]) -> str:
    return f"({', '.join(f'{edge:.0f}' for edge in box)})"
