"""Score-CAM and its variants against one mask at a time, and what they ask of the model."""

import copy
import math

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import ClassContrast, ClassProbability
from interpviz.cam.perturbation import ISCAM, SSCAM, ScoreCAM
from interpviz.errors import InputError, ZeroMapWarning


def vit() -> nn.Module:
    return torchvision.models.VisionTransformer(64, 16, 2, 2, 16, 32, num_classes=10)


NETWORKS = {
    "mobilenet": (lambda: torchvision.models.mobilenet_v3_small(num_classes=10), "features.1", 6),
    "shufflenet": (lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=10), "maxpool", 0.3),
    "vit": (vit, "encoder.layers.encoder_layer_0", 2),
}
METHODS = {
    ScoreCAM: {},
    SSCAM: {"samples": 3, "std": 0.2, "seed": 4},
    ISCAM: {"samples": 3},
}


def network(name: str) -> tuple[nn.Module, str]:
    """A network in float64 whose scores are far enough apart for the softmax to tell channels."""
    torch.manual_seed(3)
    make, layer, spread = NETWORKS[name]
    model = make().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        head.weight.normal_(std=spread)
        # Without statistics of its activations an untrained network hardly sees its input.
        model(torch.randn(16, 3, 64, 64, dtype=torch.float64))
    return model.eval(), layer


def channels_of(model: nn.Module, layer: str, image: torch.Tensor) -> torch.Tensor:
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
    with torch.no_grad():
        model(image[None])
    handle.remove()
    found = kept[0][0]
    if found.ndim == 2:
        side = math.isqrt(len(found))
        found = found[1:].T.reshape(-1, side, side)
    return found


def seen_through(method: type, mask: torch.Tensor, image: torch.Tensor) -> list[torch.Tensor]:
    if method is ISCAM:
        return [image * mask * i / 3 for i in (1, 2, 3)]
    if method is SSCAM:
        generator = torch.Generator().manual_seed(4)
        noise = [torch.randn(mask.shape, generator=generator) for _ in range(3)]
        return [image * (mask + 0.2 * each) for each in noise]
    return [image * mask]


