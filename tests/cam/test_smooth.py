"""Smooth Grad-CAM++ against a loop over copies and channels, and its closed forms."""

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import GradCAMPlusPlus
from interpviz.cam.smooth import SmoothGradCAMPlusPlus
from interpviz.errors import InputError

NETWORKS = {"resnet18": "layer3", "mobilenet_v3_small": "features.9"}


def network(name: str, scale: float = 1.0) -> nn.Module:
    torch.manual_seed(3)
    model = getattr(torchvision.models, name)(num_classes=10).eval()
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        head.weight *= scale
        head.bias *= scale
    return model


def gradient_at(model, layer, image, target):
    """The layer's activation and the score's gradient for it, by a hook and autograd."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
    score = model(image[None])[0, target]
    handle.remove()
    return kept[0][0].detach(), torch.autograd.grad(score, kept[0])[0][0]


def slow_weights(model, layer, image, target, *, samples=3, std=0.1, seed=4):
    """The weight of each channel, and the smallest denominator that took part in it."""
    generator = torch.Generator().manual_seed(seed)
    activation, _ = gradient_at(model, layer, image, target)
    slopes = []
    for _ in range(samples):
        noise = torch.randn(image.shape, generator=generator).to(image)
        noisy = image + std * (image.max() - image.min()) * noise
        slopes.append(gradient_at(model, layer, noisy, target)[1].double())
    weights, smallest = [], []
    for k, channel in enumerate(activation.double()):
        first = sum(slope[k] for slope in slopes) / samples
        second = sum(slope[k] ** 2 for slope in slopes) / samples
        third = sum(slope[k] ** 3 for slope in slopes) / samples
        denominator = (2 * second + channel.sum() * third) / second
        held = torch.where(denominator < 0, -1, 1) * denominator.abs().clamp(min=0.1)
        up = first > 0
        weights.append((first / held)[up].sum())
        smallest.append(denominator.abs()[up].min() if up.any() else torch.tensor(torch.inf))
    return torch.stack(weights), torch.stack(smallest)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_the_weights_are_those_of_the_loop(name, batch_size, run_of):
    model = network(name).double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    cam = SmoothGradCAMPlusPlus(
        model, NETWORKS[name], samples=3, std=0.1, seed=4, batch_size=batch_size
    )
    [found] = cam._weigh(run_of(cam, images, [2, 7]))
    for image, target, weights in zip(images, [2, 7], found, strict=True):
        expected, _ = slow_weights(model, NETWORKS[name], image, target)
        assert expected.abs().max() > 0
        torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e4])
def test_no_logit_is_too_small_or_too_large(name, scale, run_of):
    model = network(name, scale)
    image = torch.randn(1, 3, 64, 64)
    cam = SmoothGradCAMPlusPlus(model, NETWORKS[name], samples=3, std=0.1, seed=4)
    [found] = cam._weigh(run_of(cam, image, 1))
    expected, smallest = slow_weights(model, NETWORKS[name], image[0], 1)
    # Where activations add up to less than zero a denominator can cross zero, and float32
    # gradients do not say on which side.
    safe = smallest > 0.2
    assert safe.float().mean() > 0.5
    peak = expected[safe].abs().max()
    assert peak > 0
    assert (found[0, safe] - expected[safe]).abs().max() <= 1e-3 * peak


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1.0, 1e12])
def test_a_faint_map_does_not_vanish(pooled_linear, images, scale):
    model = pooled_linear(channels=16)
    with torch.no_grad():
        model.head.weight.abs_().mul_(scale)
    found = SmoothGradCAMPlusPlus(model, "after", samples=3)(images, 1)
    assert found.isfinite().all()
    assert found.flatten(1).amax(1).tolist() == [1, 1, 1]


def test_where_the_head_is_linear_noise_changes_nothing(pooled_linear, images):
    model = pooled_linear(channels=8, after=nn.SiLU())
    found = SmoothGradCAMPlusPlus(model, "after", samples=5, signed=True)
    expected = GradCAMPlusPlus(model, "after", signed=True)
    torch.testing.assert_close(
        found(images, 1, normalize=False), expected(images, 1, normalize=False)
    )


def test_without_noise_it_is_grad_cam_plus_plus():
    model, images = network("resnet18").double(), torch.randn(2, 3, 64, 64).double()
    found = SmoothGradCAMPlusPlus(model, "layer3", samples=2, std=0)(images, 1, normalize=False)
    expected = GradCAMPlusPlus(model, "layer3")(images, 1, normalize=False)
    assert expected.max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_noise_follows_the_range_of_each_image():
    cam = SmoothGradCAMPlusPlus(nn.Identity(), samples=2000, std=0.2, batch_size=4000)
    images = torch.stack([torch.linspace(0, 1, 12), torch.linspace(-30, 10, 12)])
    images = images.reshape(2, 3, 2, 2)
    [noisy] = cam._noisy(images)
    deviation = (noisy - images).std(0).flatten(1).mean(1)
    torch.testing.assert_close(deviation, torch.tensor([0.2, 8.0]), rtol=0.03, atol=0)


def test_seeds():
    model, images = network("resnet18"), torch.randn(2, 3, 64, 64)

    def maps(**options):
        return SmoothGradCAMPlusPlus(model, "layer3", samples=2, **options)(images, 1)

    state = torch.random.get_rng_state()
    first = maps(seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(maps(seed=1), first, rtol=0, atol=0)
    assert (maps(seed=2) - first).abs().max() > 1e-3


def test_a_batch_is_its_images_and_its_layers_one_by_one():
    model, images = network("resnet18"), torch.randn(3, 3, 64, 64)
    cam = SmoothGradCAMPlusPlus(model, ["layer2", "layer3"], samples=2, signed=True)
    together = cam(images, [1, 2, 3], normalize=False)
    single = [cam(i[None], t, normalize=False) for i, t in zip(images, [1, 2, 3], strict=True)]
    peak = together.abs().max()
    assert (together - torch.cat(single)).abs().max() <= 1e-3 * peak
    apart = [
        SmoothGradCAMPlusPlus(model, layer, samples=2, signed=True)(
            images, [1, 2, 3], normalize=False
        )
        for layer in ("layer2", "layer3")
    ]
    assert (together - (apart[0] + apart[1]) / 2).abs().max() <= 1e-3 * peak


def test_class_maps_and_clips():
    model = nn.Sequential(
        nn.Conv3d(3, 6, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
    )
    model.append(nn.Linear(6, 4))
    clip = torch.rand(1, 3, 4, 8, 8)
    cam = SmoothGradCAMPlusPlus(model, "0", samples=2, signed=True)
    found = cam.class_maps(clip, [0, 3], normalize=False).maps
    assert found.shape == (2, 4, 8, 8)
    torch.testing.assert_close(found[1:], cam(clip, 3, normalize=False))


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"batch_size": 0}, {"std": -1.0}])
def test_options_out_of_range(wrong, pooled_linear):
    with pytest.raises(InputError, match="must be at least 1, and std 0 or above"):
        SmoothGradCAMPlusPlus(pooled_linear(), **wrong)
