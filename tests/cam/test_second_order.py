"""ShapleyCAM against full Hessians, closed forms and Shapley values counted out."""

from itertools import permutations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from interpviz.cam import ClassScore, GradCAM
from interpviz.cam.second_order import ResidualSoftmaxScore, ShapleyCAM
from interpviz.errors import GradientError, TargetError


class Quadratic(nn.Module):
    """Two classes, each the square of a weighted mean of the picture itself."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()
        self.weight = nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))

    def forward(self, x):
        return (self.layer(x).mean((2, 3)) @ self.weight.T) ** 2


class Curved(nn.Module):
    """A convolution, and behind it one with smooth activations, so that the Hessian is full."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3, stride=2, padding=1)
        self.body = nn.Sequential(nn.GELU(), nn.Conv2d(3, 5, 3, padding=1), nn.SiLU())
        self.head = nn.Linear(5, 4)

    def behind(self, activation):
        return self.head(self.body(activation).mean((2, 3)))

    def forward(self, x):
        return self.behind(self.stem(x))


def slow_weights(score, activation):
    """The means of g - H A / 2 over positions, with the whole Hessian, for one image."""
    flat = activation.flatten()

    def of_flat(values):
        return score(values.reshape(activation.shape)[None])

    gradient = torch.autograd.functional.jacobian(of_flat, flat)
    hessian = torch.autograd.functional.hessian(of_flat, flat)
    weights = []
    for channel in range(len(activation)):
        total, count = 0.0, activation[0].numel()
        for position in range(count):
            i = channel * count + position
            curved = sum(hessian[i, j] * flat[j] for j in range(len(flat)))
            total += gradient[i] - 0.5 * curved
        weights.append(total / count)
    return torch.stack(weights)


@pytest.mark.parametrize("score", [ClassScore, ResidualSoftmaxScore])
def test_the_weights_are_those_of_the_whole_hessian(score, run_of):
    model = Curved().double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    cam = ShapleyCAM(model, "stem")
    [found] = cam._weigh(run_of(cam, images, score((2, 2))))
    for image, weights in zip(images, found, strict=True):
        activation = model.stem(image[None])[0].detach()
        expected = slow_weights(lambda a: score((2,))(model.behind(a))[0], activation)
        torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer4"), ("mobilenet_v3_small", "features")]
)
def test_it_is_grad_cam_where_the_head_is_affine_and_only_there(name, layer, run_of):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(num_classes=10).eval().double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)

    def weights(method, target):
        cam = method(model, layer)
        return cam._weigh(run_of(cam, images, target))[0]

    def change(target):
        first = weights(GradCAM, target)
        return (weights(ShapleyCAM, target) - first).abs().max() / first.abs().max()

    # MobileNet has a hard swish between its last grid and its logits.
    assert (change(3) == 0) == (name == "resnet18")
    assert change(ResidualSoftmaxScore(3)) > 0


def test_a_quadratic_score_gives_half_of_grad_cam():
    # u = (w . m)^2 has H A = g, so g - H A / 2 is g / 2.
    images = torch.rand(2, 2, 3, 3)
    found = ShapleyCAM(Quadratic(), "layer")(images, 1, normalize=False)
    torch.testing.assert_close(found, GradCAM(Quadratic(), "layer")(images, 1, normalize=False) / 2)


def test_the_channels_of_a_quadratic_score_get_their_shapley_values(run_of):
    # Three players: the channels of a picture, each the same everywhere.
    image = torch.tensor([1.0, 2.0, -1.0])[None, :, None, None].expand(1, 3, 1, 2)
    mix = torch.tensor([[1.0, 0.5, -1.0], [0.5, 0.0, 0.7], [-1.0, 0.7, 3.0]])

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x):
            pooled = self.layer(x).mean((2, 3))
            return torch.stack([torch.einsum("ni,ij,nj->n", pooled, mix, pooled)] * 2, 1)

    def utility(present):
        kept = torch.zeros_like(image)
        kept[:, present] = image[:, present]
        return Mixed()(kept)[0, 0]

    values = torch.zeros(3)
    for order in permutations(range(3)):
        for i, player in enumerate(order):
            before, after = list(order[:i]), list(order[: i + 1])
            values[player] += (utility(after) - utility(before)) / 6
    cam = ShapleyCAM(Mixed(), "layer", signed=True)
    [weights] = cam._weigh(run_of(cam, image, 0))
    torch.testing.assert_close(weights[0] * image[0].sum((1, 2)), values)
    total = cam(image, 0, normalize=False).sum()
    torch.testing.assert_close(total, utility([0, 1, 2]))


