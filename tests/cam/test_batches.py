import pytest
import torch
from torch.nn import functional as F
from torchvision.models import resnet18, vit_b_16

from interpviz.cam import EigenCAM, GradCAM, HiResCAM, LayerCAM
from interpviz.cam.batches import batch_class_maps, reduced
from interpviz.errors import InputError, TargetError


def two(logits):
    return logits.topk(2).indices


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_maps_are_those_of_each_image_alone(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "resnet":
            model, layer, size = resnet18(num_classes=7).eval(), "layer3", 64
        else:
            model = vit_b_16(image_size=64, num_classes=7).eval()
            layer, size = "encoder.layers.encoder_layer_11.ln_1", 64
            torch.nn.init.normal_(model.heads.head.weight)
        images = torch.randn(3, 3, size, size)
    methods = [GradCAM(model, layer), HiResCAM(model, layer), EigenCAM(model, layer)]
    found = batch_class_maps(methods, images, two)
    assert found.maps.shape == (3, 5, size, size)
    assert found.grid == (4, 4)
    for row, image in enumerate(images):
        expected = [
            method.class_maps(image, found.classes[row].tolist(), normalize=False).maps
            for method in methods[:2]
        ]
        expected.append(methods[2](image[None], normalize=False))
        torch.testing.assert_close(found.maps[row], torch.cat(expected), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found.logits, model(images).detach(), rtol=1e-4, atol=1e-4)


def test_methods_of_the_same_layer_share_one_pass(pooled_linear, images):
    model, passes = pooled_linear(), []
    model.conv.register_forward_hook(lambda *_: passes.append(None))
    methods = [GradCAM(model, "conv"), LayerCAM(model, "conv")]
    batch_class_maps(methods, images, two)
    assert len(passes) == 1
    batch_class_maps([methods[0], LayerCAM(model, "after")], images, two)
    assert len(passes) == 3


def test_one_logit_explains_the_predicted_side(pooled_linear, images):
    model = pooled_linear(classes=1)
    found = batch_class_maps([GradCAM(model, "conv")], images, two)
    assert found.classes.tolist() == [[int(v > 0)] for v in model(images)]
    expected = GradCAM(model, "conv")(images, normalize=False)
    torch.testing.assert_close(found.maps[:, 0], expected)


def test_what_it_cannot_explain_is_said(pooled_linear, images):
    with pytest.raises(InputError, match="one model"):
        batch_class_maps([], images, two)
    cams = [GradCAM(pooled_linear(), "conv"), GradCAM(pooled_linear(), "conv")]
    with pytest.raises(InputError, match="one model"):
        batch_class_maps(cams, images, two)
    dense = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    with pytest.raises(TargetError, match="no classes to explain"):
        batch_class_maps([GradCAM(dense, "0")], images, two)


@pytest.mark.parametrize(
    ("small", "large"), [((7, 7), (224, 224)), ((3, 5), (17, 31)), ((4, 4), (4, 4))]
)
def test_reduced_maps_are_those_that_were_enlarged(small, large):
    maps = torch.rand(2, *small)
    enlarged = F.interpolate(maps[None], large, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(reduced(enlarged, small), maps, rtol=1e-4, atol=1e-5)
