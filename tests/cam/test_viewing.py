"""Maps in an interactive view: what is handed over, against the maps themselves."""

import numpy as np
import pytest
import torch
from torch import nn

from interpviz.cam import GradCAM, HiResCAM, LayerCAM
from interpviz.errors import InputError, TargetError
from interpviz.render.images import resize


class Strided(nn.Module):
    """Cells of 8 pixels, two layers of the same size, and a head that is not linear."""

    categories = ("cat", "cup", "car", "kite")

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 8, stride=8)
        self.second = nn.Conv2d(6, 5, 3, padding=1)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        inner = self.second(self.first(x).relu()).relu()
        return self.head(inner.amax((2, 3)) + inner.mean((2, 3)) ** 2)


@pytest.fixture
def model():
    torch.manual_seed(3)
    made = Strided().eval()
    # Every class has evidence then, and no map is zero everywhere.
    with torch.no_grad():
        made.head.weight.abs_()
    return made


@pytest.fixture
def image():
    return torch.rand(3, 80, 96, generator=torch.Generator().manual_seed(0))


def test_the_most_probable_classes_with_their_probabilities(model, image):
    cam = GradCAM(model, "second")
    view = cam.view(image, top=2)
    chances = model(image[None])[0].softmax(0)
    best = chances.argsort(descending=True)[:2].tolist()
    assert view.classes == [f"{model.categories[i]} ({chances[i]:.0%})" for i in best]
    assert [method.name for method in view.methods] == ["GradCAM"]


@pytest.mark.parametrize("method", [GradCAM, HiResCAM, LayerCAM])
@pytest.mark.parametrize("signed", [False, True])
def test_maps_are_raw_and_at_their_own_size(model, image, method, signed):
    cam = method(model, "second", signed=signed)
    view = cam.view(image, [1, "kite"])
    true = cam.class_maps(image, [1, 3], normalize=False).maps.numpy()
    (found,) = view.methods
    assert found.maps.shape == (2, 10, 12)
    assert (view.signed, found.signed) == (signed, signed)
    for small, large in zip(found.maps, true, strict=True):
        again = resize(small, *large.shape)
        assert np.abs(again - large).max() <= 1e-5 * np.abs(large).max()
    assert view.classes[0].startswith("cup (")
    assert view.classes[1].startswith("kite (")


def test_more_methods_by_name_or_made_elsewhere(model, image):
    cam = GradCAM(model, "second")
    view = cam.view(image, ["cat", "car"], others=["hirescam", GradCAM(model, "first")])
    names = [method.name for method in view.methods]
    assert names == ["GradCAM at second", "HiResCAM", "GradCAM at first"]
    for found, other in zip(
        view.methods,
        [cam, HiResCAM(model, "second"), GradCAM(model, "first")],
        strict=True,
    ):
        true = other.class_maps(image, ["cat", "car"], normalize=False).maps.numpy()
        again = np.stack([resize(small, 80, 96) for small in found.maps])
        assert np.abs(again - true).max() <= 1e-5 * np.abs(true).max()


def test_a_layer_that_was_found_is_that_of_the_others_too(model, image):
    cam = GradCAM(model)
    view = cam.view(image, [0], others=["layercam"])
    true = LayerCAM(model, cam.target_layers).class_maps(image, [0], normalize=False).maps.numpy()
    again = resize(view.methods[1].maps[0], 80, 96)
    assert np.abs(again - true[0]).max() <= 1e-5 * true.max()


def test_the_picture_is_the_one_given_or_the_input(model, image):
    cam = GradCAM(model, "second")
    assert cam.view(image).photo.shape == (80, 96, 3)
    white = np.full((80, 96, 3), 255, np.uint8)
    assert cam.view(image, original_image=white).photo.min() == 255


def test_options_of_the_view_win(model, image):
    options = {"shared": True, "title": "Mine", "alt": "A cat.", "alpha": 0.2, "cmap": "viridis"}
    view = GradCAM(model, "second").view(image, **options)
    found = (view.shared, view.title, view.alt, view.alpha, view.cmap.name)
    assert found == tuple(options.values())


def test_mistakes_are_told(model, image):
    cam = GradCAM(model, "second")
    with pytest.raises(InputError, match="another model"):
        cam.view(image, others=[GradCAM(Strided().eval(), "second")])
    with pytest.raises(InputError, match="no method 'gradcat'"):
        cam.view(image, others=["gradcat"])
    with pytest.raises(TargetError, match="4"):
        cam.view(image, [9])
    with pytest.raises(InputError, match="2 images"):
        cam.view(torch.stack([image, image]))
