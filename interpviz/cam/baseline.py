"""A map that knows nothing, to measure the others by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack
from zlib import crc32

import torch
from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.run import Run


class RandomCAM(CAM):
    r"""Random weights for the channels: the layer's activations without any reason.

    The map is `ReLU(sum over k of w_k * A_k)` with each w_k drawn evenly from [-1, 1]. It asks for
    no class and no gradient. Where a map would be zero everywhere its weights are negated, which
    are as likely as they were, so that it is one only where the layer is.

    The weights follow from the seed and the values of the image: the same image has the same
    weights in every batch and on every device, other images have others. pytorch-grad-cam draws
    from NumPy's global state.

    Use it to see what a measure of maps gives for a map that explains nothing.

    Known from: Gildenblat and contributors, "PyTorch library for CAM methods", 2021.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        seed: Another seed gives other weights.
        **options: As for [`CAM`][interpviz.cam.CAM].

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> RandomCAM(resnet18().eval(), "layer4", seed=1)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 64, 64])
    """

    asks_for_score: ClassVar[bool] = False

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        seed: int = 0,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        self.seed = seed

    def _weigh(self, run: Run) -> list[Tensor]:
        generators = [_generator(image, self.seed) for image in run.inputs.images]
        weights = []
        for activation in run.activations:
            channels = activation.shape[1]
            drawn = torch.stack([torch.rand(channels, generator=g) for g in generators])
            each = (2 * drawn - 1).to(activation)
            peak = torch.einsum("nc,ncp->np", each, activation.flatten(2)).amax(1, keepdim=True)
            weights.append(torch.where(peak > 0, each, -each))
        return weights


def _generator(image: Tensor, seed: int) -> torch.Generator:
    values = image.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return torch.Generator().manual_seed(crc32(values, seed & 0xFFFFFFFF))
