"""AblationCAM against switching one channel off at a time, in float64, on the whole model."""

import copy
import functools
import threading
from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import interpviz.cam.ablation
from interpviz.cam import ClassContrast, ClassProbability, get_target_layer
from interpviz.cam.ablation import Ablation, AblationCAM
from interpviz.cam.engine.inputs import prepare
from interpviz.cam.engine.linear import is_affine
from interpviz.cam.engine.replay import Replay
from interpviz.errors import InputError, LayerError, ZeroMapWarning


def slow_weights(model, layer, images, score, channels=None, axis=1):
    """The weights by the definition: a loop over channels, each a run of the model with a hook."""
    model, images = copy.deepcopy(model).double().eval(), images.double()
    module = get_target_layer(model, layer)
    calls = []
    handle = module.register_forward_hook(lambda *_: calls.append(1))
    shape = []
    handle_of_shape = module.register_forward_hook(lambda *a: shape.append(a[2].shape))
    with torch.no_grad():
        y = score(model(images))
    handle.remove()
    handle_of_shape.remove()
    weights = []
    for k in range(shape[-1][axis]) if channels is None else channels:
        seen = []

        def switch_off(_module, _args, output, k=k, seen=seen):
            seen.append(1)
            if len(seen) == len(calls):
                output = output.clone()
                output.select(axis, k).zero_()
            return output

        handle = module.register_forward_hook(switch_off)
        with torch.no_grad():
            weights.append((y - score(model(images))) / y.abs())
        handle.remove()
    return torch.stack(weights, 1)


def second(logits):
    return logits[:, 1]


def run_of(model, images, layer, target=1, **options):
    cam = AblationCAM(model, layer, **options)
    run = cam._run(prepare(images, cam.model))
    return cam, replace(run, target=cam._choose(target, run.trace.output, run.inputs.count))


def weights_of(model, images, layer, target=1, **options):
    cam, run = run_of(model, images, layer, target, **options)
    return cam._weigh(run)[0]


def made(name):
    torch.manual_seed(0)
    if name == "vit":
        model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
        # It starts with a head of zeros.
        nn.init.normal_(model.heads.head.weight)
    elif name == "swin":
        model = torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5)
    else:
        model = getattr(torchvision.models, name)(num_classes=5)
    return model.eval()


ARCHITECTURES = [
    # Name, layer, image size, channel axis, whether the score is affine in the layer.
    ("resnet18", "layer4", 64, 1, True),
    ("resnet18", "layer4.1.bn2", 64, 1, False),
    ("resnet18", "layer1.0.conv2", 32, 1, False),
    ("mobilenet_v3_small", "features", 64, 1, False),
    ("densenet121", "features", 64, 1, False),
    ("squeezenet1_1", "features", 64, 1, False),
    ("vit", "encoder.layers.encoder_layer_1.ln_1", 32, 2, False),
    ("swin", "features.3.1.norm2", 64, 3, False),
    ("shufflenet_v2_x0_5", "conv5", 64, 1, True),
]


@pytest.mark.parametrize(("name", "layer", "size", "axis", "affine"), ARCHITECTURES)
def test_known_architectures(name, layer, size, axis, affine):
    model = made(name)
    images = torch.rand(2, 3, size, size)
    _, run = run_of(model, images, layer)
    assert is_affine(run.score, run.trace.activations[0]) == affine
    found = weights_of(model.double(), images, layer)
    channels = range(0, found.shape[1], max(1, found.shape[1] // 6))
    expected = slow_weights(model, layer, images, second, channels, axis)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found[:, list(channels)], expected, rtol=1e-7, atol=1e-10)


def test_a_small_vgg():
    torch.manual_seed(0)
    features = torchvision.models.vgg.make_layers([4, "M", 8, "M", 8, "M"])
    model = torchvision.models.VGG(features, num_classes=5)
    model.classifier[0] = nn.Linear(8 * 49, 16)
    model.classifier[3] = nn.Linear(16, 16)
    model.classifier[6] = nn.Linear(16, 5)
    model.double().eval()
    images = torch.rand(2, 3, 32, 32)
    found = weights_of(model, images, "features.7", batch_size=5)
    torch.testing.assert_close(found, slow_weights(model, "features.7", images, second))


class Small(nn.Module):
    """A convolution, its activation, and a head of the test's choice."""

    def __init__(self, head, channels=6):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, 4)
        self.head = head

    def forward(self, x):
        return self.head(self, self.conv(x))


def mean(x):
    return x.mean((2, 3))


HEADS = {
    "mean": lambda m, a: m.linear(mean(a)),
    "relu": lambda m, a: m.linear(mean(a.relu())),
    "relu in place": lambda m, a: m.linear(mean(F.relu(a, inplace=True))),
    "batch norm": lambda m, a: m.linear(mean(m.norm(a))),
    "softmax": lambda m, a: m.linear(mean(a)).softmax(1),
    "norm": lambda m, a: m.linear(mean(a) / mean(a).norm(dim=1, keepdim=True)),
    "attention": lambda m, a: m.linear((a @ a.transpose(2, 3)).sum((2, 3))),
}
AFFINE = {"mean", "batch norm"}


