"""Scores of a part of the picture: a mask of a segmentation, a box of a detection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from interpviz.cam.targets.categories import Classes, class_label, named_classes
from interpviz.cam.targets.kinds import OutputTarget, Score, at_least_float32, of_image
from interpviz.cam.targets.masks import as_mask, sized_mask
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
        classes: A class index or name for all images, or a list of one an image.
        mask: Tensor or array `(H, W)` for all images or `(N, H, W)`, not zero where the score is
            taken; one of another size than the output is resized to the nearest pixel. None
            for the pixels that are predicted to be of the class: where its logit is the largest,
            or, of a single class, 0 or above.

    Raises:
        TargetError: The mask is not made of numbers; or, when it is explained, there is no such
            class, or the mask of an image has no pixel.

    Examples:
        >>> import torch
        >>> logits = torch.zeros(1, 2, 4, 4)
        >>> logits[:, 1, :2] = 3
        >>> MaskScore(1)(logits), MaskScore(1, torch.ones(4, 4))(logits)
        (tensor([3.]), tensor([1.5000]))
    """

    classes: int | str | Sequence[int | str] | Tensor
    mask: Tensor | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.mask is not None:
            object.__setattr__(self, "mask", as_mask(self.mask))

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with one class index an image, and the masks at the output's size."""
        logits = _pixel_logits(output)
        classes = named_classes(self.classes, len(logits), logits.shape[1], categories)
        return replace(self, classes=classes, mask=self._pixels(logits, classes, categories))

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
        classes = named_classes(self.classes, len(logits), logits.shape[1], None)
        pixels = self._pixels(logits, classes, None)
        scores = at_least_float32(logits[range(len(logits)), classes])
        return torch.where(pixels, scores, 0).sum((1, 2)) / pixels.sum((1, 2))

    def mirrored(self, width: int) -> Self:  # noqa: ARG002
        """The same with the mask mirrored."""
        return self if self.mask is None else replace(self, mask=as_mask(self.mask).flip(-1))

    def _pixels(
        self, logits: Tensor, classes: tuple[int, ...], categories: Sequence[str] | None
    ) -> Tensor:
        """Boolean mask `(N, H, W)` with a pixel for each image."""
        predicted = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] < 0).long()
        wanted = torch.tensor(classes, device=logits.device)[:, None, None]
        pixels = (
            predicted == wanted if self.mask is None else sized_mask(as_mask(self.mask), logits)
        )
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
            f"No pixel{which} is predicted to be {_name(classes[empty[0]], categories)}: {remedy}."
        )

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "car in its mask"."""
        return f"{class_label(self.classes, image, class_name)} in its mask"


def _pixel_logits(output: Any) -> Tensor:
    logits = find_logits(output)
    if logits.ndim != 4:
        raise TargetError(
            "MaskScore is for a segmentation, (batch, classes, height, width), but the model's "
            f"output has shape {tuple(logits.shape)}: name a class instead."
        )
    return logits


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
        classes: A class index (a value of `labels`) or name for all images, a list of one an image,
            or None for any class.
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
    classes: Classes = None
    iou: float = 0.5

    def __post_init__(self) -> None:
        edges = _edges_of(self.box)
        if len(edges) != 4 or not (edges[0] < edges[2] and edges[1] < edges[3]):
            raise TargetError(
                f"The box {edges or self.box!r} is not (left, top, right, bottom) in pixels with "
                "left < right and top < bottom."
            )
        if not 0 < self.iou <= 1:
            raise TargetError(f"iou is {self.iou}, but must lie in (0, 1].")
        object.__setattr__(self, "box", edges)

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with one class index an image; it must be detected in every image."""
        batch = _detections(output)
        bound = self
        if self.classes is not None:
            classes = named_classes(self.classes, len(batch), None, categories)
            bound = replace(self, classes=classes)
        for image, (detections, matches, _overlaps) in enumerate(bound._matched(batch)):
            if not matches.any():
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
        for detections, matches, overlap in self._matched(_detections(output)):
            sums.append((at_least_float32(detections["scores"]) * overlap * matches).sum())
        return torch.stack(sums)

    def mirrored(self, width: int) -> Self:
        """The same with the box mirrored."""
        left, top, right, bottom = self.box
        return replace(self, box=(width - right, top, width - left, bottom))

    def _matched(
        self, batch: Sequence[Mapping[str, Tensor]]
    ) -> Iterator[tuple[Mapping[str, Tensor], Tensor, Tensor]]:
        """Each image's detections, which of them count `(K,)`, and their overlap with the box."""
        classes: Sequence[int | None] = [None] * len(batch)
        if self.classes is not None:
            classes = named_classes(self.classes, len(batch), None, None)
        for detections, index in zip(batch, classes, strict=True):
            boxes = at_least_float32(detections["boxes"])
            overlap = _overlap(boxes, boxes.new_tensor(self.box))
            matches = overlap >= self.iou
            if index is not None:
                matches &= detections["labels"] == index
            yield detections, matches, overlap

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "car in the box (10, 20, 50, 60)"."""
        known = self.classes is not None
        named = class_label(self.classes, image, class_name) if known else "anything"
        return f"{named} in the box {_edges(map(float, self.box))}"


def _edges_of(box: Any) -> tuple[float, ...]:
    """The numbers of a box, or none where it has no list of them."""
    try:
        edges = torch.as_tensor(box, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return ()
    return tuple(edges.tolist()) if edges.ndim == 1 else ()


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
