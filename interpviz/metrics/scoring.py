"""Score many changed images in full batches. All that metrics ask of a model is asked here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from interpviz.cam.engine.hooks import eval_mode, outside_inference_mode
from interpviz.cam.engine.inputs import follow_model
from interpviz.cam.targets import (
    Target,
    Targets,
    find_categories,
    find_logits,
    grouped_scores,
    resolve_target,
    score_of,
)
from interpviz.cam.targets.categories import probabilities
from interpviz.cam.targets.kinds import OutputTarget
from interpviz.cam.targets.outputs import is_per_image
from interpviz.cam.targets.scores import BinaryScore, ClassScore
from interpviz.device import unwrap
from interpviz.errors import InputError
from interpviz.metrics.checks import as_images, whole_number
from interpviz.metrics.precision import without_autocast
from interpviz.metrics.progress import progress_bar

Score = Literal["probability", "logit"]
"""What is read of the target class: its softmax probability, or its logit."""

Build = Callable[[Tensor, Tensor], Tensor]
"""Takes indices of images `(B,)` and of steps `(B,)`, gives the changed images `(B, C, H, W)`."""


class Scorer:
    """A model, its images and what is scored, with the scores of the unchanged images.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a target, such as a function of the logits `(N, ...)` to one score an image
            `(N,)`.
        score: Whether classes are scored by their probabilities or their logits. Any other target
            is its own score, and so is a list in which one stands beside classes: these then count
            by their logits.
        batch_size: How many images the model sees at once.

    Attributes:
        model: The model.
        images: The images on the model's device, of its type.
        score: What is read of the target class.
        batch_size: How many images the model sees at once.
        classes: How many classes the model has; 0 where it gives no list of classes, or the target
            reads the whole output.
        original: The score of each unchanged image `(N,)`, float32.

    Raises:
        InputError: The images are not a batch of finite numbers, or an option has no such value.
        TargetError: A class does not exist, or there is not one target an image.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        targets: Targets = None,
        *,
        score: Score = "probability",
        batch_size: int = 64,
    ) -> None:
        _require_model(model)
        if score not in ("probability", "logit"):
            raise InputError(f"The score is {score!r}, but must be 'probability' or 'logit'.")
        self.model = model
        self.batch_size = whole_number(batch_size, "batch_size")
        self.score = score
        self._as_probability = score == "probability"
        with outside_inference_mode():
            self.images = follow_model(as_images(images), model)
        with self._scoring():
            outputs = [self.model(part) for part in torch.split(self.images, batch_size)]
            self._target, self._in_steps = self._resolved(targets, outputs)
            read = _joined(outputs) if self._in_steps else find_logits(_joined(outputs))
            self.classes = read.shape[1] if isinstance(read, Tensor) and read.ndim == 2 else 0
            self.original = self._read(read)

    def _resolved(self, targets: Targets, outputs: list[Any]) -> tuple[Target, bool]:
        """What is scored, and whether it reads whole outputs that are no tensors."""
        count, plain = len(self.images), isinstance(outputs[0], Tensor)
        too_small = not plain and len(outputs) > 1
        # Parts of the output that it may read are lost where several are joined.
        if too_small and isinstance(targets, OutputTarget):
            raise _batch_too_small(count)
        categories = find_categories(unwrap(self.model))
        target = resolve_target(targets, _joined(outputs), count, categories)
        in_steps = isinstance(target, OutputTarget) and not plain
        if in_steps and too_small:
            raise _batch_too_small(count)
        return target, in_steps

    @property
    def targets(self) -> list[int] | Target:
        """What is scored: one class index an image, or another target, fixed as it was resolved."""
        target = self._target
        return list(target.classes) if isinstance(target, ClassScore) else target

    def scores(self, build: Build, steps: int, label: str, *, progress: bool = False) -> Tensor:
        """Score every image after each of some changes.

        The changed images are made only when their turn comes, and batches run across images and
        steps, so the model is called `ceil(N * steps / batch_size)` times.

        Args:
            build: Makes the changed images.
            steps: The number of changes of each image.
            label: What the progress bar says.
            progress: Whether there is one.

        Returns:
            Tensor `(N, steps)`, float32.
        """
        count, device = len(self.images), self.images.device
        size = self.batch_size - self.batch_size % count if self._in_steps else self.batch_size
        waiting = torch.empty(0)
        scores: list[Tensor] = []
        with self._scoring():
            for start in progress_bar(range(0, count * steps, size), label, shown=progress):
                place = torch.arange(start, min(start + size, count * steps), device=device)
                with without_autocast(device):
                    changed = build(place % count, place // count).to(self.images.dtype)
                output = self.model(changed)
                if self._in_steps:
                    scores.extend(grouped_scores(self._target, output, count).float())
                    continue
                logits = find_logits(output)
                waiting = torch.cat([waiting, logits]) if len(waiting) else logits
                # A target may have one class or mask an image, so it is given whole steps.
                while len(waiting) >= count:
                    scores.append(self._read(waiting[:count]))
                    waiting = waiting[count:]
        return torch.stack(scores, 1)

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        with outside_inference_mode(), torch.no_grad(), eval_mode(self.model):
            yield

    def _read(self, output: Any) -> Tensor:
        target = self._target
        if isinstance(target, ClassScore) and self._as_probability:
            # A single logit is that of a yes or no.
            output = probabilities(output)
        score = score_of(target, output, len(self.images)).float()
        sided = isinstance(target, BinaryScore) and self._as_probability
        return score.sigmoid() if sided else score


def _require_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(
            f"The model is a {type(model).__name__}, not an nn.Module: pass the network, of a zoo "
            "model `m.model`."
        )


def _joined(outputs: list[Any]) -> Any:
    """The outputs of several batches as one; of those with several parts only the logits."""
    if len(outputs) == 1:
        return outputs[0]
    if is_per_image(outputs[0]):
        return [image for output in outputs for image in output]
    return torch.cat([find_logits(output) for output in outputs])


def _batch_too_small(count: int) -> InputError:
    return InputError(
        "This target reads the model's whole output, so all images must fit one batch: set "
        f"batch_size to {count} or more."
    )
