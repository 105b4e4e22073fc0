"""Maps against captum's, and against the papers' formulas in float64."""

import pytest
import torch
import torchvision
from captum.attr import LayerGradCam
from torch import nn

from interpviz.cam import GradCAM, GradCAMPlusPlus, get_target_layer

ARCHITECTURES = {
    "resnet18": "layer4",
    "vgg11": "features.19",
    "mobilenet_v3_small": "features.12",
    "densenet121": "features",
    "efficientnet_b0": "features",
    "convnext_tiny": "features",
    "shufflenet_v2_x0_5": "conv5",
}


def network(name: str) -> nn.Module:
    return getattr(torchvision.models, name)(weights=None, num_classes=10).eval()


def strongest(model: nn.Module, layer: nn.Module, image: torch.Tensor) -> int:
    """A class whose map is not zero: untrained networks have some that are."""
    cam = GradCAM(model, layer)
    tops = [cam(image[:1], c, normalize=False).max().item() for c in range(3)]
    return max(range(3), key=tops.__getitem__)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.filterwarnings("ignore::interpviz.errors.ZeroMapWarning")
def test_grad_cam_equals_captum(name):
    model = network(name)
    layer = get_target_layer(model, ARCHITECTURES[name])
    images = torch.randn(2, 3, 96, 96)
    target = strongest(model, layer, images)
    found = GradCAM(model, layer)(images, target, normalize=False)
    small = LayerGradCam(model, layer).attribute(images, target, relu_attributions=True)
    expected = nn.functional.interpolate(small, size=(96, 96), mode="bilinear")[:, 0].detach()
    assert expected.max() > 0
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def paper_plus_plus(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Equation 19 and 5 of the paper as they stand, position by position, in float64."""
    a, g = activation.double(), gradient.double()
    peak = g.abs().amax((1, 2, 3), keepdim=True)
    maps = []
    for image in range(len(a)):
        total = torch.zeros_like(a[image, 0])
        for k in range(a.shape[1]):
            g_k, a_k = g[image, k], a[image, k]
            # Squares and cubes of a tiny gradient would underflow; alpha keeps its value when
            # numerator and denominator are divided by the peak's square.
            h = g_k / peak[image, 0]
            below = 2 * h**2 + a_k.sum() * g_k * h**2
            alpha = torch.where(h != 0, h**2 / torch.where(h != 0, below, 1.0), 0.0)
            total += (alpha * g_k.relu()).sum() * a_k
        maps.append(total.relu())
    return torch.stack(maps)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e4])
@pytest.mark.parametrize("name", ["resnet18", "vgg11", "mobilenet_v3_small"])
@pytest.mark.filterwarnings("ignore::interpviz.errors.ZeroMapWarning")
def test_grad_cam_plus_plus_equals_the_paper(name, scale, run_of):
    model = network(name)
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        head.weight *= scale
        head.bias *= scale
    layer = get_target_layer(model, ARCHITECTURES[name])
    images = torch.randn(2, 3, 64, 64)
    cam = GradCAMPlusPlus(model, layer)
    run = run_of(cam, images, 1)
    [activation], [gradient] = run.activations, run.gradients()
    danger = (2 + activation.sum((2, 3), keepdim=True) * gradient).abs() < 0.1
    assert not (danger & (gradient > 0)).any()
    found = cam._combine(activation, cam._weigh_layer(activation, gradient)).relu()
    expected = paper_plus_plus(activation, gradient)
    assert (found - expected).abs().max() <= 1e-5 * expected.max()
    assert cam(images, 1).flatten(1).amax(1).tolist() == [1, 1]


def test_grad_cam_plus_plus_with_negative_activations_equals_the_paper(pooled_linear, run_of):
    model = pooled_linear(channels=16, after=nn.SiLU())
    image = torch.randn(1, 3, 16, 16)
    cam = GradCAMPlusPlus(model, "conv")
    run = run_of(cam, image, 1)
    [activation], [gradient] = run.activations, run.gradients()
    assert activation.min() < 0
    denominator = 2 + activation.sum((2, 3), keepdim=True) * gradient
    safe = ((denominator.abs() > 0.1) | (gradient <= 0)).all(-1).all(-1)[0]
    activation, gradient = activation[:, safe], gradient[:, safe]
    found = cam._combine(activation, cam._weigh_layer(activation, gradient)).relu()
    expected = paper_plus_plus(activation, gradient)
    assert (found - expected).abs().max() <= 1e-5 * expected.max()
