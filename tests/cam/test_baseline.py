"""The random baseline: what its weights follow from, and what they do not."""

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam.baseline import RandomCAM


class Shown(nn.Module):
    """Returns the picture itself as activations; its output cannot be differentiated."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x):
        return {"kind": self.layer(x).detach().sum((1, 2, 3)) > 0}


def weights_of(cam, images, run_of):
    return cam._weigh(run_of(cam, images, None))


def test_weights_are_even_in_minus_one_to_one(run_of):
    [weights] = weights_of(RandomCAM(Shown(), "layer"), torch.rand(4, 5000, 2, 2), run_of)
    assert weights.shape == (4, 5000)
    assert -1 <= weights.min() < -0.99
    assert 0.99 < weights.max() <= 1
    histogram = torch.histc(weights, 10, -1, 1) / weights.numel()
    assert (histogram - 0.1).abs().max() < 0.01


@pytest.mark.parametrize(
    ("name", "layers"), [("resnet18", ["layer3", "layer4"]), ("mobilenet_v3_small", "features")]
)
def test_the_map_is_the_sum_of_weighed_channels(name, layers, run_of):
    model = getattr(torchvision.models, name)(num_classes=10).eval()
    images = torch.randn(2, 3, 64, 64)
    cam = RandomCAM(model, layers, signed=True)
    run = run_of(cam, images, None)
    expected = 0
    for activation, weights in zip(run.activations, cam._weigh(run), strict=True):
        small = torch.zeros(2, *activation.shape[2:], dtype=torch.float64)
        for n in range(2):
            for k in range(activation.shape[1]):
                small[n] += weights[n, k].double() * activation[n, k].double()
        large = nn.functional.interpolate(small[:, None], size=(64, 64), mode="bilinear")[:, 0]
        expected = expected + large / len(run.activations)
    found = cam(images, normalize=False)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_an_image_has_its_weights_in_every_batch(run_of):
    images = torch.rand(3, 8, 4, 4)
    cam = RandomCAM(Shown(), "layer")
    [together] = weights_of(cam, images, run_of)
    [turned] = weights_of(cam, images.flip(0), run_of)
    torch.testing.assert_close(turned.flip(0), together, rtol=0, atol=0)
    [single] = weights_of(cam, images[1:2], run_of)
    torch.testing.assert_close(single, together[1:2], rtol=0, atol=0)
    assert (together[0] - together[1]).abs().max() > 0.1
    assert (together[1] - together[2]).abs().max() > 0.1


def test_seeds_and_the_global_generator(run_of):
    images = torch.rand(2, 8, 4, 4)
    state = torch.random.get_rng_state()
    first, again, other = (
        weights_of(RandomCAM(Shown(), "layer", seed=seed), images, run_of)[0] for seed in (0, 0, -7)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1


def test_a_map_is_zero_only_where_the_layer_is():
    # Channels that are all the same everywhere: half of all weights would leave nothing.
    images = torch.rand(40, 3, 1, 1).expand(40, 3, 4, 4)
    found = RandomCAM(Shown(), "layer")(images)
    assert found.flatten(1).amax(1).tolist() == [1] * 40


def test_layers_do_not_share_weights_and_clips_have_them(run_of):
    model = nn.Sequential(nn.Conv3d(3, 6, 3, padding=1), nn.ReLU(), nn.Identity())
    clips = torch.rand(2, 3, 4, 8, 8, dtype=torch.bfloat16)
    cam = RandomCAM(model.bfloat16(), ["1", "2"])
    first, second = weights_of(cam, clips, run_of)
    assert (first.abs() - second.abs()).abs().max() > 0.1
    assert cam(clips).shape == (2, 4, 8, 8)
