"""What a student is worth: agreement with its teacher, ranks on free photos, and localisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpviz.errors import InputError
from interpviz.zoo.distill.data import FREE_PHOTOS

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import nn

    from interpviz.zoo.preprocess import Preprocess
    from interpviz.zoo.students import StudentInfo


@dataclass(frozen=True)
class Agreement:
    """How far answers agree with the teacher's.

    Attributes:
        top1: Share of the photos whose first class is the teacher's, in [0, 1].
        top5: Share of the photos whose first five classes hold the teacher's, in [0, 1].
        kl: Mean KL divergence from the teacher's probabilities, in nats; 0 is the best.
    """

    top1: float
    top5: float
    kl: float


@dataclass(frozen=True)
class FreeRank:
    """A student's answer to one free photo.

    Attributes:
        photo: The photo's name.
        teacher_class: The teacher's first class.
        teacher_probability: The teacher's probability of it, in [0, 1].
        right: Whether that class is a right answer, by `FREE_PHOTOS`.
        ranks: For each input size in pixels, the rank that the student gives the teacher's
            class; 1 is the first.
    """

    photo: str
    teacher_class: int
    teacher_probability: float
    right: bool
    ranks: dict[int, int]


def answer(
    model: nn.Module,
    preprocess: Callable[[Image.Image], torch.Tensor],
    images: Sequence[Image.Image],
    batch: int = 32,
) -> torch.Tensor:
    """Show photos to a model.

    Args:
        model: In evaluation mode.
        preprocess: Turns a photo into its input (3, H, W).
        images: RGB photos.
        batch: How many at a time.

    Returns:
        Logits (N, classes), float32, on the CPU.
    """
    import torch

    device = next(model.parameters()).device
    model = model.to(memory_format=torch.channels_last)
    logits = []
    with torch.inference_mode():
        for first in range(0, len(images), batch):
            x = torch.stack([preprocess(image) for image in images[first : first + batch]])
            x = x.to(device, memory_format=torch.channels_last)
            logits.append(model(x).float().cpu())
    return torch.cat(logits)


def agreement(teacher: torch.Tensor, student: torch.Tensor) -> Agreement:
    """Compare two sets of answers.

    Args:
        teacher: Logits (N, classes).
        student: Logits (N, classes), or (1, classes) for one answer to all.

    Raises:
        InputError: The shapes do not fit.
    """
    if student.shape[1] != teacher.shape[1] or len(student) not in (1, len(teacher)):
        raise InputError(f"Answers of {tuple(student.shape)} and {tuple(teacher.shape)} differ.")
    student = student.expand_as(teacher)
    first = teacher.argmax(1, keepdim=True)
    five = student.topk(min(5, student.shape[1]), dim=1).indices
    log_p, log_q = teacher.log_softmax(1), student.log_softmax(1)
    return Agreement(
        (student.argmax(1, keepdim=True) == first).float().mean().item(),
        (five == first).any(1).float().mean().item(),
        (log_p.exp() * (log_p - log_q)).sum(1).mean().item(),
    )


def constant_answer(teacher: torch.Tensor) -> torch.Tensor:
    """The one answer with the least mean KL divergence: the mean of the teacher's.

    Args:
        teacher: The teacher's logits (N, classes) on the training photos.

    Returns:
        Log probabilities (1, classes).
    """
    return teacher.softmax(1).mean(0, keepdim=True).clamp_min(1e-12).log()


def rank_of(logits: torch.Tensor, index: int) -> int:
    """The rank of a class among logits (classes,); 1 is the first."""
    return int((logits > logits[index]).sum()) + 1


def free_ranks(
    model: nn.Module,
    info: StudentInfo,
    teacher: torch.Tensor,
    photos: dict[str, Image.Image],
    sizes: Sequence[int],
) -> list[FreeRank]:
    """Where the student ranks the teacher's class on each free photo.

    Args:
        model: The student in evaluation mode.
        info: What its weight file says.
        teacher: The teacher's logits (photos, classes).
        photos: The free photos by name.
        sizes: Input sizes in pixels to try.
    """
    by_size = {s: answer(model, info.preprocess(s), list(photos.values())) for s in sizes}
    rows = []
    for index, name in enumerate(photos):
        best = int(teacher[index].argmax())
        ranks = {size: rank_of(logits[index], best) for size, logits in by_size.items()}
        probability = float(teacher[index].softmax(0)[best])
        rows.append(FreeRank(name, best, probability, best in FREE_PHOTOS.get(name, {}), ranks))
    return rows


def grid_pointing(
    model: nn.Module,
    layer: str,
    preprocess: Preprocess,
    photos: Sequence[Image.Image],
    classes: Sequence[int],
) -> float:
    """Play the grid pointing game with Grad-CAM.

    Args:
        model: In evaluation mode.
        layer: Dotted name of the layer that Grad-CAM explains.
        preprocess: How the model sees one photo; each tile is one such view.
        photos: RGB photos, four or more.
        classes: The class of each photo, all different.

    Returns:
        The mean share of the positive mass in the right quarter, in [0, 1]; chance is 0.25.
    """
    import torch

    from interpviz.cam import GradCAM
    from interpviz.metrics import grid_pointing_game

    tiles = torch.stack([preprocess(photo) for photo in photos])
    shares = grid_pointing_game(GradCAM(model, layer), tiles, classes)
    return float(shares.mean())
