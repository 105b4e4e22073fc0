"""The main direction of an image's activations, measured by a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from math import tanh
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn

from interpviz.cam.engine.components import bright_where_active
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.precision import as_float64
from interpviz.cam.engine.run import Run
from interpviz.cam.projection import ComponentCAM
from interpviz.errors import InputError


class KPCACAM(ComponentCAM):
    r"""Eigen-CAM with kernel PCA: the first component of the activations, bent by a kernel.

    The positions of the layer are points x with one coordinate a channel, less their mean. Their
    kernel is the sigmoid, `K(x, y) = tanh(gamma * x . y + 1)`; with the centred matrix of all
    kernels `Kc = J K J`, J = identity - 1/P for P positions, and its largest eigenvalue l with
    eigenvector v, the map is `ReLU(sqrt(l) * v)`. Of the two signs of v the one is taken that
    goes with the mean over channels, as in [`EigenCAM`][interpviz.cam.EigenCAM]; the authors'
    program, which is that of pytorch-grad-cam, leaves the sign to chance. Like Eigen-CAM it asks
    for no class and no gradient.

    For small `gamma` or faint activations the kernel is a straight line and the map that of
    Eigen-CAM; for large ones it saturates, and only the directions of the points count. It is
    computed without the constant tanh(1), which centring takes away, so faint activations lose no
    digits. Time grows with the third power of the number of positions, so it is for late layers.

    Use it when Eigen-CAM is taken over by a few extreme positions.

    Paper: Karmani, Sivakaran, Prasad, Ali, Yang and Tang, "KPCA-CAM: Visual Explainability of Deep
    Computer Vision Models Using Kernel PCA", 2024 (arXiv:2410.00267).

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        gamma: The slope of the kernel, above 0; by default one over the number of channels.
        **options: As for [`CAM`][interpviz.cam.CAM], less `eigen_smooth`.

    Raises:
        InputError: `gamma` is not above 0, or `eigen_smooth` is asked for.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> KPCACAM(resnet18().eval(), "layer4")(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 64, 64])
    """

    asks_for_score: ClassVar[bool] = False

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        gamma: float | None = None,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        if gamma is not None and not gamma > 0:
            raise InputError(f"gamma is {gamma}, but the slope of the kernel must be above 0.")
        self.gamma = gamma

    def _weigh(self, run: Run) -> list[Tensor]:
        return run.activations

    def _add_channels(self, weighed: Tensor) -> Tensor:
        points = as_float64(weighed.flatten(2).transpose(1, 2))
        points = points - points.mean(1, keepdim=True)
        gamma = 1 / points.shape[2] if self.gamma is None else self.gamma
        projected = _first_component(_sigmoid_kernel(gamma * points @ points.transpose(1, 2)))
        return (
            bright_where_active(projected, points)
            .reshape(len(weighed), *weighed.shape[2:])
            .to(weighed)
        )


def _sigmoid_kernel(products: Tensor) -> Tensor:
    """`tanh(s + 1) - tanh(1)` of scaled products s, precise where s is small."""
    bent, at_one = products.tanh(), tanh(1)
    return bent * (1 - at_one**2) / (1 + at_one * bent)


def _first_component(kernel: Tensor) -> Tensor:
    """The first component `(N, P)` of points with the kernels `(N, P, P)`."""
    rows = kernel - kernel.mean(1, keepdim=True)
    strength, vectors = torch.linalg.eigh(rows - rows.mean(2, keepdim=True))
    # Rounding leaves eigenvalues of about this size where there is nothing.
    nothing = kernel.flatten(1).abs().amax(1) * kernel.shape[1] * torch.finfo(kernel.dtype).eps
    largest = torch.where(strength[:, -1] > nothing, strength[:, -1], 0.0)
    projected: Tensor = vectors[..., -1] * largest.sqrt()[:, None]
    return projected
