"""Grad-CAM++ with gradients averaged over noisy copies of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.precision import as_float64
from interpviz.cam.engine.run import Run
from interpviz.cam.gradient import GradCAMPlusPlus
from interpviz.errors import InputError


class SmoothGradCAMPlusPlus(CAM):
    r"""Smooth Grad-CAM++: the derivatives of Grad-CAM++, averaged over noisy copies of the image.

    With D1, D2 and D3 the means over the noisy copies of g, g^2 and g^3 at a position, and S the
    sum of the channel's activations, a channel's weight is the sum over positions of
    `relu(D1) * D2 / (2 * D2 + S * D3)`; the map is `ReLU(sum over k of w_k * A_k)`. The activations
    A and S are those of the image itself, without noise. It is computed as
    `relu(D1) / (2 + S * D3 / D2)`, in float64, so it needs no small constant and holds for
    gradients of any size; where the denominator comes near zero it is kept away from it as in
    [`GradCAMPlusPlus`][interpviz.cam.GradCAMPlusPlus]. Without noise the two are the same, and so
    they are where the part behind the layer is linear, as at the last layer of most CNNs: noise
    does not change the gradient there, so take an earlier layer.

    In the paper, as torch-cam's documentation points out, D1 stands in the numerator of the
    fraction, in the place of D2. That fraction would have a unit, and would not become Grad-CAM++
    without noise, so D2 is taken here as there. torch-cam differs otherwise: its noise does not
    follow the image's range, it takes the ReLU of the last copy's gradient rather than of the
    mean, and in the place of S * D3 the sum over all positions of A * D3.

    All images get the same noise, times their own range of values, so a map does not depend on
    the rest of its batch. Each class of `class_maps` costs `samples` runs of its own.

    Use it when Grad-CAM++ flickers between images that look alike, or misses part of an object.

    Paper: Omeiza, Speakman, Cintas and Weldermariam, "Smooth Grad-CAM++: An Enhanced Inference
    Level Visualization Technique for Deep Convolutional Neural Network Models", 2019
    (arXiv:1908.01224). The noise is that of Smilkov, Thorat, Kim, Viégas and Wattenberg,
    "SmoothGrad: removing noise by adding noise", 2017 (arXiv:1706.03825).

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        samples: How many noisy copies of each image.
        std: The standard deviation of the noise, as a share of the image's range of values: its
            maximum minus its minimum.
        seed: The seed of the noise, which is the same on every device.
        batch_size: How many noisy images the model sees at once, at least one copy of the batch.
        **options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: `samples` or `batch_size` is below 1, or `std` is negative.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> cam = SmoothGradCAMPlusPlus(resnet18().eval(), "layer4", samples=4)
        >>> cam(torch.rand(2, 3, 64, 64), targets=7).shape
        torch.Size([2, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        samples: int = 16,
        std: float = 0.15,
        seed: int = 0,
        batch_size: int = 16,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        if samples < 1 or batch_size < 1 or not std >= 0:
            raise InputError(
                f"samples is {samples}, batch_size {batch_size} and std {std}: the first two must "
                "be at least 1, and std 0 or above."
            )
        self.samples = samples
        self.std = std
        self.seed = seed
        self.batch_size = batch_size

    def _weigh(self, run: Run) -> list[Tensor]:
        sums: list[Tensor] = []
        for images in self._noisy(run.inputs.images):
            found = [_powers(g, len(images)) for g in run.variants(images).gradients()]
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
        return [self._weights(a, *powers) for a, powers in zip(run.activations, sums, strict=True)]

    def _noisy(self, images: Tensor) -> Iterator[Tensor]:
        """Batches of noisy copies `(G, N, C, H, W)`, `samples` copies in all."""
        generator = torch.Generator().manual_seed(self.seed)
        flat = images.flatten(1)
        spread = self.std * (flat.amax(1) - flat.amin(1))
        spread = spread.reshape(-1, *[1] * (images.ndim - 1))
        groups = max(1, self.batch_size // len(images))
        for start in range(0, self.samples, groups):
            count = min(groups, self.samples - start)
            # One copy at a time: the noise must not depend on how the copies are batched.
            noise = [torch.randn(images.shape[1:], generator=generator) for _ in range(count)]
            yield images + spread * torch.stack(noise)[:, None].to(images)

    def _weights(self, activation: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        slope = torch.where(second > 0, third / torch.where(second > 0, second, 1.0), 0.0)
        total = as_float64(activation).flatten(2).sum(2, keepdim=True)
        denominator = 2 + total * slope.flatten(2)
        least = GradCAMPlusPlus.NEAR_ZERO
        denominator = denominator.abs().clamp(min=least).copysign(denominator)
        mean = first.flatten(2) / self.samples
        return (mean.relu() / denominator).sum(2).to(activation)


def _powers(gradient: Tensor, groups: int) -> Tensor:
    """The sums over the copies of g, g^2 and g^3, `(3, N, C, h, w)`."""
    slopes = as_float64(gradient).reshape(groups, -1, *gradient.shape[1:])
    return torch.stack([(slopes**power).sum(0) for power in (1, 2, 3)])