def small(head):
    torch.manual_seed(0)
    model = Small(head)
    nn.init.uniform_(model.norm.running_mean)
    nn.init.uniform_(model.norm.running_var, 0.5, 2)
    return model.double().eval()


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_are_affine_and_not(name):
    model = small(HEADS[name])
    images = torch.rand(2, 3, 8, 8)
    cam, run = run_of(model, images, "conv")
    assert is_affine(run.score, run.trace.activations[0]) == (name in AFFINE)
    if name in AFFINE:
        ablation = Ablation(run, 0, 8)
        [gradient] = run.trace.gradients(run.score, again=True)
        torch.testing.assert_close(ablation.by_gradient(gradient), ablation.by_replay())
        assert ablation.by_gradient(gradient * 1.01) is None
    expected = slow_weights(model, "conv", images, second)
    torch.testing.assert_close(cam._weigh(run)[0], expected)


@pytest.mark.parametrize(
    "head",
    [
        lambda m, a: m.linear(
            mean(a * (mean(a) > mean(a).mean(1, keepdim=True)).to(a)[:, :, None, None])
        ),
        lambda m, a: m.linear(mean(a) + (mean(a).round(decimals=1) - mean(a)).detach()),
        lambda m, a: m.linear(mean(a)) / mean(a).norm(dim=1, keepdim=True).detach(),
        lambda m, a: m.linear(
            a.flatten(2).gather(2, a.sum(1).flatten(1).argmax(1)[:, None, None].expand(-1, 6, 1))[
                :, :, 0
            ]
        ),
    ],
    ids=["hard gate", "straight through", "detached norm", "place of the maximum"],
)
def test_what_the_graph_does_not_show_is_found_out(head):
    model = small(head)
    images = torch.rand(2, 3, 8, 8)
    _, run = run_of(model, images, "conv")
    assert is_affine(run.score, run.trace.activations[0])
    found = weights_of(model, images, "conv")
    torch.testing.assert_close(found, slow_weights(model, "conv", images, second))


def test_a_gradient_bent_by_a_hook_is_found_out():
    model = small(HEADS["mean"])
    model.linear.register_full_backward_hook(lambda _m, grad, _o: (grad[0] * 2,))
    images = torch.rand(2, 3, 8, 8)
    found = weights_of(model, images, "conv")
    torch.testing.assert_close(found, slow_weights(model, "conv", images, second))


@pytest.mark.parametrize("target", [ClassProbability(1), ClassContrast(1, 2), [0, 3], None, second])
@pytest.mark.parametrize("head", ["mean", "relu"])
def test_other_targets(head, target):
    model = small(HEADS[head])
    images = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        predicted = model(images.double()).argmax(1)

    def score(logits):
        if isinstance(target, list):
            return logits[torch.arange(2), target]
        return logits[torch.arange(2), predicted] if target is None else target(logits)

    found = weights_of(model, images, "conv", target)
    torch.testing.assert_close(found, slow_weights(model, "conv", images, score))


@pytest.mark.parametrize("head", ["mean", "relu"])
def test_the_whole_model_gives_the_same(head, monkeypatch):
    model = small(HEADS[head])
    images = torch.rand(2, 3, 8, 8)
    expected = weights_of(model, images, "conv")
    whole = functools.partial(Replay, whole=True)
    monkeypatch.setattr(interpviz.cam.ablation, "Replay", whole)
    torch.testing.assert_close(weights_of(model, images, "conv"), expected)


@pytest.mark.parametrize("head", ["mean", "relu"])
def test_the_map_is_the_formula(head):
    model = small(HEADS[head])
    images = torch.rand(3, 3, 8, 8)
    for sign in (1, -1):
        with torch.no_grad():
            model.linear.weight.mul_(sign).copy_(model.linear.weight.abs() * sign)
            model.linear.bias.fill_(sign * 5)
            activations = model.conv(images.double())
        weights = slow_weights(model, "conv", images, second)
        expected = torch.einsum("nc,nchw->nhw", weights, activations).relu()
        cam = AblationCAM(model, "conv", signed=True)
        maps = cam(images, 1, normalize=False)
        assert (model(images.double())[:, 1].sign() == sign).all()
        torch.testing.assert_close(maps.relu(), expected.float())
        assert maps.abs().max() > 0


@pytest.mark.parametrize("head", ["mean", "relu"])
def test_half_precision_and_autocast(head):
    model = small(HEADS[head]).float()
    images = torch.rand(2, 3, 8, 8)
    expected = AblationCAM(model, "conv")(images, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = AblationCAM(model, "conv")(images, 1)
        assert torch.is_autocast_enabled("cpu")
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)
    found = AblationCAM(model.to(torch.float16), "conv")(images, 1)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)


