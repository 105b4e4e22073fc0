"""What a model may be called with, and how it may be compiled."""

import threading

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import EigenCAM, GradCAM
from interpviz.errors import InputError, LayerError


class Two(nn.Module):
    """Takes a picture and a number an image, by position or keyword."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.offset = nn.Linear(2, 3)

    def forward(self, pixels, extra, *, gain=1.0):
        return self.inner(pixels) * gain + self.offset(extra)


@pytest.fixture
def two(pooled_linear):
    return Two(pooled_linear()).eval()


@pytest.fixture
def extra():
    return torch.rand(3, 2)


def test_several_inputs_by_position_and_by_keyword(two, images, extra):
    expected = GradCAM(two.inner, "conv")(images, 1, normalize=False)
    cam = GradCAM(two, "inner.conv")
    for given in (
        (images, extra),
        {"pixels": images, "extra": extra},
        {"extra": extra, "pixels": images},
        {"extra": extra.double(), "gain": 1.0, "pixels": images.double()},
    ):
        torch.testing.assert_close(cam(given, 1, normalize=False), expected)
    doubled = cam({"pixels": images, "extra": extra, "gain": 2.0}, 1, normalize=False)
    torch.testing.assert_close(doubled, 2 * expected)


def test_the_layer_is_found_with_several_inputs(two, images, extra):
    cam = GradCAM(two)
    cam((images, extra), 1)
    assert cam.target_layers == [two.inner.after]


def test_other_inputs_follow_the_images_of_the_batch(two, images, extra):
    """The row of each image goes with it into every copy that smoothing makes."""
    cam = GradCAM(two, "inner.conv", augment=True)
    # A target in which the other input weighs in, so that a mixed-up row shows.
    together = cam((images, extra), lambda logits: logits[:, 1] ** 2, normalize=False)
    single = [
        cam((images[i : i + 1], extra[i : i + 1]), lambda y: y[:, 1] ** 2, normalize=False)
        for i in range(3)
    ]
    torch.testing.assert_close(together, torch.cat(single))


def test_pictures_of_several_inputs(two, images, extra):
    cam = GradCAM(two, "inner.conv")
    one = (images[:1], extra[:1])
    assert cam.visualize_cam(one, 1).shape == (8, 8, 3)
    assert cam.generate_cam({"pixels": images[:1], "extra": extra[:1]}, 1).shape == (8, 8)
    assert len(cam.class_maps(one, [0, 2]).maps) == 2
    with pytest.raises(InputError, match="There are 3 images"):
        cam.class_maps((images, extra), [0])


def test_inputs_without_images(two, extra):
    with pytest.raises(InputError, match="None of the model's inputs is"):
        GradCAM(two, "inner.conv")((extra, extra), 1)


def test_a_list_of_images_for_a_model_that_takes_one(pooled_linear, images):
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = pooled_linear()

        def forward(self, pictures):
            assert isinstance(pictures, list)
            return self.inner(torch.stack(pictures))

    model = Detector().eval()
    expected = GradCAM(model.inner, "conv")(images, 1)
    torch.testing.assert_close(GradCAM(model, "inner.conv")(list(images), 1), expected)
    with pytest.raises(InputError, match="of one size"):
        GradCAM(model, "inner.conv")([images[0], images[0, :, :4]], 1)


def test_a_layer_that_returns_a_dictionary():
    backbone = torchvision.models.resnet18(weights=None)
    part = torchvision.models._utils.IntermediateLayerGetter(backbone, {"layer4": "out"})

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = part
            self.fc = nn.Linear(512, 3)

        def forward(self, x):
            return self.fc(self.backbone(x)["out"].mean((2, 3)))

    model, images = Model().eval(), torch.randn(2, 3, 64, 64)
    expected = GradCAM(model, "backbone.layer4")(images, 1, normalize=False)
    found = GradCAM(model, "backbone")(images, 1, normalize=False)
    torch.testing.assert_close(found, expected)


def test_a_method_without_scores_needs_no_classes(images):
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    assert EigenCAM(trunk, "1")(images).shape == (3, 8, 8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_compiled_in_place_are_explained(pooled_linear, images):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 1)
    model.compile(backend="eager")
    model(images)
    torch.testing.assert_close(GradCAM(model, "conv")(images, 1), expected)
    assert model._compiled_call_impl is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_part_of_a_model_is_explained(pooled_linear, images):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 1)
    wrapper = nn.Sequential(torch.compile(model, backend="eager"))
    wrapper(images)
    torch.testing.assert_close(GradCAM(wrapper, model.conv)(images, 1), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_threads_leave_compiled_models_compiled(pooled_linear, images):
    stance = torch._dynamo.eval_frame._stance
    model = pooled_linear()
    model.compile(backend="eager")
    cam = GradCAM(model, "conv")
    expected = cam(images, 1)
    wrong = []

    def work():
        for _ in range(15):
            if not torch.equal(cam(images, 1), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert torch._dynamo.eval_frame._stance == stance


def test_a_layer_that_returns_several_grids():
    class Pyramid(nn.Module):
        def forward(self, x):
            return {"0": x, "1": x[..., ::2, ::2]}

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.pyramid = Pyramid()

        def forward(self, x):
            return self.pyramid(x)["1"].mean((2, 3))

    with pytest.raises(LayerError, match="'pyramid' returns 2 grids: name the layer inside"):
        GradCAM(Model(), "pyramid")(torch.rand(1, 3, 8, 8), 0)


def test_a_model_made_in_inference_mode():
    with torch.inference_mode():
        model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match=r"made inside torch\.inference_mode"):
        GradCAM(model, "0")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_scripted_model(images):
    model = torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1)))
    with pytest.raises(LayerError, match=r"'0' is scripted.*pass the original model"):
        GradCAM(model, "0")(images, 0)


def test_pictures_of_clips_are_refused():
    model = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    cam = GradCAM(model, "0")
    for draw in (cam.visualize_cam, cam.plot_classes):
        with pytest.raises(InputError, match=r"a clip of several frames.*cam\.video"):
            draw(torch.rand(1, 3, 4, 8, 8))


def test_the_padding_of_a_detector_is_not_part_of_the_map():
    """A detector pads pictures to a multiple of 32; the map is of the picture alone."""

    class Backbone(nn.Module):
        out_channels = 4

        def __init__(self):
            super().__init__()
            self.same = nn.Conv2d(3, 4, 1, bias=False)
            nn.init.ones_(self.same.weight)

        def forward(self, x):
            return self.same(x)

    anchors = torchvision.models.detection.anchor_utils.AnchorGenerator(((8,),), ((1.0,),))
    model = torchvision.models.detection.RetinaNet(
        Backbone(), 2, min_size=64, max_size=200, anchor_generator=anchors
    ).eval()
    image = torch.zeros(3, 64, 68)
    image[:, 20:40, 50:66] = 1
    found = EigenCAM(model, "backbone.same")([image])
    assert found.shape == (1, 64, 68)
    columns = torch.arange(68)
    centre = (found[0].sum(0) * columns).sum() / found.sum()
    assert centre.item() == pytest.approx(57.5, abs=0.6)
