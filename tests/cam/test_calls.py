"""What a user passes and what comes back: targets, shapes, pictures, messages."""

import warnings

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from interpviz.cam import ClassScore, GradCAM, GradCAMPlusPlus
from interpviz.cam.maps import percent
from interpviz.errors import (
    AspectRatioWarning,
    InputError,
    LayerError,
    TargetError,
    ZeroMapWarning,
)

NAMES = ["tabby", "tiger cat", "Egyptian cat"]


@pytest.fixture
def cam(pooled_linear):
    model = pooled_linear(classes=3)
    with torch.no_grad():
        model.head.weight.abs_()
        model.head.weight += torch.eye(3, 4)
    return GradCAM(model, "after", categories=NAMES)


def test_shapes_types_and_range(cam, images):
    maps = cam(images)
    assert maps.shape == (3, 8, 8)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert maps.flatten(1).amax(1).tolist() == [1, 1, 1]
    raw = cam(images, normalize=False)
    torch.testing.assert_close(raw / raw.flatten(1).amax(1)[:, None, None], maps)


@pytest.mark.parametrize(
    "targets",
    [
        [2, 0, 1],
        (2, 0, 1),
        torch.tensor([2, 0, 1]),
        np.array([2, 0, 1]),
        ["Egyptian cat", "tabby", "TIGER CAT"],
        ["egyptian cat", 0, np.int64(1)],
        ClassScore((2, 0, 1)),
        lambda logits: logits[[0, 1, 2], [2, 0, 1]],
    ],
    ids=["list", "tuple", "tensor", "array", "names", "mixed", "target", "function"],
)
def test_a_target_an_image(cam, images, targets):
    expected = torch.cat([cam(images[i : i + 1], t) for i, t in enumerate((2, 0, 1))])
    torch.testing.assert_close(cam(images, targets), expected)


def test_one_target_for_all_and_the_prediction(cam, images):
    for target in (1, "tiger cat", np.int32(1), torch.tensor(1)):
        torch.testing.assert_close(cam(images, target), cam(images, [1, 1, 1]))
    predicted = cam.model(images).argmax(1).tolist()
    torch.testing.assert_close(cam(images), cam(images, predicted))


def test_names_come_from_the_model(pooled_linear, images):
    model = pooled_linear()
    model.categories = NAMES
    assert GradCAM(model).categories == NAMES
    del model.categories
    model.config = type("Config", (), {"id2label": {2: "c", 0: "a", 1: "b"}})()
    assert GradCAM(model).categories == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (3, "Class 3 is out of range: .* 3 classes, 0 to 2"),
        (-1, "Class -1 is out of range"),
        ([0, 1], "There are 2 targets for 3 images"),
        ([], "There are 0 targets for 3 images"),
        ("tigercat", "There is no class 'tigercat'.*'tiger cat'"),
        ([0.5, 1, 2], "a function of the logits, but this one is 0.5"),
        ([True, 1, 2], "but this one is True"),
        (1.5, "but this one is 1.5"),
        (lambda logits: logits, r"returned \(3, 3\) for 3 images"),
        (lambda logits: 7, "returned int for 3 images"),
    ],
)
def test_targets_that_do_not_exist(cam, images, targets, message):
    with pytest.raises(TargetError, match=message):
        cam(images, targets)


def test_names_that_differ_in_case_alone(pooled_linear, images):
    cam = GradCAM(pooled_linear(classes=4), "conv", categories=["Cardigan", "cardigan", "x", "x"])
    for name, index in (("Cardigan", 0), ("cardigan", 1)):
        assert cam.class_maps(images[0], [name]).classes == [index]
    for name, listed in (("CARDIGAN", "0, 1"), ("x", "2, 3")):
        with pytest.raises(TargetError, match=f"Several classes are called '{name}'.*{listed}"):
            cam(images, name)


@pytest.mark.parametrize("names", ["cat", {0: "cat"}, [1, 2, 3]])
def test_categories_that_are_no_names(pooled_linear, names):
    with pytest.raises(InputError, match="must be a list of names"):
        GradCAM(pooled_linear(), "conv", categories=names)


def test_more_names_than_classes(pooled_linear, images):
    cam = GradCAM(pooled_linear(), "conv", categories=[f"n{i}" for i in range(9)])
    with pytest.raises(TargetError, match="Class 7 is out of range"):
        cam(images, "n7")
    with pytest.raises(TargetError, match="do not fit an output"):
        cam(images, ClassScore((0, 1, 9)))


def test_a_name_without_names(pooled_linear, images):
    with pytest.raises(TargetError, match="no class names, so 'cat' means nothing"):
        GradCAM(pooled_linear(), "after")(images, "cat")


