"""Each method against a slow, readable loop over its formula in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from interpviz.cam import (
    CAM,
    EigenCAM,
    EigenGradCAM,
    ElementWiseCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
    methods,
)
from interpviz.cam.engine.components import main_component
from interpviz.errors import InputError


def loop(formula):
    """Apply a formula of one channel's activations and gradients and add the channels up."""

    def reference(activation, gradient):
        return [
            sum(formula(a, g) for a, g in zip(image, slopes, strict=True))
            for image, slopes in zip(activation, gradient, strict=True)
        ]

    return reference


def eigen(product):
    def reference(activation, gradient):
        maps = []
        for image, slopes in zip(activation, gradient, strict=True):
            values = product(image, slopes)
            positions = values.reshape(len(values), -1).T
            centred = positions - positions.mean(0)
            _, _, right = np.linalg.svd(centred, full_matrices=False)
            projected = centred @ right[0]
            if projected @ centred.mean(1) < 0:
                projected = -projected
            maps.append(projected.reshape(values.shape[1:]))
        return maps

    return reference


REFERENCES = {
    GradCAM: loop(lambda a, g: g.mean() * a),
    HiResCAM: loop(lambda a, g: g * a),
    ElementWiseCAM: loop(lambda a, g: np.maximum(g * a, 0)),
    XGradCAM: loop(lambda a, g: (g * a).sum() / a.sum() * a if a.sum() else 0 * a),
    LayerCAM: loop(lambda a, g: np.maximum(g, 0) * a),
    EigenCAM: eigen(lambda a, _: a),
    EigenGradCAM: eigen(lambda a, g: g * a),
}


@pytest.mark.parametrize("method", REFERENCES)
@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer3"), ("vgg11", "features.15"), ("mobilenet_v3_small", "features.9")],
)
def test_a_method_equals_its_formula(method, name, layer, run_of):
    model = getattr(torchvision.models, name)(weights=None, num_classes=6).eval()
    images = torch.randn(2, 3, 96, 128)
    cam = method(model, layer)
    run = replace(run_of(cam, images, 2), again=True)
    [activation], [gradient], [weights] = run.activations, run.gradients(), cam._weigh(run)
    found = cam._combine(activation, weights).relu().double()
    expected = REFERENCES[method](activation.double().numpy(), gradient.double().numpy())
    expected = torch.from_numpy(np.stack(expected)).relu()
    assert expected.max() > 0
    # Where activations can be negative XGradCAM divides by sums that nearly cancel out.
    error = 1e-4 if method is XGradCAM and activation.min() < 0 else 1e-5
    assert (found - expected).abs().max() <= error * expected.max()


@pytest.mark.parametrize("name", methods())
def test_every_method_by_its_name(name, pooled_linear, images):
    model = pooled_linear(channels=16)
    with torch.no_grad():
        model.head.weight.abs_()
    if not CAM.from_name(name).explains(model):
        pytest.skip("not for networks without attention")
    # Of a class and its twin each map may lie below zero everywhere.
    cam = CAM.from_name(name)(model, "after", signed=name == "finercam")
    maps = cam(images, 1)
    assert maps.shape == (3, 8, 8)
    assert maps.flatten(1).abs().amax(1).tolist() == pytest.approx([1, 1, 1])
    single = torch.cat([cam(image[None], 1) for image in images])
    torch.testing.assert_close(maps, single, atol=1e-5, rtol=1e-5)


def test_names_are_found_however_they_are_written():
    for name in ("gradcam++", "Grad-CAM++", "GradCAMPlusPlus", "grad_cam_plus_plus"):
        assert CAM.from_name(name) is GradCAMPlusPlus
    with pytest.raises(InputError, match=r"no method 'hirescan'.*'hirescam'"):
        CAM.from_name("hirescan")
    with pytest.raises(InputError, match="no method None"):
        CAM.from_name(None)


def test_a_channel_that_adds_up_to_zero_has_no_weight():
    activation = torch.tensor([[[[1.0, -1.0]]]])
    gradient = torch.ones_like(activation)
    assert XGradCAM._weigh_layer(None, activation, gradient).tolist() == [[0.0]]


def test_an_even_layer_has_no_main_component():
    found = main_component(torch.ones(1, 3, 2, 2))
    torch.testing.assert_close(found, torch.zeros(1, 2, 2))


def test_hirescam_is_the_score_where_the_head_is_linear(pooled_linear, images, run_of):
    model = pooled_linear()
    cam = HiResCAM(model, "after")
    [products] = cam._weigh(run_of(cam, images, 1))
    total = products.sum((1, 2, 3))
    expected = model(images)[:, 1] - model.head.bias[1]
    torch.testing.assert_close(total, expected.detach())