def test_float32_agrees_with_float64():
    model = made("mobilenet_v3_small")
    images = torch.rand(2, 3, 64, 64)
    found = weights_of(model, images, "features").double()
    expected = weights_of(model.double(), images, "features")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_batch_size_changes_nothing(size):
    model = small(HEADS["relu"])
    images = torch.rand(3, 3, 8, 8)
    expected = AblationCAM(model, "conv")(images, 1)
    seen = []
    model.linear.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0])))
    torch.testing.assert_close(AblationCAM(model, "conv", batch_size=size)(images, 1), expected)
    # The first three runs are of the images themselves; a batch holds whole groups of them.
    assert max(seen[3:]) <= max(3, size)
    single = torch.cat([AblationCAM(model, "conv")(image[None], 1) for image in images])
    torch.testing.assert_close(single, expected)


def test_a_batch_of_no_rows_is_refused(pooled_linear):
    with pytest.raises(InputError, match="batch_size is 0"):
        AblationCAM(pooled_linear(), "conv", batch_size=0)


@pytest.mark.parametrize("after", [nn.Identity(), nn.ReLU()])
def test_a_score_of_zero_gives_no_nan(pooled_linear, images, after):
    model = pooled_linear(after=after)
    with torch.no_grad():
        now = model(images)[:, 1]
    cam = AblationCAM(model, "conv", signed=True)
    maps = cam(images, lambda logits: logits[:, 1] - now, normalize=False)
    assert torch.isfinite(maps).all()
    assert maps.flatten(1).abs().amax(1).min() > 0
    with pytest.warns(ZeroMapWarning):
        maps = cam(images, lambda logits: logits[:, 1] * 0)
    assert (maps == 0).all()


def test_no_gradient_is_needed(pooled_linear, images):
    model = pooled_linear()
    expected = AblationCAM(model, "conv")(images, 1)

    class WithoutGradients(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            with torch.no_grad():
                return self.inner(x)

    torch.testing.assert_close(AblationCAM(WithoutGradients(), "inner.conv")(images, 1), expected)


def test_several_layers(images):
    torch.manual_seed(0)
    model = (
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 5, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(5, 3),
        )
        .double()
        .eval()
    )
    cam, run = run_of(model, images, ["2", "0", "1"])
    assert [is_affine(run.score, a) for a in run.trace.activations] == [True, False, True]
    for name, found in zip("201", cam._weigh(run), strict=True):
        torch.testing.assert_close(found, slow_weights(model, name, images, second))


def test_class_maps_are_those_of_single_calls(pooled_linear, images):
    for layer in ("conv", "after"):
        cam = AblationCAM(pooled_linear(), layer, signed=True)
        found = cam.class_maps(images[0], [0, 2], normalize=False)
        for index, each in zip((0, 2), found.maps, strict=True):
            torch.testing.assert_close(each, cam(images[:1], index, normalize=False)[0])


def test_channels_that_the_users_grid_moves():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 6, 2, 2), nn.LayerNorm(6)
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.norm(self.conv(x).flatten(2).transpose(1, 2)).amax(1))

    model = Tokens().double().eval()
    images = torch.rand(2, 3, 8, 8)
    expected = slow_weights(model, "norm", images, second, axis=2)
    for grid in ((4, 4), lambda t: t.transpose(1, 2).reshape(len(t), 6, 4, 4)):
        torch.testing.assert_close(weights_of(model, images, "norm", grid=grid), expected)
    mixed = AblationCAM(model, "norm", grid=lambda t: t.reshape(len(t), 6, 4, 4))
    with pytest.raises(LayerError, match="channels"):
        mixed(images, 1)


def everything(model):
    return [
        (
            *(m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), sorted(vars(m))),
            *((p.requires_grad, p.grad, p._version) for p in m.parameters(recurse=False)),
        )
        for m in model.modules()
    ]


def test_the_model_is_left_alone(pooled_linear, images):
    for after in (nn.Identity(), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True))):
        model = pooled_linear(after=after).train()
        model.conv.register_forward_hook(lambda *_: None)
        before, values = everything(model), copy.deepcopy(model.state_dict())
        AblationCAM(model, ["conv", "after"])(images, 1)

        def fails_when_changed(logits):
            if not logits.requires_grad:
                raise KeyError
            return logits[:, 0]

        with pytest.raises(KeyError):
            AblationCAM(model, "conv")(images, fails_when_changed)
        assert everything(model) == before
        torch.testing.assert_close(model.state_dict(), values, rtol=0, atol=0)
        assert torch.is_grad_enabled()


def test_two_threads_explain_one_model(images):
    model = small(HEADS["relu in place"]).train()
    batches = [images, images.flip(3)]
    expected = [AblationCAM(model, "conv")(batch, 1) for batch in batches]
    before, wrong = everything(model), []

    def work(i):
        for _ in range(10):
            if not torch.allclose(AblationCAM(model, "conv")(batches[i], 1), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert everything(model) == before