def test_an_output_that_is_no_list_of_classes(images):
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    with pytest.raises(TargetError, match=r"\(3, 2, 8, 8\), not \(batch, classes\)"):
        GradCAM(model, "1")(images)
    with pytest.raises(TargetError, match="no list of classes"):
        GradCAM(model, "1").class_maps(images[0])
    model[2].weight.data.abs_()
    assert GradCAM(model, "1")(images, lambda y: y[:, 0].sum((1, 2))).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((1, 3, 8, 8), np.float32), "are a ndarray, not a tensor"),
        (torch.zeros(1, 3, 8, 8, 8, 8), "pass a batch of images"),
        (torch.zeros(3, 8, 8), r"shape \(3, 8, 8\), not \(batch"),
        (torch.zeros(0, 3, 8, 8), r"shape \(0, 3, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.full((2, 3, 8, 8), torch.nan), r"Image 0 has NaN or infinite values \(2 of 2"),
        (torch.full((1, 3, 8, 8), torch.inf), "NaN or infinite"),
    ],
)
def test_images_that_cannot_be_used(cam, bad, message):
    with pytest.raises(InputError, match=message):
        cam(bad)


def test_an_output_without_a_tensor(pooled_linear, images):
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            self.layer(x)
            return "cat"

    with pytest.raises(InputError, match="returns str, in which there is no tensor"):
        GradCAM(Text(), "layer")(images)


def test_a_layer_that_returns_no_tensor(pooled_linear, images):
    class Shape(nn.Module):
        def forward(self, x):
            return x.shape, x

    class Out(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Shape()

        def forward(self, x):
            return self.part(x)[1]

    with pytest.raises(LayerError, match=r"'after\.part' returns tuple, not a tensor"):
        GradCAM(pooled_linear(after=Out()), "after.part")(images)


def test_a_zero_map_warns_with_layer_and_class(cam, images):
    with torch.no_grad():
        cam.model.head.weight[1] = -1
    with pytest.warns(ZeroMapWarning, match=r"class 1 \(tiger cat\) at layer 'after'.*#cam-is-all"):
        maps = cam(images[:1], 1)
    assert maps.eq(0).all()
    with pytest.warns(ZeroMapWarning, match=r"image 1 .*\(1 of 3 maps are\)"):
        cam(images, [0, 1, 0])


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 4),
    height=st.integers(4, 20),
    width=st.integers(4, 20),
    method=st.sampled_from([GradCAM, GradCAMPlusPlus]),
    seed=st.integers(0, 99),
)
def test_a_batch_is_its_images_one_by_one(batch, height, width, method, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )
    pictures = torch.rand(batch, 3, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroMapWarning)
        whole = method(model, "0")(pictures)
        single = torch.cat([method(model, "0")(p[None]) for p in pictures])
    assert whole.shape == (batch, height, width)
    assert whole.min() >= 0
    assert whole.max() <= 1
    torch.testing.assert_close(whole, single, atol=1e-4, rtol=1e-4)


def test_generate_cam(cam, images):
    with pytest.raises(InputError, match="are a Image, not a tensor"):
        cam.generate_cam(Image.new("RGB", (8, 8)))
    single = cam.generate_cam(images[:1], 1)
    assert single.shape == (8, 8)
    assert single.dtype == np.float32
    np.testing.assert_allclose(cam.generate_cam(images[0], 1), single)
    batch = cam.generate_cam(images, target_class=[1, 0, 2])
    np.testing.assert_allclose(batch, cam(images, [1, 0, 2]))


@pytest.mark.parametrize("kind", ["path", "pil", "array", "floats", "tensor"])
def test_visualize_cam_takes_any_picture(cam, images, tmp_path, kind):
    photo = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    original = {
        "path": path,
        "pil": Image.open(path),
        "array": photo,
        "floats": photo / 255,
        "tensor": torch.from_numpy(photo).permute(2, 0, 1),
    }[kind]
    found = cam.visualize_cam(images[:1], 1, original)
    assert found.dtype == np.uint8
    heat = mpl.colormaps["inferno"](cam.generate_cam(images[:1], 1).astype(float), bytes=True)
    expected = np.rint(0.5 * photo + 0.5 * heat[..., :3])
    np.testing.assert_allclose(found, expected, atol=1)


def test_visualize_cam_without_a_picture_stretches_the_input(cam, images):
    found = cam.visualize_cam(images[:1] * 4 - 2, 1, alpha=0)
    image = images[0].permute(1, 2, 0).numpy()
    stretched = (image - image.min()) / (image.max() - image.min())
    np.testing.assert_allclose(found, stretched * 255, atol=1)
    assert cam.visualize_cam(torch.zeros(1, 3, 8, 8), 1).shape == (8, 8, 3)


