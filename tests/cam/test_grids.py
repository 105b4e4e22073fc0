"""Activations of CNNs, ViTs, Swins and video models as grids of positions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from interpviz.cam import GradCAM
from interpviz.cam.engine.grids import (
    Layout,
    as_grid,
    channel_axis,
    enlarge,
    layout_of,
    share_of_maximum,
    shared_scale,
)
from interpviz.errors import InputError, LayerError


class ToyViT(nn.Module):
    """Patches, tokens in front of them, two blocks without attention, and the mean of all."""

    def __init__(self, front=1, patch=4, channels=5, classes=3, batch_first=True):
        super().__init__()
        self.patch = nn.Conv2d(3, channels, patch, patch)
        self.front = nn.Parameter(torch.randn(1, front, channels))
        self.block = nn.Sequential(nn.Linear(channels, channels), nn.GELU())
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, classes)
        self.batch_first = batch_first

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.front.expand(len(x), -1, -1), x], 1)
        x = x if self.batch_first else x.transpose(0, 1)
        x = self.norm(x + self.block(x))
        return self.head(x.mean(1 if self.batch_first else 0))


def output_of(model, layer, images):
    kept = []
    with layer.register_forward_hook(lambda _m, _a, output: kept.append(output)):
        model(images)
    return kept[-1]


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch first", "tokens first"])
@pytest.mark.parametrize("front", [0, 1, 2, 5, 16])
def test_a_bright_patch_lights_its_own_cell(front, batch_first):
    model = ToyViT(front, batch_first=batch_first).eval()
    for row, column in [(0, 0), (2, 4), (3, 1), (3, 5)]:
        images = torch.zeros(2, 3, 16, 24)
        dark = as_grid(output_of(model, model.norm, images), "norm", layout_of(model, images))
        images[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 1
        grid = as_grid(output_of(model, model.norm, images), "norm", layout_of(model, images))
        assert grid.shape == (2, 5, 4, 6)
        changed = (grid - dark).abs().sum(1) > 1e-6
        assert changed[0].nonzero().tolist() == changed[1].nonzero().tolist() == [[row, column]]


def test_grad_cam_of_tokens_is_the_sum_by_hand():
    model = ToyViT(front=5).eval()
    images = torch.rand(2, 3, 16, 24)
    tokens = output_of(model, model.norm, images).detach().requires_grad_()
    gradient = torch.autograd.grad(model.head(tokens.mean(1))[:, 2].sum(), tokens)[0]
    coarse = torch.zeros(2, 4, 6)
    for n in range(2):
        weights = gradient[n, 5:].mean(0)
        for i in range(4):
            for j in range(6):
                coarse[n, i, j] = (weights * tokens[n, 5 + 6 * i + j]).sum().clamp(min=0)
    expected = F.interpolate(coarse[None], (16, 24), mode="bilinear")[0]
    found = GradCAM(model, "norm")(images, 2, normalize=False)
    torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((2, 7, 4, 6), Layout((16, 24), None)),
        ((2, 4, 6, 7), Layout((16, 24), None)),
        ((2, 26, 7), Layout((16, 24), (4, 6))),
        ((26, 2, 7), Layout((16, 24), (4, 6), batch=2)),
        ((2, 25, 7), Layout((16, 24), None)),
        ((2, 13, 7), Layout((16, 24), None, (3, 4))),
        ((2, 7, 3, 4, 6), Layout((6, 16, 24), None)),
        ((2, 3, 4, 6, 7), Layout((6, 16, 24), None)),
        ((2, 73, 7), Layout((6, 16, 24), (3, 4, 6))),
        ((2, 25, 7), Layout((16, 24), None, lambda t: t[:, 1:].mT.unflatten(2, (4, 6)))),
        ((25, 2, 7), Layout((16, 24), None, lambda t: t[1:].permute(1, 2, 0).unflatten(2, (4, 6)))),
    ],
)
class TestEveryLayout:
    def test_the_gradient_lies_where_its_activation_lies(self, shape, layout):
        activation = torch.randn(shape, requires_grad=True)
        grid = as_grid(activation, "layer", layout)
        assert grid.shape[:2] == (2, 7)
        weights = torch.randn(grid.shape)
        (gradient,) = torch.autograd.grad((grid * weights).sum(), activation)
        torch.testing.assert_close(as_grid(gradient, "layer", layout), weights)

    def test_the_axis_of_the_channels(self, shape, layout):
        activation = torch.rand(shape) + 1
        axis = channel_axis(activation, layout)
        for channel in (0, 6):
            without = activation.index_fill(axis, torch.tensor(channel), 0)
            off = (as_grid(without, "layer", layout) == 0).flatten(2).all(2)
            assert off.sum(0).tolist() == [2 * (k == channel) for k in range(7)]


def test_merged_patches_round_up():
    layout = Layout((52, 84), (13, 21))
    for factor, grid in [(1, (13, 21)), (2, (7, 11)), (4, (4, 6)), (8, (2, 3))]:
        tokens = torch.rand(1, grid[0] * grid[1] + 1, 4)
        assert as_grid(tokens, "layer", layout).shape[2:] == grid, factor


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"kernel_size": 4, "stride": 4}, (32, 50)),
        ({"kernel_size": 7, "stride": 4, "padding": 3}, (33, 47)),
        ({"kernel_size": (3, 5), "stride": (2, 3), "padding": (1, 0), "dilation": 2}, (32, 47)),
        ({"kernel_size": 3, "padding": "same", "dilation": 2}, (9, 14)),
        ({"kernel_size": 3, "padding": "valid"}, (9, 14)),
    ],
)
def test_the_grid_of_patches_is_what_the_convolution_makes(options, size):
    layer = nn.Conv2d(3, 2, **options)
    images = torch.rand(1, 3, *size)
    layout = layout_of(nn.Sequential(nn.Conv2d(4, 2, 1), layer), images)
    assert layout.patches == layer(images).shape[2:]
    clip = torch.rand(1, 3, 9, *size)
    assert layout_of(layer, clip).patches is None
    tubes = nn.Conv3d(3, 2, (2, 4, 4), (2, 4, 4))
    assert layout_of(tubes, clip).patches == tubes(clip).shape[2:]


def test_a_model_that_fills_up_the_image_by_itself():
    layout = layout_of(nn.Conv2d(3, 2, 4, 4), torch.rand(1, 3, 30, 42))
    assert (layout.patches, layout.filled) == ((7, 10), (8, 11))
    assert as_grid(torch.rand(1, 88, 4), "layer", layout).shape[2:] == (8, 11)
    assert as_grid(torch.rand(1, 71, 4), "layer", layout).shape[2:] == (7, 10)


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((2, 5), Layout((8, 8), (2, 2)), r"'head' has no spatial grid: .* shape \(2, 5\)"),
        ((2, 5, 1, 1), Layout((8, 8), (2, 2)), r"no spatial grid: .* shape \(2, 5, 1, 1\)"),
        ((2, 1, 1, 5), Layout((8, 8), (2, 2)), "no spatial grid"),
        ((2, 1, 5), Layout((8, 8), (2, 2)), "no spatial grid"),
        ((2, 77, 5), Layout((56, 56), (7, 7)), r"\(2, 77, 5\), .*grid=\(height, width\)"),
        ((2, 47, 5), Layout((56, 56), None), r"'head' .*grid=\(height, width\)"),
        ((2, 77, 5), Layout((8, 56, 56), None), r"grid=\(time, height, width\)"),
        ((77, 2, 5), Layout((8, 8), (2, 2), batch=2), r"grid=\(height, width\)"),
        ((50, 2, 5), Layout((56, 56), (7, 7), batch=3), r"grid=\(height, width\)"),
        ((2, 5, 5), Layout((8, 8), (2, 2), (3, 4)), r"the grid \(3, 4\) does not fit"),
        ((2, 5, 4, 4), Layout((8, 8), (2, 2), (3, 4)), r"the grid \(3, 4\) does not fit"),
        ((2, 5, 5), Layout((8, 8), (2, 2), lambda t: t), r"made shape \(2, 5, 5\) of .*'head'"),
        ((2, 5, 5), Layout((8, 8), (2, 2), lambda t: None), "made NoneType of"),
    ],
)
def test_what_is_no_grid(shape, layout, message):
    with pytest.raises(LayerError, match=message):
        as_grid(torch.rand(shape), "head", layout)


@pytest.mark.parametrize("grid", [7, (7,), (7, 7, 7), (0, 7), (2.0, 3), "7x7"])
def test_what_is_no_grid_of_the_user(grid):
    with pytest.raises(InputError, match=r"The grid is .*\(height, width\)"):
        layout_of(nn.Conv2d(3, 2, 1), torch.rand(1, 3, 8, 8), grid)


def test_channels_that_a_function_mixes_are_refused():
    heads = Layout((8, 8), None, lambda t: t.transpose(1, 2).flatten(2).mT.unflatten(2, (2, 2)))
    assert as_grid(torch.rand(2, 3, 4, 5), "layer", heads).shape == (2, 15, 2, 2)
    with pytest.raises(LayerError, match="does not keep the channels"):
        channel_axis(torch.rand(2, 3, 4, 5), heads)


def test_other_precisions_are_computed_in_float32():
    layout = Layout((8, 8), (2, 2))
    for dtype, expected in [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)]:
        assert as_grid(torch.rand(1, 5, 3, dtype=dtype), "layer", layout).dtype == expected


def test_maps_are_enlarged_along_every_axis():
    ramp = torch.tensor([0.0, 1.0])
    fine = torch.tensor([0.0, 0.25, 0.75, 1.0])
    for rank in (2, 3):
        for axis in range(rank):
            turned = [1] * rank
            turned[axis] = -1
            coarse = ramp.view(turned).expand([2] * rank)[None]
            expected = fine.view(turned).expand([4] * rank)[None]
            torch.testing.assert_close(enlarge(coarse, (4,) * rank), expected)
    maps = torch.rand(2, 3, 4)
    assert enlarge(maps, (3, 4)) is maps


def test_each_map_or_the_batch_by_its_largest_value():
    maps = torch.tensor([[[1.0, -4.0]], [[0.5, 0.0]], [[0.0, 0.0]]])
    alone = torch.tensor([[[0.25, -1.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(share_of_maximum(maps), alone)
    torch.testing.assert_close(share_of_maximum(maps, shared=True), maps / 4)
    # The smallest numbers of float32, and a clip's map.
    tiny = torch.tensor([[[[1e-44, -7e-45]]]])
    torch.testing.assert_close(
        share_of_maximum(tiny), tiny.double().div(1e-44).float(), rtol=0.2, atol=0
    )
    assert share_of_maximum(tiny).abs().max() == 1


def test_several_sets_of_maps_share_a_scale():
    strong, weak = torch.rand(2, 3, 4) * 8, -torch.rand(5, 6)
    weak[0, 0] = -16
    found = shared_scale([strong, weak])
    for scaled, raw in zip(found, (strong, weak), strict=True):
        torch.testing.assert_close(scaled, raw / 16)
    torch.testing.assert_close(shared_scale([torch.zeros(2), torch.zeros(3)])[1], torch.zeros(3))
    assert shared_scale([]) == []
    for wrong in ([strong, "map"], [torch.zeros(0)]):
        with pytest.raises(InputError, match="not all tensors"):
            shared_scale(wrong)


class Strides(nn.Module):
    """Convolutions whose strides differ between the sides, with norms of both kinds."""

    def __init__(self, last=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, (2, 1), 1)
        self.block = nn.Sequential(nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.norm = nn.LayerNorm(32) if last else nn.Identity()
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        x = self.block(self.conv(x))
        return self.head(self.norm(x.mean((2, 3))))


@pytest.mark.parametrize("layer", ["conv", "block.1", "block"])
def test_uneven_strides_do_not_take_channels_for_rows(layer):
    model, images = Strides().eval(), torch.rand(1, 3, 64, 64)
    activation = output_of(model, model.get_submodule(layer), images)
    assert activation.shape == (1, 32, 32, 64)
    layout = layout_of(model, images)
    assert torch.equal(as_grid(activation, layer, layout), activation)
    assert channel_axis(activation, layout, layer) == 1
    coarse = (model.head.weight[2][:, None, None] * model.block(model.conv(images))[0]).sum(0)
    found = GradCAM(model, "block", signed=True)(images, 2, normalize=False)
    expected = F.interpolate(coarse[None, None], (64, 64), mode="bilinear")[0] / (32 * 64)
    torch.testing.assert_close(found, expected.detach(), atol=1e-7, rtol=1e-4)


class ChannelsLast(nn.Module):
    """A block of channels in the last place, as many as there are rows, or one more."""

    def __init__(self, channels):
        super().__init__()
        self.patch = nn.Conv2d(3, channels, 4, 4)
        self.norm = nn.LayerNorm(channels)
        self.act = nn.GELU()
        self.head = nn.Linear(channels, 3)

    def forward(self, x):
        return self.head(self.act(self.norm(self.patch(x).permute(0, 2, 3, 1))).mean((1, 2)))


@pytest.mark.parametrize("channels", [7, 8, 9])
def test_as_many_channels_as_rows(channels):
    model, images = ChannelsLast(channels).eval(), torch.rand(2, 3, 32, 32)
    layout = layout_of(model, images)
    for name, moved in [("patch", False), ("norm", True), ("act", True)]:
        activation = output_of(model, model.get_submodule(name), images)
        if name == "act" and channels == 8:
            with pytest.raises(LayerError, match=r"'act' .*channels may come second or last: .*`g"):
                as_grid(activation, name, layout)
            continue
        expected = activation.permute(0, 3, 1, 2) if moved else activation
        assert torch.equal(as_grid(activation, name, layout), expected), name
        assert channel_axis(activation, layout, name) == (3 if moved else 1)
    by_size = layout_of(model, images, (8, 8))
    activation = output_of(model, model.norm, images)
    assert torch.equal(as_grid(activation, "norm", by_size), activation.permute(0, 3, 1, 2))


def test_a_clip_with_frames_in_front_of_channels_is_refused():
    for model in (nn.Sequential(nn.Conv3d(3, 4, 2)), nn.Sequential(nn.Conv2d(3, 4, 2))):
        with pytest.raises(InputError, match=r"\(1, 6, 3, 8, 8\) has its frames in front"):
            layout_of(model, torch.rand(1, 6, 3, 8, 8))
    assert layout_of(nn.Conv3d(3, 4, 2), torch.rand(1, 3, 6, 8, 8)).size == (6, 8, 8)


@pytest.mark.parametrize("kind", ["VideoMAE", "Timesformer"])
def test_a_clip_for_transformers_is_refused_or_turned_by_a_module(kind):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(
        image_size=16, patch_size=8, num_frames=4, hidden_size=8, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=8, num_labels=2,
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForVideoClassification")(config).eval()
    with pytest.raises(InputError, match=r"clips.transpose\(1, 2\)"):
        GradCAM(model)(torch.rand(1, 4, 3, 16, 16), 0)

    class ChannelsFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, clips):
            return self.inner(clips.transpose(1, 2))

    if kind == "VideoMAE":
        found = GradCAM(ChannelsFirst(), signed=True)(torch.rand(1, 3, 4, 16, 16), 0)
        assert found.shape == (1, 4, 16, 16)


@pytest.mark.parametrize(
    ("size", "picture"), [((48, 64), (96, 128)), ((50, 64), (96, 122)), ((40, 90), (62, 140))]
)
def test_what_a_detector_fills_up_is_no_picture(size, picture):
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    model.transform = GeneralizedRCNNTransform(96, 140, [0.0] * 3, [1.0] * 3).eval()
    images = torch.rand(1, 3, *size)
    made = model.transform([images[0]])[0]
    assert made.image_sizes[0] == picture
    padded = made.tensors.shape[2:]
    share = layout_of(model, images).picture
    assert share == (picture[0] / padded[0], picture[1] / padded[1])
    # A ramp over the padded picture is cut where the picture ends.
    ramp = (torch.arange(padded[0])[:, None] + 1000.0 * torch.arange(padded[1]))[None]
    cut = ramp[:, : picture[0], : picture[1]]
    expected = F.interpolate(cut[:, None], size, mode="bilinear")[:, 0]
    torch.testing.assert_close(enlarge(ramp, size, share), expected, rtol=1e-4, atol=0.1)
    assert layout_of(nn.Conv2d(3, 2, 1), images).picture == (1.0, 1.0)
