"""The methods that project activations on their own main direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.components import main_component
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.run import Run
from interpviz.cam.gradient import GradientCAM
from interpviz.errors import InputError


class ComponentCAM(CAM):
    """A method whose map is the main component of channels already.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        **options: As for [`CAM`][interpviz.cam.CAM], less `eigen_smooth`.

    Raises:
        InputError: `eigen_smooth` is asked for.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        **options: Unpack[CAMOptions],
    ) -> None:
        if options.get("eigen_smooth"):
            raise InputError(
                f"The map of {type(self).__name__} is a main component already, so `eigen_smooth` "
                "would change nothing: leave it out."
            )
        super().__init__(model, target_layer, **options)


class EigenCAM(ComponentCAM):
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

    asks_for_score: ClassVar[bool] = False

    def _weigh(self, run: Run) -> list[Tensor]:
        return run.activations

    def _add_channels(self, weighed: Tensor) -> Tensor:
        return main_component(weighed)


class EigenGradCAM(ComponentCAM, GradientCAM):
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

    def _weigh_layer(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return activation * gradient

    def _add_channels(self, weighed: Tensor) -> Tensor:
        return main_component(weighed)