@pytest.mark.parametrize("cmap", ["viridis", "COLORMAP_JET", cv2.COLORMAP_JET])
def test_colour_maps_by_either_library(cam, images, cmap):
    found = cam.visualize_cam(images[:1], 1, cmap=cmap, alpha=1)
    heat = cam.generate_cam(images[:1], 1)
    if cmap == "viridis":
        expected = mpl.colormaps["viridis"](heat.astype(float), bytes=True)[..., :3]
    else:
        levels = (heat.astype(float) * 256).clip(0, 255).astype(np.uint8)
        expected = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(found, expected)


def test_red_stays_red(cam, images):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert cam.visualize_cam(images[:1], 1, red, alpha=0)[0, 0].tolist() == [200, 0, 0]


def test_a_picture_of_another_shape_is_resized_with_a_warning(cam, images):
    photo = np.zeros((16, 16, 3), np.uint8)
    assert cam.visualize_cam(images[:1], 1, photo).shape == (8, 8, 3)
    with pytest.warns(AspectRatioWarning, match=r"16 x 24 pixels.*8 x 8.*m\.view"):
        cam.visualize_cam(images[:1], 1, np.zeros((24, 16, 3), np.uint8))


def test_one_picture_at_a_time(cam, images):
    for call in (cam.visualize_cam, cam.class_maps, cam.plot_classes):
        with pytest.raises(InputError, match="There are 3 images, but this explains one"):
            call(images)


def test_class_maps_need_one_forward_pass(cam, images):
    runs = []
    cam.model.register_forward_hook(lambda *_: runs.append(1))
    found = cam.class_maps(images[0], top=2)
    assert len(runs) == 1
    probabilities = cam.model(images[:1]).softmax(1)[0]
    assert found.classes == probabilities.topk(2).indices.tolist()
    assert found.names == [NAMES[c] for c in found.classes]
    np.testing.assert_allclose(found.probabilities, probabilities.topk(2).values.detach())
    for heatmap, c in zip(found.maps, found.classes, strict=True):
        torch.testing.assert_close(heatmap, cam(images[:1], c)[0])


def test_class_maps_of_chosen_classes(cam, images):
    found = cam.class_maps(images[:1], ["Egyptian cat", 0], normalize=False)
    assert found.classes == [2, 0]
    torch.testing.assert_close(found.maps[1], cam(images[:1], 0, normalize=False)[0])
    assert cam.class_maps(images[0], top=99).classes == sorted(
        range(3), key=found_order(cam, images)
    )
    for same in (torch.tensor([2, 0]), np.array([2, 0]), [torch.tensor(2), np.int64(0)]):
        assert cam.class_maps(images[0], same).classes == [2, 0]
    assert cam.class_maps(images[0], np.int64(2)).classes == [2]
    for targets, options, message in (
        ([], {}, "empty"),
        (None, {"top": 0}, "top is 0"),
        (lambda logits: logits, {}, "maps of classes"),
    ):
        with pytest.raises(TargetError, match=message):
            cam.class_maps(images[0], targets, **options)


def found_order(cam, images):
    scores = cam.model(images[:1])[0]
    return lambda c: -scores[c].item()


def test_plot_classes_shows_names_and_probabilities(cam, images):
    figure = cam.plot_classes(images[0], ["tabby", 1], np.zeros((8, 8, 3), np.uint8))
    probabilities = cam.model(images[:1]).softmax(1)[0]
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == [
        "input\n",
        f"tabby\n{percent(probabilities[0].item())}",
        f"tiger cat\n{percent(probabilities[1].item())}",
    ]
    np.testing.assert_allclose(figure.axes[1].images[1].get_array(), cam(images[:1], 0)[0])
    assert "tabby at" in figure.get_label()


def test_a_single_logit_has_the_probability_of_its_sigmoid(pooled_linear, images):
    model = pooled_linear(classes=1)
    with torch.no_grad():
        model.head.weight.abs_()
    found = GradCAM(model, "after").class_maps(images[0])
    assert found.probabilities == pytest.approx([model(images[:1]).sigmoid().item()])


def test_small_probabilities_are_not_called_zero():
    assert [percent(p) for p in (0.0, 0.004, 0.006, 1.0)] == ["0%", "<1%", "1%", "100%"]


def test_a_warning_points_to_the_users_line(cam, images):
    with torch.no_grad():
        cam.model.head.weight[1] = -1
    for call in (cam, cam.generate_cam, cam.visualize_cam):
        with pytest.warns(ZeroMapWarning) as caught:
            call(images[:1], 1)
        assert caught[0].filename == __file__


def test_classes_without_names_are_numbered(pooled_linear, images):
    cam = GradCAM(pooled_linear(), "after")
    assert cam.class_name(2) == "class 2"
