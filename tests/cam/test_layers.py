"""The layer that is found for a model, and what is said where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision import models as tv

from interpviz.cam import CAM, GradCAM, find_target_layer
from interpviz.cam.engine.grids import as_grid, layout_of
from interpviz.cam.engine.hooks import first_tensor
from interpviz.cam.engine.layers import layer_name
from interpviz.errors import LayerError

CLASSES = 4


@dataclass
class Family:
    build: Callable[..., nn.Module]
    layer: str
    size: int = 64


def builder(name, **options):
    return partial(tv.get_model, name, weights=None, num_classes=CLASSES, **options)


def resnet(**options):
    return tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES, **options)


def without_wide_layers(name, features):
    """A model whose wide classifier, which takes seconds to fill, is a single layer."""
    with torch.device("meta"):
        model = builder(name)()
        model.classifier = nn.Linear(features, CLASSES)
    model.to_empty(device="cpu")
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return model


def convnext():
    blocks = [tv.convnext.CNBlockConfig(8, 16, 1), tv.convnext.CNBlockConfig(16, None, 1)]
    return tv.ConvNeXt(blocks, layer_scale=1.0, num_classes=CLASSES)


def maxvit():
    return tv.MaxVit((64, 64), 8, 2, [8, 16], [1, 1], 8, 0.0, num_classes=CLASSES)


def swin(**options):
    return tv.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=CLASSES, **options)


def vit():
    model = tv.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=CLASSES)
    # The head begins as zeros.
    nn.init.normal_(model.heads.head.weight)
    return model


FAMILIES = {
    "alexnet": Family(partial(without_wide_layers, "alexnet", 9216), "features.11"),
    "convnext": Family(convnext, "features"),
    "densenet": Family(partial(tv.DenseNet, 8, (2, 2), 16, num_classes=CLASSES), "features"),
    "efficientnet_b": Family(builder("efficientnet_b0"), "features"),
    "efficientnet_v2": Family(builder("efficientnet_v2_s"), "features"),
    "googlenet": Family(builder("googlenet", aux_logits=False, init_weights=False), "inception5b"),
    "inception": Family(
        builder("inception_v3", aux_logits=False, init_weights=False), "Mixed_7c", 128
    ),
    "maxvit": Family(maxvit, "blocks.1"),
    "mnasnet": Family(builder("mnasnet0_5"), "layers"),
    "mobilenet_v2": Family(builder("mobilenet_v2"), "features"),
    "mobilenet_v3": Family(builder("mobilenet_v3_small"), "features"),
    "regnet_x": Family(builder("regnet_x_400mf"), "trunk_output"),
    "regnet_y": Family(builder("regnet_y_400mf"), "trunk_output"),
    "resnet": Family(builder("resnet18"), "layer4"),
    "resnext": Family(partial(resnet, groups=32, width_per_group=4), "layer4"),
    "shufflenet": Family(builder("shufflenet_v2_x0_5"), "conv5"),
    "squeezenet": Family(builder("squeezenet1_1"), "classifier.2"),
    "swin_": Family(swin, "permute"),
    "swin_v2": Family(
        partial(
            swin,
            block=tv.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=tv.swin_transformer.PatchMergingV2,
        ),
        "permute",
    ),
    "vgg": Family(partial(without_wide_layers, "vgg16", 25088), "features.29"),
    "vgg_bn": Family(partial(without_wide_layers, "vgg11_bn", 25088), "features.27"),
    "vit": Family(vit, "encoder.layers.encoder_layer_2.ln_1", 32),
    "wide_resnet": Family(partial(resnet, width_per_group=128), "layer4"),
}


def test_every_family_of_torchvision_is_in_the_table():
    for name in tv.list_models(module=torchvision.models):
        plain = name[:3] + "_bn" if name.startswith("vgg") and name.endswith("_bn") else name
        assert any(plain.startswith(family) for family in FAMILIES), name


def check(model: nn.Module, images: torch.Tensor, layer: str) -> None:
    """The layer, and that there is something to see and nothing coarser before the scores."""
    model.eval()
    found = find_target_layer(model, images)
    assert layer_name(model, found) == layer
    assert "Pool" not in type(found).__name__
    cam: CAM = GradCAM(model, signed=True)
    maps = cam(images, normalize=False)
    assert cam.target_layers == [found]
    assert maps.shape == (len(images), *images.shape[2:])
    assert (maps.flatten(1).amax(1) > maps.flatten(1).amin(1)).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_layer_of_torchvisions_families(name):
    family = FAMILIES[name]
    check(family.build(), torch.randn(2, 3, family.size, family.size), family.layer)


@pytest.mark.parametrize(
    ("name", "layer"), [("r3d_18", "layer4"), ("mc3_18", "layer4"), ("swin3d_t", "norm")]
)
def test_the_layer_of_video_models(name, layer):
    model = getattr(tv.video, name)(weights=None, num_classes=CLASSES)
    check(model, torch.randn(1, 3, 4, 64, 64), layer)


def test_the_layer_of_video_tokens():
    block = tv.video.mvit.MSBlockConfig
    first = block(1, 8, 16, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2])
    second = block(2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1])
    model = tv.video.MViT(
        (64, 64), 4, [first, second, second], False, False, False, 0.0, num_classes=CLASSES
    )
    check(model, torch.randn(1, 3, 4, 64, 64), "blocks.2.norm1")


VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
    "intermediate_size": 32,
    "image_size": 32,
    "num_labels": CLASSES,
}
STAGES = {
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 4,
    "image_size": 64,
    "num_labels": CLASSES,
}
CONV = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "num_labels": CLASSES}
PYRAMID = {
    "hidden_sizes": [8, 16, 16, 32],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 2, 2, 2],
    "num_labels": CLASSES,
}


@pytest.mark.parametrize("attention", [{}, {"attn_implementation": "eager"}], ids=str)
@pytest.mark.parametrize(
    ("name", "options", "size", "end"),
    [
        ("ViT", VIT, 32, ".1.layernorm_before"),
        ("DeiT", VIT, 32, ".1.layernorm_before"),
        ("Beit", VIT, 32, ".1"),
        ("Beit", VIT | {"use_mean_pooling": False}, 32, ".1.layernorm_before"),
        ("Dinov2WithRegisters", VIT, 32, "dinov2_with_registers"),
        ("Swin", STAGES, 64, "swin.layernorm"),
        ("ConvNext", CONV, 64, "convnext.encoder"),
        ("Segformer", PYRAMID, 64, "segformer"),
        ("Pvt", PYRAMID | {"image_size": 64}, 64, ".3.0.layer_norm_1"),
    ],
)
def test_the_layer_of_transformers(name, options, size, end, attention):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{name}Config")(**options, **attention)
    model = getattr(transformers, f"{name}ForImageClassification")(config)
    images = torch.randn(2, 3, size, size)
    layer = layer_name(model, find_target_layer(model.eval(), images))
    assert layer.endswith(end)
    check(model, images, layer)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("name", "options", "layer"),
    [
        ("vit_tiny_patch16_224", {"depth": 2}, "blocks.1.norm1"),
        ("vit_tiny_patch16_224", {"depth": 2, "global_pool": "avg"}, "blocks"),
        ("deit_tiny_distilled_patch16_224", {"depth": 2}, "blocks.1.norm1"),
        ("vit_tiny_patch16_224", {"depth": 2, "reg_tokens": 4}, "blocks.1.norm1"),
        ("vit_tiny_patch16_224", {"depth": 2, "qk_norm": True}, "blocks.1.norm1"),
        ("cait_xxs24_224", {"depth": 1}, "blocks_token_only.1.norm1"),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1), "num_heads": (3, 6)}, "norm"),
        ("convnext_atto", None, "stages"),
        ("mixer_s16_224", {}, "norm"),
    ],
)
def test_the_layer_of_timm(name, options, layer, fused):
    timm = pytest.importorskip("timm")
    sized = {} if options is None else {"img_size": 64, **options}
    model = timm.create_model(name, num_classes=CLASSES, **sized)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    for parameter in model.parameters():
        # Some heads begin as zeros.
        if parameter.ndim == 2 and not parameter.any():
            nn.init.normal_(parameter)
    check(model, torch.randn(2, 3, 64, 64), layer)


def by_hand(model, layer, images, target, channels_first):
    """Grad-CAM at a layer whose output a function turns into (N, C, h, w)."""
    kept = []
    with layer.register_forward_hook(lambda _m, _a, output: kept.append(output)):
        output = model(images)
    scores = getattr(output, "logits", output)
    gradient = torch.autograd.grad(scores[:, target].sum(), kept[0])[0]
    weights = channels_first(gradient).mean((2, 3), keepdim=True)
    coarse = (weights * channels_first(kept[0])).sum(1, keepdim=True).relu()
    return F.interpolate(coarse, images.shape[2:], mode="bilinear")[:, 0].detach()


def test_the_swins_of_timm_and_transformers_on_an_oblong_image():
    timm, transformers = pytest.importorskip("timm"), pytest.importorskip("transformers")
    images = torch.randn(2, 3, 64, 96)
    model = timm.create_model(
        "swin_tiny_patch4_window7_224",
        img_size=(64, 96),
        window_size=4,
        depths=(1, 1),
        num_heads=(3, 6),
        num_classes=CLASSES,
    ).eval()
    expected = by_hand(model, model.norm, images, 1, lambda t: t.permute(0, 3, 1, 2))
    torch.testing.assert_close(GradCAM(model)(images, 1, normalize=False), expected)
    config = transformers.SwinConfig(**STAGES | {"image_size": (64, 96)})
    model = transformers.SwinForImageClassification(config).eval()
    expected = by_hand(model, model.swin.layernorm, images, 1, lambda t: t.mT.unflatten(2, (8, 12)))
    torch.testing.assert_close(GradCAM(model)(images, 1, normalize=False), expected)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_layer_before_the_last_attention(norm_first, batch_first):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 4, 4)
            self.first = nn.Parameter(torch.randn(1, 1, 8))
            layer = nn.TransformerEncoderLayer(
                8, 2, 16, norm_first=norm_first, batch_first=batch_first
            )
            self.body = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
            self.head = nn.Linear(8, CLASSES)

        def forward(self, x):
            x = self.patch(x).flatten(2).mT
            x = torch.cat([self.first.expand(len(x), -1, -1), x], 1)
            x = self.body(x if batch_first else x.transpose(0, 1))
            return self.head(x[:, 0] if batch_first else x[0])

    check(
        Reader(),
        torch.randn(2, 3, 16, 24),
        "body.layers.2.norm1" if norm_first else "body.layers.1",
    )


def test_tokens_of_a_text_are_passed_over():
    class TwoTowers(nn.Module):
        """The text has as many tokens as the image has patches, and is read last."""

        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 4, 4)
            self.image_norm = nn.LayerNorm(8)
            self.words = nn.Embedding(10, 8)
            self.text_norm = nn.LayerNorm(8)

        def forward(self, x, text):
            image = self.image_norm(self.patch(x).flatten(2).mT).mean(1)
            return image @ self.text_norm(self.words(text)).mean(1).T

    inputs = (torch.randn(2, 3, 16, 16), torch.randint(10, (1, 16)))
    model = TwoTowers()
    for frozen in (False, True):
        model.requires_grad_(not frozen)
        assert layer_name(model, find_target_layer(model, inputs)) == "image_norm"


def test_an_output_that_nobody_reads_is_passed_over(pooled_linear, images):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = pooled_linear().conv

        def forward(self, x):
            x = self.body(x)
            return {"hidden": x, "pooled": x.mean((2, 3))}

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = Both()
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x):
            return self.head(self.both(x)["pooled"])

    model = Reader()
    assert layer_name(model, find_target_layer(model, images)) == "both.body"


def test_a_frozen_stem_and_an_image_changed_in_place(pooled_linear, images):
    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 1)
            self.inner = pooled_linear()

        def forward(self, x):
            x.sub_(0.5)
            with torch.no_grad():
                x = self.stem(x)
            return self.inner(x)

    kept = images.clone()
    for frozen in (False, True):
        model = Stem().requires_grad_(not frozen)
        assert layer_name(model, find_target_layer(model, images)) == "inner.after"
    assert torch.equal(images, kept)


def test_where_all_gradients_are_zero():
    dead = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5), nn.ReLU())
    nn.init.constant_(dead[3].bias, -100)
    images = torch.rand(1, 3, 8, 8)
    assert layer_name(dead, find_target_layer(dead, images)) == "1"
    untrained = tv.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=CLASSES)
    with pytest.raises(LayerError, match="no gradient at a layer with a grid"):
        find_target_layer(untrained, torch.rand(1, 3, 32, 32))


def test_the_grid_of_the_user_is_used():
    class Unfolded(nn.Module):
        """Patches without a convolution, which tell nothing about an oblong grid."""

        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(48, 8)
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, CLASSES)

        def forward(self, x):
            x = F.unfold(x, 4, stride=4).mT
            return self.head(self.norm(self.embed(x)).mean(1))

    model, images = Unfolded(), torch.rand(1, 3, 18, 26)
    with pytest.raises(LayerError, match=r"`grid=\(height, width\)`"):
        find_target_layer(model, images)
    for grid in ((4, 6), lambda t: t.mT.unflatten(2, (4, 6))):
        layout = layout_of(model, images, grid)
        assert find_target_layer(model, images, layout) is model.norm


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "no gradient at a layer with a grid"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), r"of shape \(1, 3, 8, 8\) is not \(batch"),
        (nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (24, 8)), nn.LSTM(8, 4)), r"is not \(batch"),
    ],
)
def test_models_without_such_a_layer(model, reason, images):
    with pytest.raises(LayerError, match=f"No layer could be chosen for Sequential.*{reason}"):
        find_target_layer(model, images)


def test_outputs_that_are_no_class_scores(images):
    segmenter = tv.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    )
    with pytest.raises(LayerError, match=r"LRASPP, since .*not \(batch, classes\): name one"):
        find_target_layer(segmenter, torch.rand(1, 3, 64, 64))

    class Detector(nn.Module):
        def forward(self, x):
            return [{"boxes": image.mean((1, 2))} for image in x]

    with pytest.raises(LayerError, match="it returns list, not class scores: name one"):
        find_target_layer(Detector(), images)


def test_a_model_that_turns_gradients_off(images):
    class Off(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, CLASSES, 1)

        def forward(self, x):
            return self.body(x).mean((2, 3)).detach()

    with pytest.raises(LayerError, match="turns gradients off"):
        find_target_layer(Off(), images)


def test_the_model_is_left_as_it_was(pooled_linear, images):
    model = pooled_linear().train()
    model.pool.eval()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    with torch.inference_mode():
        assert find_target_layer(model, images) is model.after
    assert model.training
    assert not model.pool.training
    assert torch.equal(model.conv.weight.grad, torch.ones_like(model.conv.weight))
    assert model.head.weight.grad is None
    assert not any(m._forward_hooks for m in model.modules())
    assert not images.requires_grad
    with pytest.raises(RuntimeError):
        find_target_layer(model, torch.rand(1, 5, 8, 8))
    assert not any(m._forward_hooks for m in model.modules())


def test_the_grid_found_lies_on_the_image():
    """A patch that changes alone moves its own token most, after two blocks of attention."""
    timm = pytest.importorskip("timm")
    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=CLASSES, depth=2, reg_tokens=4, img_size=(48, 80)
    ).eval()
    images = torch.zeros(1, 3, 48, 80)
    layer = find_target_layer(model, images)
    grids = []
    for change in (0, 1):
        images[:, :, 16:32, 48:64] = change
        kept = []
        with layer.register_forward_hook(lambda _m, _a, out, kept=kept: kept.append(out)):
            model(images)
        grids.append(as_grid(first_tensor(kept[0]), "layer", layout_of(model, images)))
    moved = (grids[1] - grids[0]).norm(dim=1)[0]
    assert moved.shape == (3, 5)
    assert divmod(moved.argmax().item(), 5) == (1, 3)
