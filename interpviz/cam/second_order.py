"""Grad-CAM with the curvature of the score taken into account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from interpviz.cam.base import CAM
from interpviz.cam.engine.grids import as_grid
from interpviz.cam.engine.inputs import Inputs
from interpviz.cam.engine.run import Run
from interpviz.cam.maps import Scale
from interpviz.cam.targets.categories import Classes, class_label
from interpviz.cam.targets.kinds import at_least_float32
from interpviz.cam.targets.of_classes import OfClasses, pick
from interpviz.errors import GradientError


class ShapleyCAM(CAM):
    r"""Grad-CAM with a second-order term, from the Shapley values of the layer's activations.

    The weight of a channel is the mean of `g_k - 1/2 * (H A)_k` over positions, with g the score's
    gradient at the activations A and H its Hessian; the map is
    `ReLU(sum over k of w_k * A_k)`. The Shapley value of an activation in a game whose players are
    the activations, present or set to zero, is `A * (g - 1/2 * H A)` exactly where the score is
    quadratic in them, and these values add up to the score minus the score of zeros. H is never
    formed: H A is one more pass backward through the part of the model behind the layer.

    Where that part is affine, or piecewise linear as with ReLU and max pooling, H is zero for a
    logit, and the map is that of Grad-CAM: so it is at the last layer of most CNNs. The paper
    therefore explains the class by [`ResidualSoftmaxScore`][interpviz.cam.ResidualSoftmaxScore],
    which is curved: pass it as `targets`. Here the target stays what the caller says, as with
    every other method.

    An operation of the model's own that PyTorch was told to differentiate only once
    (`once_differentiable`) adds nothing to H, as if it were affine.

    pytorch-grad-cam differentiates through the whole model, from the image on, which takes the
    memory of training; here the graph begins at the layer.

    Use it when the part behind the layer is far from linear, as in transformers and networks with
    smooth activations, or with `ResidualSoftmaxScore()` on any network.

    Paper: Cai, "CAMs as Shapley Value-based Explainers", The Visual Computer 2025
    (arXiv:2501.06261).

    Raises:
        GradientError: An operation behind the layer cannot be differentiated twice.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> cam = ShapleyCAM(resnet18().eval(), "layer4")
        >>> cam(torch.rand(2, 3, 64, 64), ResidualSoftmaxScore()).shape
        torch.Size([2, 64, 64])
    """

    def _run(self, inputs: Inputs) -> Run:
        # The fused attention kernels have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            return super()._run(inputs)

    def _maps(self, run: Run, scale: Scale) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return super()._maps(run, scale)

    def _weigh(self, run: Run) -> list[Tensor]:
        trace = run.trace
        gradients = trace.gradients(run.score, again=run.again, differentiable=True)
        weights = []
        for gradient, kept, name in zip(gradients, trace.activations, trace.names, strict=True):
            curved = _hessian_times(gradient, kept, name)
            slope = as_grid(gradient.detach() - 0.5 * curved, name, run.layout)
            weights.append(slope.flatten(2).mean(2))
        return weights


def _hessian_times(gradient: Tensor, activation: Tensor, name: str) -> Tensor:
    """The Hessian of the score times the activation; zero where the gradient is constant."""
    with torch.enable_grad():
        along = (gradient * activation.detach()).sum()
    if not along.requires_grad:
        return torch.zeros_like(gradient)
    try:
        [found] = torch.autograd.grad(along, activation, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        # PyTorch says the one, the operations of torchvision the other.
        if not any(words in str(error) for words in ("not implemented", "not supported")):
            raise
        raise GradientError(
            f"An operation behind layer '{name}' cannot be differentiated twice, which ShapleyCAM "
            "needs: pick a later layer, or use GradCAM."
        ) from error
    return torch.zeros_like(gradient) if found is None else found


@dataclass(frozen=True)
class ResidualSoftmaxScore(OfClasses):
    """The logit of a class plus the logarithm of its probability: `z_c + log p_c`.

    Use it with ShapleyCAM, and where the logit misses that a rival class grows as well while the
    probability fades because the model is sure. It is the "residual softmax target-class" (ReST)
    score; its gradient for the logits is `2 * e_c - p`.

    Paper: Cai, "CAMs as Shapley Value-based Explainers", The Visual Computer 2025
    (arXiv:2501.06261).

    Args:
        classes: A class index or name for all images, a list of one an image, or None for the
            predicted ones.

    Examples:
        >>> import torch
        >>> ResidualSoftmaxScore(1)(torch.tensor([[0.0, 99.0], [0.0, 0.0]]))
        tensor([99.0000, -0.6931])
    """

    classes: Classes = None
    reads: ClassVar[str] = "a softmax"

    def __call__(self, logits: Tensor) -> Tensor:
        """The score of each image's class.

        Args:
            logits: Tensor `(N, classes)`.

        Returns:
            Tensor `(N,)`, float32, or float64 as the logits.
        """
        columns, classes = self._read(logits)
        columns = at_least_float32(columns)
        return pick(columns + columns.log_softmax(1), classes)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "the residual softmax score of tabby"."""
        return f"the residual softmax score of {class_label(self.classes, image, class_name)}"
