"""Finer-CAM: its score, its choice of classes, and that the method behind it does the rest."""

from functools import partial

import pytest
import torch
import torchvision

from interpviz.cam import EigenCAM, GradCAM, HiResCAM, LayerCAM
from interpviz.cam.finer import FinerCAM, FinerScore
from interpviz.cam.second_order import ShapleyCAM
from interpviz.cam.smooth import SmoothGradCAMPlusPlus
from interpviz.errors import InputError, TargetError

NETWORKS = {"resnet18": "layer4", "mobilenet_v3_small": "features.9"}


def network(name: str):
    torch.manual_seed(1)
    return getattr(torchvision.models, name)(num_classes=10).eval()


def nearest_classes(logits: torch.Tensor, target: int, count: int) -> list[int]:
    others = [c for c in range(len(logits)) if c != target]
    return sorted(others, key=lambda c: abs(logits[c].item() - logits[target].item()))[:count]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", [GradCAM, HiResCAM, LayerCAM])
def test_it_is_the_method_on_the_difference_of_logits(name, method):
    model, images = network(name), torch.randn(2, 3, 64, 64)
    cam = FinerCAM(model, NETWORKS[name], method=method, against=2, alpha=0.6, signed=True)
    found = cam(images, [4, 7], normalize=False)
    for image, target, each in zip(images, [4, 7], found, strict=True):
        a, b = nearest_classes(model(image[None])[0], target, 2)

        def difference(logits, target=target, a=a, b=b):
            return logits[:, target] - 0.6 * (logits[:, a] + logits[:, b]) / 2

        plain = method(model, NETWORKS[name], signed=True)
        expected = plain(image[None], difference, normalize=False)[0]
        assert expected.abs().max() > 0
        assert (each - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_where_the_head_is_linear_the_signed_map_is_the_difference_of_maps(pooled_linear, images):
    model = pooled_linear(channels=8, classes=5)
    plain = GradCAM(model, "after", signed=True)
    found = FinerCAM(model, "after", against=[2, 3], signed=True)(images, 0, normalize=False)
    maps = [plain(images, c, normalize=False) for c in (0, 2, 3)]
    torch.testing.assert_close(found, maps[0] - (maps[1] + maps[2]) / 2)
    weak = FinerCAM(model, "after", against=[2, 3], alpha=0, signed=True)
    torch.testing.assert_close(weak(images, 0, normalize=False), maps[0])


def test_class_maps_compare_each_class_with_its_own_neighbours(pooled_linear, images):
    model = pooled_linear(channels=8, classes=5)
    cam = FinerCAM(model, "after", against=1, signed=True, categories=list("abcde"))
    found = cam.class_maps(images[0], ["b", "e"], normalize=False)
    assert found.names == ["b", "e"]
    for target, each in zip([1, 4], found.maps, strict=True):
        [rival] = nearest_classes(model(images[:1])[0], target, 1)
        expected = FinerCAM(model, "after", against=[rival], signed=True)
        torch.testing.assert_close(each, expected(images[:1], target, normalize=False)[0])


def test_named_classes_leave_out_the_one_explained(pooled_linear, images, run_of):
    cam = FinerCAM(pooled_linear(), "after", against=["a", "b", "b"], categories=list("abc"))
    target = run_of(cam, images, ["a", "b", 2]).target
    assert target == FinerScore((0, 1, 2), ((1,), (0,), (0, 1)), 1.0)
    names = [target.describe(i, "abc".__getitem__) for i in range(3)]
    assert names == ["a minus b", "b minus a", "c minus the mean of a and b"]
    mixed = run_of(cam, images, [None, "b", 2]).target
    assert mixed.classes[1:] == (1, 2)
    assert FinerScore((0,), ((1,),), 0.5).describe(0, "abc".__getitem__) == "a minus 0.5 times b"


def test_more_neighbours_than_classes_are_all_others(pooled_linear, images, run_of):
    cam = FinerCAM(pooled_linear(), "after", against=99)
    against = run_of(cam, images, 1).target.against
    assert [sorted(each) for each in against] == [[0, 2]] * 3


@pytest.mark.parametrize(
    "method", [partial(SmoothGradCAMPlusPlus, samples=2), ShapleyCAM, partial(LayerCAM)]
)
def test_any_method_with_its_own_options_and_several_layers(method):
    model, images = network("resnet18"), torch.randn(2, 3, 64, 64)
    cam = FinerCAM(model, ["layer3", "layer4"], method=method, fuse="max", signed=True)
    found = cam(images, [1, 2])
    assert found.shape == (2, 64, 64)
    single = torch.cat([cam(images[:1], 1), cam(images[1:], 2)])
    assert (found - single).abs().max() <= 1e-3


def test_it_finds_the_layer_and_takes_clips(pooled_linear, images):
    cam = FinerCAM(pooled_linear(), signed=True)
    cam.generate_cam(images, [0, 1, 2])
    assert cam.target_layers == cam.base.target_layers
    assert cam.target_layers[0] is cam.model.after
    model = torch.nn.Sequential(
        torch.nn.Conv3d(3, 4, 3), torch.nn.Tanh(), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten()
    )
    found = FinerCAM(model, "1", against=2, signed=True)(torch.randn(2, 3, 4, 8, 8))
    assert found.shape == (2, 4, 8, 8)


def test_what_cannot_be_compared(pooled_linear, images):
    model = pooled_linear()
    with pytest.raises(InputError, match="EigenCAM is the same for every class"):
        FinerCAM(model, "after", method=EigenCAM)
    for wrong in (0, [], "tabby"):
        with pytest.raises(InputError, match="how many classes to compare with"):
            FinerCAM(model, "after", against=wrong)
    with pytest.raises(TargetError, match="FinerCAM compares classes"):
        FinerCAM(model, "after")(images, lambda logits: logits[:, 0])
    with pytest.raises(TargetError, match="FinerCAM compares classes"):
        FinerCAM(pooled_linear(classes=1), "after")(images)
    with pytest.raises(TargetError, match="no class to compare class 1 with"):
        FinerCAM(model, "after", against=[1])(images, 1)
    with pytest.raises(TargetError, match="out of range"):
        FinerCAM(model, "after", against=[3])(images, 1)


def test_options_of_the_method_show_in_maps(pooled_linear, images):
    model = pooled_linear()
    expected = FinerCAM(model, "after", against=1, signed=True)
    found = FinerCAM(model, "after", method=partial(GradCAM, signed=True), against=1)
    assert found.signed
    torch.testing.assert_close(found(images, 1), expected(images, 1))
    named = FinerCAM(model, "after", method=partial(GradCAM, categories=list("abc")))
    assert named.class_name(1) == "b"


def test_a_method_by_name(pooled_linear, images):
    model = pooled_linear()
    expected = FinerCAM(model, "after", method=LayerCAM)(images, 1)
    torch.testing.assert_close(FinerCAM(model, "after", method="layer-cam")(images, 1), expected)
    with pytest.raises(InputError, match="There is no method 'layercan'"):
        FinerCAM(model, "after", method="layercan")