def stretched(grid: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return nn.functional.interpolate(grid[None, None], size=size, mode="bilinear")[0, 0]


@torch.no_grad()
def slow_map(method: type, model: nn.Module, layer: str, image: torch.Tensor, target: int):
    """The map of one image, with one mask and one call of the model at a time."""
    channels = channels_of(model, layer, image)
    black = model(torch.zeros_like(image)[None])[0, target].item()
    increases = {}
    for k, channel in enumerate(channels):
        if channel.max() == channel.min():
            continue
        large = stretched(channel, image.shape[1:])
        mask = (large - large.min()) / (large.max() - large.min())
        scores = [model(m[None])[0, target].item() for m in seen_through(method, mask, image)]
        increases[k] = sum(scores) / len(scores) - black
    total = sum(math.exp(increase) for increase in increases.values())
    small = sum(math.exp(increases[k]) / total * channels[k] for k in increases)
    return stretched(small.relu(), image.shape[1:]).float()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_the_map_is_that_of_the_loop(method, name):
    model, layer = network(name)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    found = method(model, layer, batch_size=6, **METHODS[method])(images, [2, 5], normalize=False)
    for image, target, map_ in zip(images, (2, 5), found, strict=True):
        expected = slow_map(method, model, layer, image, target)
        assert expected.max() > 0
        torch.testing.assert_close(map_, expected, rtol=1e-5, atol=1e-6 * expected.max().item())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_weights_of_these_networks_are_far_from_equal(name, run_of):
    model, layer = network(name)
    cam = ScoreCAM(model, layer)
    [weights] = cam._weigh(run_of(cam, torch.randn(2, 3, 64, 64, dtype=torch.float64), 2))
    assert (weights.amax(1) > 3 * weights.median(1).values).all()


@pytest.mark.parametrize("name", ["mobilenet", "vit"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [None, 5])
def test_neither_the_batch_nor_its_size_matters(method, name, channels):
    model, layer = network(name)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    options = {"channels": channels, **METHODS[method]}
    together = method(model, layer, **options)(images, 2)
    for size in (1, 7):
        single = method(model, layer, batch_size=size, **options)
        torch.testing.assert_close(single(images, 2), together, rtol=0, atol=1e-6)
    alone = torch.cat([method(model, layer, **options)(image[None], 2) for image in images])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


class Counted(nn.Module):
    """A network of channels that the test makes, which notes the batches that it sees."""

    def __init__(self, channels: int = 12):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.head = nn.Linear(channels, 4)
        self.batches = []
        with torch.no_grad():
            self.conv.bias.fill_(0.5)

    def forward(self, x):
        self.batches.append(len(x))
        return self.head(self.conv(x).relu().flatten(2).mean(2))


@pytest.fixture
def counted():
    return Counted().eval()


def test_the_model_runs_once_a_mask_in_full_batches(counted):
    images = torch.rand(2, 3, 16, 16)
    ScoreCAM(counted, "conv", batch_size=10)(images, 1)
    assert counted.batches == [2, 10, 10, 4]
    counted.batches.clear()
    ScoreCAM(counted, "conv", batch_size=10, channels=7)(images, 1)
    assert counted.batches == [2, 10, 4]
    counted.batches.clear()
    SSCAM(counted, "conv", batch_size=16, channels=8, samples=3)(images, 1)
    assert counted.batches == [2, 16, 16, 16]
    counted.batches.clear()
    ISCAM(counted, "conv", batch_size=1, channels=3, samples=2)(images, 1)
    assert counted.batches == [2] * 7


def test_a_channel_of_one_value_has_no_weight(counted, run_of):
    with torch.no_grad():
        counted.conv.weight[[0, 3]] = 0
        counted.conv.bias[[0, 3]] = torch.tensor([0.0, 50.0])
    images = torch.rand(2, 3, 16, 16)
    cam = ScoreCAM(counted, "conv", batch_size=20)
    [weights] = cam._weigh(run_of(cam, images, 1))
    assert counted.batches == [2, 20]
    assert weights[:, [0, 3]].eq(0).all()
    assert weights[:, [1, 2, *range(4, 12)]].gt(0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2))


def test_an_image_of_constant_channels_has_no_map_and_leaves_the_others_theirs(counted):
    class Pooled(Counted):
        def forward(self, x):
            return self.head(self.inner(x).flatten(2).mean(2))

    model = Pooled().eval()
    model.inner = nn.Conv2d(3, 12, 1)
    even, textured = torch.full((1, 3, 8, 8), 0.3), torch.rand(1, 3, 8, 8)
    with pytest.warns(ZeroMapWarning, match="image 0 "):
        maps = ScoreCAM(model, "inner")(torch.cat([even, textured]), 1)
    assert maps[0].eq(0).all()
    torch.testing.assert_close(maps[1:], ScoreCAM(model, "inner")(textured, 1))
    with pytest.warns(ZeroMapWarning):
        assert ScoreCAM(model, "inner")(even, 1).eq(0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_of_all_channels_is_the_full_map(method, counted):
    images = torch.rand(2, 3, 16, 16)
    full = method(counted, "conv", **METHODS[method])(images, 1)
    for count in (12, 500):
        found = method(counted, "conv", channels=count, **METHODS[method])(images, 1)
        assert torch.equal(found, full)


def test_channels_of_the_same_shape_need_one_mask(counted, run_of):
    with torch.no_grad():
        for k in range(3, 12):
            counted.conv.weight[k] = counted.conv.weight[k % 3] * 2 ** (k // 3)
            counted.conv.bias[k] = k
    images = torch.rand(2, 3, 16, 16)
    cams = [ScoreCAM(counted, "conv", channels=count) for count in (3, None)]
    [few], [full] = [cam._weigh(run_of(cam, images, 1)) for cam in cams]
    torch.testing.assert_close(few, full, rtol=1e-4, atol=1e-6)


def slow_groups(channels: torch.Tensor, count: int) -> dict[int, int]:
    """For each channel that is not constant the one whose score it has, found with plain loops."""
    shapes = {
        k: (channel - channel.min()) / (channel.max() - channel.min())
        for k, channel in enumerate(channels)
        if channel.max() > channel.min()
    }

    def apart(a, b):
        return (shapes[a] - shapes[b]).norm().item()

    def central(group):
        return min(group, key=lambda k: sum(apart(k, other) for other in group))

    def nearest(k, tried):
        return min(tried, key=lambda t: apart(k, t))

    tried = [central(shapes)]
    while len(tried) < count:
        tried.append(max(shapes, key=lambda k: apart(k, nearest(k, tried))))
    for _ in range(4):
        tried = [central([k for k in shapes if nearest(k, tried) == t]) for t in tried]
    return {k: nearest(k, tried) for k in shapes}


@pytest.mark.parametrize("name", NETWORKS)
def test_with_a_budget_a_group_of_channels_has_one_score(name, run_of):
    model, layer = network(name)
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    cam, full = ScoreCAM(model, layer, channels=6), ScoreCAM(model, layer)
    [found], [every] = [c._weigh(run_of(c, image, 2)) for c in (cam, full)]
    stand_in = slow_groups(channels_of(model, layer, image[0]), 6)
    assert len(set(stand_in.values())) == 6
    expected = torch.zeros_like(every[0])
    for k, other in stand_in.items():
        expected[k] = every[0, other]
    torch.testing.assert_close(found[0], expected / expected.sum())


def test_noise_is_that_of_the_seed_and_global_noise_stays(counted):
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        counted.head.weight *= 50
    before = torch.get_rng_state()
    first, again, other = (SSCAM(counted, "conv", seed=seed)(image, 1) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_noise_or_with_one_step_it_is_score_cam(counted):
    images = torch.rand(2, 3, 16, 16)
    plain = ScoreCAM(counted, "conv")(images, 1)
    assert torch.equal(SSCAM(counted, "conv", samples=1, std=0)(images, 1), plain)
    assert torch.equal(ISCAM(counted, "conv", samples=1)(images, 1), plain)


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method, counted):
    counted.train()
    counted.head.weight.grad = torch.ones_like(counted.head.weight)
    before = copy.deepcopy(counted.state_dict())
    images = torch.rand(2, 3, 16, 16)
    kept = images.clone()
    method(counted, "conv")(images, 1)
    assert counted.training
    assert counted.head.training
    assert not counted.conv._forward_hooks
    assert counted.conv.weight.grad is None
    assert counted.head.weight.grad.eq(1).all()
    torch.testing.assert_close(counted.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(images, kept)


def test_no_gradient_is_taken(counted):
    class Frozen(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        @torch.no_grad()
        def forward(self, x):
            return self.inner(x)

    images = torch.rand(2, 3, 16, 16)
    found = ScoreCAM(Frozen(counted), "inner.conv", channels=4)(images, 1)
    torch.testing.assert_close(found, ScoreCAM(counted, "conv", channels=4)(images, 1))


class Viewed(Counted):
    """Flattens with `view`, which needs activations whose channels come first in memory."""

    def forward(self, x):
        self.batches.append(len(x))
        return self.head(self.conv(x).relu().view(len(x), 12, -1).view(len(x), -1)[:, ::256])


def test_a_model_may_need_the_usual_order_of_memory():
    model = Viewed().eval()
    found = ScoreCAM(model, "conv", batch_size=4)(torch.rand(1, 3, 16, 16), 1)
    assert model.batches == [1, 4, 4, 4, 4]
    assert found.max() == 1


def test_an_error_of_the_model_is_told():
    class Broken(Counted):
        def forward(self, x):
            if len(x) > 1:
                raise RuntimeError("one at a time")
            return super().forward(x)

    with pytest.raises(RuntimeError, match="one at a time"):
        ScoreCAM(Broken().eval(), "conv")(torch.rand(1, 3, 16, 16), 1)


def test_any_target(counted):
    images = torch.rand(2, 3, 16, 16)
    cam = ScoreCAM(counted, "conv")
    function = cam(images, lambda logits: logits[:, 2] - logits[:, 0], normalize=False)
    contrast = cam(images, ClassContrast(2, 0), normalize=False)
    torch.testing.assert_close(function, contrast)
    own = cam(images, [2, 0], normalize=False)
    torch.testing.assert_close(own[1:], cam(images[1:], 0, normalize=False))
    assert cam(images, ClassProbability(1)).shape == (2, 16, 16)


def test_several_classes_and_several_layers(counted):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 12, 1), nn.ReLU())
    model = nn.Sequential(model, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4)).eval()
    images = torch.rand(2, 3, 16, 16)
    both = ScoreCAM(model, ["0.0", "0.3"])(images, 1)
    parts = [ScoreCAM(model, layer)(images, 1) for layer in ("0.0", "0.3")]
    torch.testing.assert_close(both, (sum(parts) / 2) / (sum(parts) / 2).amax((1, 2), True))
    found = ScoreCAM(counted, "conv").class_maps(images[0], [3, 1])
    expected = torch.cat([ScoreCAM(counted, "conv")(images[:1], index) for index in (3, 1)])
    torch.testing.assert_close(found.maps, expected)


def test_clips_and_several_inputs():
    class Clip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(3, 5, 3, stride=2)
            self.head = nn.Linear(5, 4)

        def forward(self, clip, gain):
            return self.head(self.conv(clip).relu().flatten(2).mean(2)) * gain[:, None]

    model = Clip().double().eval()
    clips = torch.rand(2, 3, 8, 12, 12, dtype=torch.float64)
    gain = torch.tensor([90.0, 40.0], dtype=torch.float64)
    found = ScoreCAM(model, "conv", batch_size=4)((clips, gain), 1, normalize=False)
    assert found.shape == (2, 8, 12, 12)
    for clip, factor, map_ in zip(clips, gain, found, strict=True):
        channels = model.conv(clip[None])[0].detach()
        large = nn.functional.interpolate(channels[None], size=clip.shape[1:], mode="trilinear")[0]
        scores = []
        for each in large:
            mask = (each - each.min()) / (each.max() - each.min())
            scores.append(model((mask * clip)[None], factor[None])[0, 1].item())
        weights = torch.tensor(scores, dtype=torch.float64).softmax(0)
        small = (weights[:, None, None, None] * channels).sum(0).relu()
        expected = nn.functional.interpolate(
            small[None, None], size=clip.shape[1:], mode="trilinear"
        )[0, 0]
        torch.testing.assert_close(map_, expected.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_close(method, counted):
    images = torch.rand(2, 3, 16, 16)
    found = method(counted, "conv", **METHODS[method])(images, 1)
    half = method(counted.bfloat16(), "conv", **METHODS[method])(images, 1)
    assert half.dtype == torch.float32
    assert (half - found).abs().max() < 0.05


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (ScoreCAM, {"channels": 0}),
        (ScoreCAM, {"batch_size": 0}),
        (SSCAM, {"samples": 0}),
        (SSCAM, {"std": -0.1}),
        (SSCAM, {"std": float("nan")}),
        (ISCAM, {"samples": 0}),
        (ISCAM, {"channels": -3}),
    ],
)
def test_impossible_numbers_are_refused(method, options, counted):
    with pytest.raises(InputError, match="at least 1"):
        method(counted, "conv", **options)
