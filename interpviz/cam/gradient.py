"""The methods that weigh activations by gradients."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from interpviz.cam.base import CAM
from interpviz.cam.engine.run import Run


class GradientCAM(CAM):
    """A method that weighs each layer by its activation and the score's gradient for it alone."""

    def _weigh(self, run: Run) -> list[Tensor]:
        pairs = zip(run.activations, run.gradients(), strict=True)
        return [self._weigh_layer(activation, gradient) for activation, gradient in pairs]

    @abstractmethod
    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Weigh the channels of one layer.

        Args:
            activation: Tensor `(N, C, h, w)`, float32; of clips `(N, C, t, h, w)`.
            gradient: The score's gradient for it, of the same shape.

        Returns:
            Weights `(N, C)`, or weighed channels of the activation's shape.
        """


class GradCAM(GradientCAM):
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

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:  # noqa: ARG002
        return gradient.flatten(2).mean(2)


class GradCAMPlusPlus(GradientCAM):
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

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        slope = gradient.flatten(2)
        denominator = 2 + activation.flatten(2).sum(2, keepdim=True) * slope
        floor = torch.full_like(denominator, self.NEAR_ZERO).copysign(denominator)
        denominator = torch.where(denominator.abs() < self.NEAR_ZERO, floor, denominator)
        return (slope.relu() / denominator).sum(2)


class HiResCAM(GradientCAM):
    r"""Gradient times activation at every position, with nothing averaged.

    The map is `ReLU(sum over k of g_k * A_k)`, position by position. Where the head behind the
    layer is linear, the sum of the map before its ReLU is the part of the score that the layer
    gives, which Grad-CAM guarantees only for heads that pool by the mean.

    Use it when the map must show nothing but what the network computed with.

    Paper: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks", 2020 (arXiv:2011.08891).

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> HiResCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return activation * gradient


class ElementWiseCAM(GradientCAM):
    r"""Gradient times activation, each product cut at zero before the channels are added.

    The map is `sum over k of ReLU(g_k * A_k)`: evidence for the class, from which no channel's
    evidence against it is subtracted.

    Use it when HiResCAM shows too little, because channels cancel each other out.

    Known from: Gildenblat and contributors, "PyTorch library for CAM methods", 2021.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> ElementWiseCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (activation * gradient).relu()


class XGradCAM(GradientCAM):
    r"""Grad-CAM with weights that add up to the score they explain.

    A channel's weight is its gradient averaged with its own activation:
    `sum of g_k * A_k / sum of A_k`. A channel whose activations add up to zero has the weight 0.

    Use it when weak but spread-out channels should not count as much as strong ones.

    Paper: Fu, Hu, Dong, Guo, Gao and Li, "Axiom-based Grad-CAM: Towards Accurate Visualization and
    Explanation of CNNs", BMVC 2020.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> XGradCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        total = activation.flatten(2).sum(2)
        weighed = (activation * gradient).flatten(2).sum(2)
        return torch.where(total != 0, weighed / torch.where(total != 0, total, 1.0), 0.0)


class LayerCAM(GradientCAM):
    r"""Each position weighted by its own positive gradient.

    The map is `ReLU(sum over k of ReLU(g_k) * A_k)`. It stays sharp at early layers, where one
    weight for a whole channel means little.

    Use it when you want fine maps, at early layers or fused over several.

    Paper: Jiang, Zhang, Hou, Cheng and Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps
    for Localization", IEEE Transactions on Image Processing 2021.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> LayerCAM(resnet18().eval(), ["layer3", "layer4"])(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return activation * gradient.relu()
