"""Models as people have them: in place, frozen, half precision, wrapped, with odd outputs."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import GradCAM, GradCAMPlusPlus, get_target_layer
from interpviz.errors import GradientError, InputError, LayerError


@pytest.mark.parametrize("method", [GradCAM, GradCAMPlusPlus])
@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer4.1.bn2"), ("vgg11_bn", "features.26")]
)
def test_an_operation_in_place_behind_the_layer_changes_nothing(method, name, layer):
    model = getattr(torchvision.models, name)(weights=None, num_classes=5).eval()
    assert any(getattr(m, "inplace", False) for m in model.modules())
    images = torch.randn(2, 3, 64, 64)
    found = method(model, layer)(images, 1, normalize=False)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    torch.testing.assert_close(method(model, layer)(images, 1, normalize=False), found)


def test_frozen_parameters_give_the_same_map(pooled_linear, images):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 0)
    torch.testing.assert_close(GradCAM(model.requires_grad_(False), "conv")(images, 0), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("method", [GradCAM, GradCAMPlusPlus])
def test_other_precisions_agree_with_float32(pooled_linear, images, dtype, method):
    model = pooled_linear()
    expected = method(model, "after")(images, 1)
    found = method(model.to(dtype), "after")(images, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_autocast_agrees_and_is_left_on(pooled_linear, images):
    cam = GradCAM(pooled_linear(), "after")
    expected = cam(images, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cam(images, 1)
        assert torch.is_autocast_enabled("cpu")
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_inputs_follow_the_model_to_the_gpu(pooled_linear, images, dtype):
    model = pooled_linear()
    expected = GradCAM(model, "after")(images, 1)
    found = GradCAM(model.to("cuda", dtype), "after")(images, 1)
    assert found.device.type == "cuda"
    torch.testing.assert_close(found.cpu(), expected, atol=0.02, rtol=0)


def test_a_loss_in_front_of_the_scores_is_passed_over(pooled_linear, images):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 1)

    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            y = self.inner(x)
            return {"loss": y.sum(), "scores": y}

    torch.testing.assert_close(GradCAM(WithLoss(), "inner.conv")(images, 1), expected)


@dataclass
class Answer:
    logits: torch.Tensor
    extra: str = "x"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, "aux"),
        lambda y: [y],
        lambda y: {"logits": y, "a": 1},
        lambda y: {"scores": y},
        Answer,
    ],
    ids=["tuple", "list", "logits", "dict", "dataclass"],
)
def test_outputs_that_are_no_tensors(pooled_linear, images, wrap):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 1)

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return wrap(self.inner(x))

    torch.testing.assert_close(GradCAM(Wrapped(), "inner.conv")(images, 1), expected)


def test_a_layer_that_returns_a_tuple(pooled_linear, images):
    class Pair(nn.Module):
        def forward(self, x):
            return x.relu(), x.shape

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = Pair()

        def forward(self, x):
            return self.pair(x)[0]

    model = pooled_linear(after=First())
    expected = GradCAM(model, "after")(images, 1)
    torch.testing.assert_close(GradCAM(model, "after.pair")(images, 1), expected)


def test_a_layer_that_returns_a_named_tuple(pooled_linear, images):
    class Pair(NamedTuple):
        x: torch.Tensor
        note: str

    class Named(nn.Module):
        def forward(self, x):
            return Pair(x.relu(), "note")

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = Named()

        def forward(self, x):
            return self.pair(x).x

    model = pooled_linear(after=First())
    expected = GradCAM(model, "after")(images, 1)
    torch.testing.assert_close(GradCAM(model, "after.pair")(images, 1), expected)


def test_channels_last_grids_are_read_as_such():
    model = torchvision.models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=3)
    model.eval()
    images = torch.rand(2, 3, 64, 96)
    # `permute` turns the output of `norm` into channels first and does nothing else.
    expected = GradCAM(model, "permute")(images, 1, normalize=False)
    found = GradCAM(model, "norm")(images, 1, normalize=False)
    torch.testing.assert_close(found, expected)


def test_a_map_that_overflows_is_refused(pooled_linear, images):
    model = pooled_linear()
    with torch.no_grad():
        model.conv.weight[0] = torch.nan
    with pytest.raises(GradientError, match=r"'conv' has NaN or infinite values.*bfloat16"):
        GradCAM(model, "conv")(images, 0)


def test_compiled_and_parallel_wrappers_are_taken_off(pooled_linear, images):
    model = pooled_linear()
    expected = GradCAM(model, "conv")(images, 1)
    compiled = torch.compile(model, backend="eager")
    compiled(images)
    for wrapped in (compiled, nn.DataParallel(model), torch.compile(nn.DataParallel(model))):
        torch.testing.assert_close(GradCAM(wrapped, "conv")(images, 1), expected)
        torch.testing.assert_close(GradCAM(wrapped, model.conv)(images, 1), expected)
    for name in ("module.conv", "_orig_mod.conv"):
        assert get_target_layer(nn.DataParallel(model), name) is model.conv


def test_of_a_layer_that_runs_twice_the_last_run_is_explained(pooled_linear, images):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)
            self.last = nn.Identity()

        def forward(self, x):
            x = self.relu(x)
            return self.last(self.relu(self.conv(x) + x))

    model = pooled_linear(after=Twice())
    expected = GradCAM(model, "after.last")(images, 1)
    torch.testing.assert_close(GradCAM(model, "after.relu")(images, 1), expected)


@pytest.mark.parametrize("order", [("conv", "after"), ("after", "conv")])
def test_several_layers_are_averaged_each_on_its_own_scale(pooled_linear, images, order):
    model = pooled_linear(after=nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    mean = sum(GradCAM(model, name)(images, 1) for name in order) / 2
    found = GradCAM(model, list(order))(images, 1)
    torch.testing.assert_close(found, mean / mean.flatten(1).amax(1)[:, None, None])
    raw = sum(GradCAM(model, name)(images, 1, normalize=False) for name in order) / 2
    found = GradCAM(model, list(order))(images, 1, normalize=False)
    torch.testing.assert_close(found, raw)


def test_memory_is_that_of_inference():
    """No graph is kept before the layer: nothing there is saved for a backward pass."""
    model = torchvision.models.resnet18(weights=None, num_classes=5).eval()
    saved: list[int] = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        GradCAM(model, "layer4")(torch.randn(1, 3, 64, 64), 1, normalize=False)
    layer4 = 512 * 2 * 2
    assert sum(saved) <= layer4 + 512 * 6


def test_a_model_that_turns_gradients_off_is_named(pooled_linear, images):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            with torch.no_grad():
                x = self.body(x)
            return self.head(x.mean((2, 3)))

    with pytest.raises(GradientError, match=r"'body'.*no_grad.*troubleshooting/#no-gradients"):
        GradCAM(Frozen(), "body")(images, 0)


def test_a_layer_off_the_path(pooled_linear, images):
    model = pooled_linear()
    model.unused = nn.Conv2d(3, 3, 1)
    with pytest.raises(LayerError, match="'unused' was not used"):
        GradCAM(model, "unused")(images, 0)

    class Side(nn.Module):
        def __init__(self):
            super().__init__()
            self.side = nn.Conv2d(3, 3, 1)
            self.main = model

        def forward(self, x):
            self.side(x)
            return self.main(x)

    with pytest.raises(GradientError, match="does not depend on layer 'side'"):
        GradCAM(Side(), ["side", "main.conv"])(images, 0)


def test_no_layer_is_found_where_there_is_no_grid_before_the_scores(pooled_linear, images):
    vit = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=3)
    with pytest.raises(LayerError, match="No layer could be chosen for VisionTransformer"):
        GradCAM(vit)(torch.rand(1, 3, 32, 32))
    with pytest.raises(LayerError, match="No layer could be chosen"):
        GradCAM(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))(images)
    with pytest.raises(LayerError, match="No layer could be chosen"):
        GradCAM(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))(images)


def test_the_layer_found_is_remembered(pooled_linear, images):
    cam = GradCAM(pooled_linear())
    cam(images, 1)
    assert cam.target_layers == [cam.model.after]


def test_a_mistyped_layer_names_the_nearest(pooled_linear):
    model = torchvision.models.vgg11(weights=None, num_classes=2)
    with pytest.raises(LayerError, match=r"VGG has no layer 'feature\.19'\. .*'features\.19'"):
        GradCAM(model, "feature.19")
    with pytest.raises(LayerError, match="has no layer ''"):
        get_target_layer(model, "")
    with pytest.raises(LayerError, match="Conv2d is not part of this VGG"):
        GradCAM(model, nn.Conv2d(3, 3, 1))


@pytest.mark.parametrize("layer", [5, [], [3], [["conv"]]])
def test_what_is_no_layer(pooled_linear, layer):
    with pytest.raises(LayerError, match="a module"):
        GradCAM(pooled_linear(), layer)


@pytest.mark.parametrize("model", [None, "resnet50", lambda x: x])
def test_what_is_no_model(model):
    with pytest.raises(InputError, match=r"not an nn.Module: .*`m\.model`"):
        GradCAM(model)


def test_a_layer_without_a_grid(pooled_linear, images):
    model = pooled_linear()
    with pytest.raises(LayerError, match=r"'head' has no spatial grid.*\(3, 3\)"):
        GradCAM(model, "head")(images, 0)
    with pytest.raises(LayerError, match=r"'pool' has no spatial grid.*\(3, 4, 1, 1\)"):
        GradCAM(model, "pool")(images, 0)
