"""What a student is worth: agreement with its teacher, ranks on free photos, and localisation.

Localisation is the grid pointing game (Zhang et al., "Top-down Neural Attention by Excitation
Backprop", IJCV 2018; in this form Boehle et al., "Convolutional Dynamic Alignment Networks",
CVPR 2021, https://arxiv.org/abs/2104.00032): four photos make one picture, and the map of one
photo's class should lie on that photo's quarter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from interpviz.errors import InputError, ZeroMapWarning
from interpviz.zoo.distill.data import FREE_PHOTOS, to_tensor

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


def mosaics(tiles: torch.Tensor, classes: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Every choice of four photos as one picture of two by two.

    Args:
        tiles: uint8 (P, 3, S, S), P of 4 or more.
        classes: The class of each photo, all different.

    Returns:
        The mosaics, uint8 (M, 3, 2S, 2S), and the classes of their quarters (M, 4): top left,
        top right, bottom left, bottom right. Each choice begins at another of its photos, so that
        no photo is always in the same quarter.

    Raises:
        InputError: There are fewer than four photos, or a class twice.
    """
    import torch

    if len(tiles) < 4 or len(set(classes)) < len(classes):
        raise InputError("A mosaic needs four photos or more, each of another class.")
    pictures, quarters = [], []
    for turn, chosen in enumerate(combinations(range(len(tiles)), 4)):
        order = [chosen[(turn + place) % 4] for place in range(4)]
        top, bottom = (torch.cat([tiles[i] for i in row], 2) for row in (order[:2], order[2:]))
        pictures.append(torch.cat([top, bottom], 1))
        quarters.append([classes[i] for i in order])
    return torch.stack(pictures), torch.tensor(quarters)


def quarter_shares(maps: torch.Tensor) -> torch.Tensor:
    """The part of each map's positive mass that lies in the map's own quarter.

    Args:
        maps: (M, 4, H, W), for each mosaic the maps of its four quarters' classes.

    Returns:
        (M, 4), in [0, 1]; 0 for a map without positive values.
    """
    import torch

    maps = maps.clamp_min(0)
    height, width = (side // 2 for side in maps.shape[-2:])
    corners = [(0, 0), (0, width), (height, 0), (height, width)]
    own = [
        maps[:, place, top : top + height, left : left + width].sum((-1, -2))
        for place, (top, left) in enumerate(corners)
    ]
    return torch.stack(own, 1) / maps.sum((-1, -2)).clamp_min(1e-30)


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

    pictures, quarters = mosaics(to_tensor([preprocess.view(p) for p in photos]), classes)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))
    cam = GradCAM(model, layer)
    shares = []
    with warnings.catch_warnings():
        # A map of zeros counts as a share of 0; the warning adds nothing here.
        warnings.simplefilter("ignore", ZeroMapWarning)
        for picture, four in zip(pictures, quarters, strict=True):
            x = ((picture.float() / 255 - mean) / std).expand(4, -1, -1, -1)
            maps = cam(x, four.tolist(), normalize=False)
            shares.append(quarter_shares(maps[None].cpu()))
    return float(torch.cat(shares).mean())
