"""Each library's Grad-CAM as one function from images to maps, and the floor below all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.cam import CAM

CLASS = 7
Explain = Callable[[Tensor], Tensor]
ToGrid = Callable[[Tensor], Tensor]


def network(name: str, device: str = "cpu") -> nn.Module:
    """A torchvision model with random weights, and a class whose map is not zero."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        # The last layer of a fresh vision transformer is zero.
        head.weight.normal_(std=0.02)
        head.weight[CLASS].abs_()
    return model.to(device)


def patches_as_grid(tokens: Tensor) -> Tensor:
    """The tokens of a vision transformer behind its class token, as a square grid."""
    side = int((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))


def floor(model: nn.Module, layer: nn.Module, grid: ToGrid | None) -> Explain:
    """The hand-written least: trunk without a graph, head, one gradient, one interpolation."""

    def explain(images: Tensor) -> Tensor:
        kept = []

        def keep(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            torch.set_grad_enabled(True)
            kept.append(output.detach().requires_grad_())
            return kept[0].clone()

        handle = layer.register_forward_hook(keep)
        with torch.no_grad():
            scores = model(images)[:, CLASS]
        handle.remove()
        with torch.enable_grad():
            [gradient] = torch.autograd.grad(scores, kept, torch.ones_like(scores))
        activation = kept[0].detach()
        if grid is not None:
            activation, gradient = grid(activation), grid(gradient)
        maps = torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), activation).relu()
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear")[:, 0]

    return explain


def forward(model: nn.Module, _layer: nn.Module, _grid: ToGrid | None) -> Explain:
    """A plain forward pass, which explains nothing: the measure of memory."""

    def explain(images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(images)

    return explain


def captum(model: nn.Module, layer: nn.Module, _grid: ToGrid | None) -> Explain:
    """Captum's LayerGradCam, enlarged."""
    from captum.attr import LayerGradCam

    method = LayerGradCam(model, layer)

    def explain(images: Tensor) -> Tensor:
        maps = method.attribute(images, CLASS, relu_attributions=True).detach()
        return F.interpolate(maps, images.shape[-2:], mode="bilinear")[:, 0]

    return explain


def torchcam(model: nn.Module, layer: nn.Module, _grid: ToGrid | None) -> Explain:
    """torch-cam's GradCAM, enlarged."""
    from torchcam.methods import GradCAM as TorchCAM

    def explain(images: Tensor) -> Tensor:
        with TorchCAM(model, layer) as method:
            maps = method([CLASS] * len(images), model(images))[0]
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear")[:, 0].detach()

    return explain


def grad_cam(model: nn.Module, layer: nn.Module, grid: ToGrid | None) -> Explain:
    """pytorch-grad-cam's GradCAM."""
    from pytorch_grad_cam import GradCAM as PytorchGradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def explain(images: Tensor) -> Tensor:
        with PytorchGradCAM(model, [layer], reshape_transform=grid) as method:
            return torch.from_numpy(method(images, [ClassifierOutputTarget(CLASS)] * len(images)))

    return explain


def interpviz(method: str) -> Callable[[nn.Module, nn.Module, ToGrid | None], Explain]:
    """A method of this library, which finds the grid by itself."""

    def make(model: nn.Module, layer: nn.Module, _grid: ToGrid | None) -> Explain:
        cam = CAM.from_name(method)(model, layer)
        return lambda images: cam(images, CLASS, normalize=False)

    return make


LIBRARIES = {
    "floor": floor,
    "floor again": floor,
    "plain forward": forward,
    "interpviz": interpviz("gradcam"),
    "captum": captum,
    "torchcam": torchcam,
    "grad-cam": grad_cam,
}
# Neither makes a grid of tokens: captum takes them for channels, torchcam refuses.
WITHOUT_TOKENS = ("captum", "torchcam")

ONE_GRADIENT = ["gradcam", "gradcam++", "hirescam", "elementwisecam", "xgradcam", "layercam"]
METHODS = {
    "floor": floor,
    "floor again": floor,
    "plain forward": forward,
    **{name: interpviz(name) for name in ONE_GRADIENT},
}
