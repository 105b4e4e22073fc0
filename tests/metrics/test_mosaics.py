import math
import warnings

import pytest
import torch
from torch import nn

from interpviz.cam import EigenCAM, GradCAM
from interpviz.errors import InputError, TargetError, ZeroMapWarning
from interpviz.metrics import grid_pointing_game
from interpviz.metrics.mosaics import cell_masks, choices, mosaics


class ColourNet(nn.Module):
    """Its class scores are the means of its channels, so it looks exactly at its class."""

    def __init__(self, classes: int):
        super().__init__()
        self.features = nn.Conv2d(classes, classes, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(classes)[:, :, None, None])

    def forward(self, x):
        return self.features(x).mean((2, 3))


def one_hot_pictures(count: int, size: int = 4) -> torch.Tensor:
    return torch.eye(count)[:, :, None, None].expand(-1, -1, size, size).clone()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_model_that_looks_at_its_class_wins(side):
    count = side * side + 1
    found = grid_pointing_game(
        ColourNet(count), one_hot_pictures(count), range(count), target_layer="features", side=side
    )
    assert found.shape == (math.comb(count, side * side), side * side)
    assert found.min() > 1 - 1e-6


def test_a_method_that_ignores_the_class_has_chance_on_average():
    images, net = torch.rand(5, 5, 8, 8), ColourNet(5)
    found = grid_pointing_game(EigenCAM(net, "features"), images, range(5))
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    flat = grid_pointing_game(lambda x, _: torch.ones(len(x), 16, 16), images, range(5))
    torch.testing.assert_close(flat, torch.full((5, 4), 0.25))


def test_shares_are_those_of_a_slow_loop():
    images = torch.rand(5, 5, 6, 8)
    net = nn.Sequential(nn.Conv2d(5, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(6, 5)).eval()  # fmt: skip
    cam, classes = GradCAM(net, "1"), [3, 1, 4, 0, 2]
    found = grid_pointing_game(cam, images, classes, batch_size=8)
    orders = choices(5, 4, most=100)
    for order, shares in zip(orders.tolist(), found, strict=True):
        top, bottom = (torch.cat([images[i] for i in row], 2) for row in (order[:2], order[2:]))
        picture = torch.cat([top, bottom], 1)[None]
        for cell, i in enumerate(order):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ZeroMapWarning)
                heat = cam(picture, classes[i], normalize=False)[0].double()
            rows = slice(6 * (cell // 2), 6 * (cell // 2) + 6)
            columns = slice(8 * (cell % 2), 8 * (cell % 2) + 8)
            own = float(heat[rows, columns].sum() / heat.sum().clamp_min(1e-30))
            assert float(shares[cell]) == pytest.approx(own, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 9, 100])
def test_maps_are_drawn_in_batches(batch_size):
    sizes = []

    def explain(pictures, targets):
        assert len(pictures) == len(targets)
        sizes.append(len(pictures))
        return pictures[torch.arange(len(pictures)), torch.tensor(targets)]

    found = grid_pointing_game(explain, one_hot_pictures(6), range(6), batch_size=batch_size)
    assert sum(sizes) == 15 * 4
    assert max(sizes) <= max(4, batch_size)
    assert torch.equal(found, torch.ones(15, 4))


def test_every_choice_is_played_and_each_begins_with_another_picture():
    orders = choices(5, 4, most=100)
    assert len({tuple(sorted(order)) for order in orders.tolist()}) == 5
    assert len(set((orders - orders.min(1, keepdim=True).values).argmin(1).tolist())) > 1


def test_too_many_choices_are_drawn_at_random():
    orders = choices(30, 9, most=20, seed=1)
    assert orders.shape == (20, 9)
    assert all(len(set(order)) == 9 for order in orders.tolist())
    assert torch.equal(orders, choices(30, 9, most=20, seed=1))
    assert not torch.equal(orders, choices(30, 9, most=20, seed=2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mosaics_put_each_picture_into_its_cell(dtype):
    tiles = torch.arange(9).to(dtype).view(9, 1, 1, 1).expand(9, 2, 3, 4)
    order = torch.randperm(9)[None]
    picture = mosaics(tiles, order)[0]
    assert picture.shape == (2, 9, 12)
    assert picture.dtype == dtype
    masks = cell_masks(3, 3, 4)
    assert [int(picture[0][mask].unique()) for mask in masks] == order[0].tolist()
    assert masks.sum(0).eq(1).all()


def test_a_map_of_zeros_has_no_share():
    found = grid_pointing_game(ColourNet(4), torch.zeros(4, 4, 4, 4), range(4),
                               target_layer="features")  # fmt: skip
    assert torch.equal(found, torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("count", "classes", "options"),
    [
        (4, [0, 1, 2, 2], {}),
        (4, [0, 1, 2], {}),
        (3, [0, 1, 2], {}),
        (4, [0, 1, 2, 3], {"side": 3}),
        (4, [0, 1, 2, 3], {"side": 0}),
        (4, [0, 1, 2, 3], {"most": 0}),
    ],
)
def test_what_makes_no_mosaic_is_refused(count, classes, options):
    with pytest.raises(InputError):
        grid_pointing_game(ColourNet(4), torch.rand(count, 4, 4, 4), classes, **options)


@pytest.mark.parametrize("method", ["gradcam", GradCAM, None])
def test_a_method_without_a_model_cannot_point(method):
    with pytest.raises(InputError, match=r"GradCAM\(model\)"):
        grid_pointing_game(method, torch.rand(4, 4, 4, 4), range(4))


@pytest.mark.parametrize(
    ("images", "classes", "error", "message"),
    [
        (torch.rand(4, 4, 4, 4).numpy(), range(4), InputError, "from_numpy"),
        (torch.rand(4, 4, 4), range(4), InputError, "image"),
        (torch.rand(4, 4, 4, 4), None, TargetError, "class index"),
    ],
)
def test_pictures_and_classes_of_another_kind_are_refused(images, classes, error, message):
    with pytest.raises(error, match=message):
        grid_pointing_game(ColourNet(4), images, classes, target_layer="features")


def test_classes_may_be_a_tensor():
    pictures = one_hot_pictures(5)
    by_list, by_tensor = (
        grid_pointing_game(ColourNet(5), pictures, classes, target_layer="features")
        for classes in ([4, 3, 2, 1, 0], torch.arange(5).flip(0))
    )
    assert torch.equal(by_list, by_tensor)