def test_several_layers_are_each_their_own(run_of):
    model = Curved().double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    names = ["stem", "body.1"]
    together = ShapleyCAM(model, names)
    found = together._weigh(run_of(together, images, 1))
    for name, weights in zip(names, found, strict=True):
        alone = ShapleyCAM(model, name)
        torch.testing.assert_close(weights, alone._weigh(run_of(alone, images, 1))[0])


def test_a_batch_is_its_images_one_by_one_and_class_maps_share_a_run():
    model, images = Curved().eval(), torch.randn(3, 3, 8, 8)
    cam = ShapleyCAM(model, "stem", signed=True)
    found = cam(images, [0, 1, 2], normalize=False)
    single = [cam(i[None], t, normalize=False) for i, t in zip(images, [0, 1, 2], strict=True)]
    torch.testing.assert_close(found, torch.cat(single))
    maps = cam.class_maps(images[0], [3, 0], normalize=False).maps
    torch.testing.assert_close(maps[1], found[0])
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_attention_and_clips():
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5).eval()
    nn.init.normal_(model.heads[0].weight)
    images = torch.randn(2, 3, 32, 32)
    state = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
    layer = "encoder.layers.encoder_layer_0.ln_1"
    found = ShapleyCAM(model, layer, signed=True, augment=True)(images, 1)
    assert found.abs().amax() == 1
    after = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
    assert after == state
    video = nn.Sequential(nn.Conv3d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    clips = torch.randn(1, 3, 4, 8, 8)
    assert ShapleyCAM(video, "0", signed=True)(clips, 1).shape == (1, 4, 8, 8)


def test_no_gradients_are_asked_of_the_caller():
    model, images = Curved().eval().requires_grad_(False), torch.randn(1, 3, 8, 8)
    cam = ShapleyCAM(model, "stem", signed=True)
    expected = cam(images, 0)
    with torch.inference_mode():
        torch.testing.assert_close(cam(images, 0), expected)


def test_what_cannot_be_differentiated_twice():
    class Insistent(Quadratic):
        def forward(self, x):
            tokens = self.layer(x).flatten(2)
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return mixed.mean(2)

    with pytest.raises(GradientError, match=r"behind layer 'layer' cannot be differentiated twice"):
        ShapleyCAM(Insistent(), "layer")(torch.rand(1, 2, 2, 4), 0)


def test_an_operation_of_torchvision_that_cannot_be_differentiated_twice():
    class Pooled(Quadratic):
        def forward(self, x):
            grid = self.layer(x) ** 2
            boxes = [torch.tensor([[0.0, 0.0, 2.0, 2.0]])] * len(x)
            return torchvision.ops.roi_align(grid, boxes, 2).mean((2, 3)) ** 2

    with pytest.raises(GradientError, match=r"behind layer 'layer' cannot be differentiated twice"):
        ShapleyCAM(Pooled(), "layer")(torch.rand(1, 2, 4, 5), 0)


def test_the_residual_softmax_score_of_groups_is_taken_in_one_call():
    logits = torch.randn(2, 3)
    bound = ResidualSoftmaxScore([2, 0]).bind(logits, None)
    whole = bound.repeated(3)
    torch.testing.assert_close(whole(logits.repeat(3, 1)), bound(logits).repeat(3))


def test_the_residual_softmax_score():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 500.0]], dtype=torch.float64)
    chosen = [0, 2]
    expected = [
        row[c] + (row[c].exp() / row.exp().sum()).log()
        for row, c in zip(logits, chosen, strict=True)
    ]
    expected[1] = logits[1, 2]  # The plain formula overflows nowhere else.
    bound = ResidualSoftmaxScore(["a", "c"]).bind(logits, ["a", "b", "c"])
    torch.testing.assert_close(bound(logits), torch.stack(expected))
    assert bound.describe(1, lambda i: f"<{i}>") == "the residual softmax score of <2>"
    assert str(ResidualSoftmaxScore()) == "the residual softmax score of the predicted class"
    with pytest.raises(TargetError, match="a softmax says nothing: use BinaryScore"):
        ResidualSoftmaxScore().bind(torch.zeros(2, 1), None)
