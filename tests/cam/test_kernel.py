"""KPCA-CAM against kernel PCA by loops, and its two ends."""

import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import EigenCAM, EigenGradCAM
from interpviz.cam.kernel import KPCACAM
from interpviz.errors import InputError, ZeroMapWarning


def slow_map(activation: np.ndarray, gamma: float | None) -> np.ndarray:
    """The first kernel component of one image `(C, h, w)`, entry by entry."""
    points = activation.reshape(len(activation), -1).T
    points = points - points.mean(0)
    gamma = 1 / points.shape[1] if gamma is None else gamma
    count = len(points)
    kernel = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            kernel[i, j] = math.tanh(gamma * sum(points[i] * points[j]) + 1)
    centring = np.eye(count) - np.ones((count, count)) / count
    strengths, vectors = np.linalg.eigh(centring @ kernel @ centring)
    component = math.sqrt(strengths[-1]) * vectors[:, -1]
    if component @ points.mean(1) < 0:
        component = -component
    return component.reshape(activation.shape[1:])


@pytest.mark.parametrize("gamma", [None, 0.5])
@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer3"), ("squeezenet1_1", "features.10")]
)
def test_the_map_is_the_first_kernel_component(name, layer, gamma, run_of):
    model = getattr(torchvision.models, name)(num_classes=10).eval()
    cam = KPCACAM(model, layer, gamma=gamma)
    run = run_of(cam, torch.randn(2, 3, 96, 64), None)
    [weighed] = cam._weigh(run)
    found = cam._combine(run.activations[0], weighed).double().numpy()
    for activation, each in zip(run.activations[0].double().numpy(), found, strict=True):
        expected = slow_map(activation, gamma)
        np.testing.assert_allclose(each, expected, atol=1e-4 * np.abs(expected).max())


def test_a_flat_kernel_gives_eigen_cam():
    # tanh(s + 1) is a straight line of slope 1 - tanh(1)^2 for small s.
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
    images = torch.rand(2, 3, 8, 8)
    gamma = 1e-6
    found = KPCACAM(model, "1", gamma=gamma, signed=True)(images, normalize=False)
    expected = EigenCAM(model, "1", signed=True)(images, normalize=False)
    slope = math.sqrt(gamma * (1 - math.tanh(1) ** 2))
    torch.testing.assert_close(found, slope * expected, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e-15])
def test_faint_activations_give_eigen_cam(scale):
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
    images = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        model[0].weight *= scale
        model[0].bias *= scale
    found = KPCACAM(model, "1", signed=True)(images)
    torch.testing.assert_close(found, EigenCAM(model, "1", signed=True)(images))


def test_a_saturated_kernel_sees_directions_alone():
    # With steep kernels tanh is 1 or -1, so a point ten times further out changes nothing.
    values = torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 2, 2)
    far = torch.tensor([10.0, 1.0, -1.0, -10.0]).reshape(1, 1, 2, 2)
    cam = KPCACAM(nn.Sequential(nn.Identity()), "0", gamma=1e4, signed=True)
    torch.testing.assert_close(cam(far), cam(values))
    torch.testing.assert_close(cam(values), values[0])


def test_an_even_layer_has_no_component():
    cam = KPCACAM(nn.Sequential(nn.Identity()), "0")
    with pytest.warns(ZeroMapWarning):
        assert cam(torch.full((1, 3, 6, 6), 0.7), normalize=False).abs().max() == 0


def test_batches_layers_clips_and_targets():
    model = nn.Sequential(nn.Conv3d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, 4, 3))
    clips = torch.rand(3, 3, 4, 8, 8)
    cam = KPCACAM(model, ["1", "2"], signed=True)
    found = cam(clips)
    assert found.shape == (3, 4, 8, 8)
    single = torch.cat([cam(clip[None], lambda output: output.mean()) for clip in clips])
    torch.testing.assert_close(found, single, atol=1e-5, rtol=1e-5)
    for wrong in (0, -1.0, math.nan):
        with pytest.raises(InputError, match="slope of the kernel must be above 0"):
            KPCACAM(model, "1", gamma=wrong)


@pytest.mark.parametrize("method", [EigenCAM, EigenGradCAM, KPCACAM])
def test_a_main_component_is_not_taken_twice(method, pooled_linear):
    with pytest.raises(InputError, match=f"map of {method.__name__} is a main component already"):
        method(pooled_linear(), "after", eigen_smooth=True)
    assert not method(pooled_linear(), "after", eigen_smooth=False).eigen_smooth
