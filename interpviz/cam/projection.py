"""The methods that project activations on their own main direction."""

from __future__ import annotations

import torch
from torch import Tensor

from interpviz.cam.base import CAM


def main_component(values: Tensor) -> Tensor:
    """Project each position's channels on the first principal component of the image.

    A component has no sign of its own. Of the two, the one is taken whose projection goes with the
    mean over channels: bright is where the layer is active.

    Args:
        values: Tensor `(N, C, h, w)`.

    Returns:
        Tensor `(N, h, w)`, of mean zero in each image.
    """
    # Apple's devices have neither float64 nor this decomposition; the matrices are small.
    place = torch.device("cpu") if values.device.type == "mps" else values.device
    positions = values.flatten(2).transpose(1, 2).to(place, torch.float64)
    centred = positions - positions.mean(1, keepdim=True)
    # The smaller of the two Gram matrices has the same first singular vector.
    if centred.shape[1] <= centred.shape[2]:
        strength, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))
        projected = vectors[..., -1] * strength[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
        projected = (centred @ vectors[..., -1:])[..., 0]
    together = (projected * centred.mean(2)).sum(1, keepdim=True)
    projected = torch.where(together < 0, -projected, projected)
    return projected.reshape(len(values), *values.shape[2:]).to(values)


class EigenCAM(CAM):
    r"""The first principal component of the activations: what the layer mostly shows.

    The map is `ReLU((A - mean of A) v)`, with v the first right singular vector of the centred
    matrix of positions and channels. It asks for no class and no gradient, so it is the same for
    every target.

    Use it when you want to see what a layer responds to at all, or have no score to differentiate.

    Paper: Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN
    2020.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> EigenCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _combine(self, activation: Tensor, gradient: Tensor) -> Tensor:  # noqa: ARG002
        return main_component(activation)


class EigenGradCAM(CAM):
    r"""The first principal component of gradient times activation.

    The map is `ReLU((P - mean of P) v)` with `P_k = g_k * A_k` and v its first right singular
    vector: Eigen-CAM of HiResCAM's products, so it depends on the class.

    Use it when HiResCAM is right but noisy.

    Known from: Gildenblat and contributors, "PyTorch library for CAM methods", 2021.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> EigenGradCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return main_component(activation * gradient)
