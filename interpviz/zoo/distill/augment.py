"""Random changes to a batch of crops, on the device where the crops lie.

Pairs are mixed as a blend (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
https://arxiv.org/abs/1710.09412) or with a pasted rectangle (Yun et al., "CutMix", ICCV 2019,
https://arxiv.org/abs/1905.04899).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from interpviz.zoo.students import MEAN, STD

if TYPE_CHECKING:
    import torch


def augment(crops: torch.Tensor, size: int, rng: torch.Generator) -> torch.Tensor:
    """Shift, scale, mirror and tint crops by little enough that the teacher's answer holds.

    Args:
        crops: uint8 (N, 3, S, S), on the device where the work is done.
        size: Side of the result in pixels.
        rng: The source of chance, on the CPU.

    Returns:
        Normalised float32 (N, 3, size, size).
    """
    import torch
    from torch.nn import functional as F

    n, side = len(crops), crops.shape[-1]
    # One window for the whole batch: cheap, and each batch has another.
    window = round(side * (1 - 0.15 * float(torch.rand((), generator=rng))))
    top, left = torch.randint(side - window + 1, (2,), generator=rng).tolist()
    x = crops[:, :, top : top + window, left : left + window].float() / 255
    x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
    chance = torch.rand((3, n, 1, 1, 1), generator=rng).to(crops.device)
    x = torch.where(chance[0] < 0.5, x, x.flip(-1))
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (x - middle) * (0.8 + 0.4 * chance[1]) + middle * (0.8 + 0.4 * chance[2])
    mean, std = (torch.tensor(v, device=crops.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def mix(
    x: torch.Tensor, answers: torch.Tensor, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each crop of a batch with another one, and their answers by the same share.

    Args:
        x: Images (N, 3, H, W).
        answers: The teacher's probabilities (N, classes).
        rng: The source of chance, on the CPU.

    Returns:
        Images and probabilities of the same shapes: a blend (mixup) or, as often, the first
        image with a rectangle of the second (CutMix).
    """
    import torch

    share, coin = torch.rand(2, generator=rng).tolist()
    order = torch.randperm(len(x), generator=rng).to(x.device)
    if coin < 0.5:
        x = share * x + (1 - share) * x[order]
    else:
        height, width = x.shape[-2:]
        h, w = (round(side * math.sqrt(1 - share)) for side in (height, width))
        top = int(torch.randint(height - h + 1, (), generator=rng))
        left = int(torch.randint(width - w + 1, (), generator=rng))
        x = x.clone()
        x[..., top : top + h, left : left + w] = x[order][..., top : top + h, left : left + w]
        share = 1 - h * w / (height * width)
    return x, share * answers + (1 - share) * answers[order]
