"""The methods that weigh activations by gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from interpviz.cam.base import CAM


class GradCAM(CAM):
    r"""Gradient-weighted class activation map.

    Each channel is weighted by the mean of its gradient, and the weighted sum keeps what speaks
    for the class: `ReLU(sum over k of mean(g_k) * A_k)`, with A_k the layer's channels and g_k the
    gradient of the class score for them.

    Use it when you want the standard map, for any network that classifies.

    Paper: Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations
    from Deep Networks via Gradient-based Localization", ICCV 2017.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> model = resnet18().eval()
        >>> cam = GradCAM(model, "layer4")
        >>> cam(torch.rand(2, 3, 64, 64), targets=7).shape
        torch.Size([2, 64, 64])
    """

    def _combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        weights = gradient.mean((2, 3))
        return torch.einsum("nc,nchw->nhw", weights, activation)


class GradCAMPlusPlus(CAM):
    r"""Grad-CAM++: gradients are weighed position by position, so several objects all show.

    A channel's weight is the sum, over the positions where the gradient g is not zero, of
    `relu(g) / (2 + S * g)`, where S is the sum of the channel's activations. This is equation 19 of
    the paper with g squared cancelled, so it needs no small constant in the denominator and holds
    for gradients of any size. The paper explains the exponential of the score, whose common factor
    leaves each map's shape as it is; it is left out here.

    Where activations can be negative (SiLU, or a layer before its ReLU) S can be negative and
    `2 + S * g` can come near zero; within 0.1 of zero it is set to 0.1 with its sign kept, so that
    no single position takes over the map.

    Use it when several objects of the class are in the picture, or one object shows only in part.

    Paper: Chattopadhay, Sarkar, Howlader and Balasubramanian, "Grad-CAM++: Generalized
    Gradient-based Visual Explanations for Deep Convolutional Networks", WACV 2018.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> model = resnet18().eval()
        >>> cam = GradCAMPlusPlus(model, "layer4")
        >>> cam.generate_cam(torch.rand(1, 3, 64, 64)).shape
        (64, 64)
    """

    NEAR_ZERO = 0.1
    """The least size of the denominator."""

    def _combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        total = activation.sum((2, 3), keepdim=True)
        denominator = 2 + total * gradient
        floor = torch.full_like(denominator, self.NEAR_ZERO).copysign(denominator)
        denominator = torch.where(denominator.abs() < self.NEAR_ZERO, floor, denominator)
        weights = (gradient.relu() / denominator).sum((2, 3))
        return torch.einsum("nc,nchw->nhw", weights, activation)
