"""LeGrad against the definition, with attention weights that are differentiated themselves."""

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import LeGrad, methods
from interpviz.cam.engine.heads import attention_blocks
from interpviz.errors import InputError, LayerError

timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")


def timm_vit(**options) -> nn.Module:
    options = {"img_size": 32, "patch_size": 8, "depth": 3, "num_classes": 5} | options
    model = timm.models.VisionTransformer(embed_dim=24, num_heads=3, **options).eval()
    with torch.no_grad():
        # Fresh weights attend so evenly that nothing would be told apart.
        for block in model.blocks:
            block.attn.qkv.weight.mul_(15)
    return model


def mapped_from_timm(source: nn.Module) -> nn.Module:
    """The same network as torchvision writes it, with `nn.MultiheadAttention`."""
    model = torchvision.models.VisionTransformer(32, 8, 3, 3, 24, 96, num_classes=5).eval()
    model.encoder.ln.eps = source.norm.eps
    with torch.no_grad():
        model.class_token.copy_(source.cls_token)
        model.encoder.pos_embedding.copy_(source.pos_embed)
        pairs = [
            (model.conv_proj, source.patch_embed.proj),
            (model.encoder.ln, source.norm),
            (model.heads[0], source.head),
        ]
        for ours, theirs in zip(model.encoder.layers, source.blocks, strict=True):
            attention = ours.self_attention
            attention.in_proj_weight.copy_(theirs.attn.qkv.weight)
            attention.in_proj_bias.copy_(theirs.attn.qkv.bias)
            pairs += [
                (attention.out_proj, theirs.attn.proj),
                (ours.ln_1, theirs.norm1),
                (ours.ln_2, theirs.norm2),
                (ours.mlp[0], theirs.mlp.fc1),
                (ours.mlp[3], theirs.mlp.fc2),
            ]
        for ours, theirs in pairs:
            ours.load_state_dict(theirs.state_dict())
    return model


def keep_in(kept: list):
    return lambda _, args: kept.append(args[0])


def by_definition(model: nn.Module, images: torch.Tensor, target: int) -> torch.Tensor:
    """Each block's attention weights in the graph, and the head behind its own tokens."""
    for block in model.blocks:
        block.attn.fused_attn = False
    tokens = model._pos_embed(model.patch_embed(images))
    maps = []
    for block in model.blocks:
        kept = []
        handle = block.attn.attn_drop.register_forward_pre_hook(keep_in(kept))
        tokens = block(model.norm_pre(tokens))
        handle.remove()
        score = model.forward_head(model.norm(tokens))[:, target].sum()
        [gradient] = torch.autograd.grad(score, kept, retain_graph=True)
        maps.append(gradient.clamp(min=0).mean((1, 2)))
        tokens = tokens.detach().requires_grad_()
    mean = sum(maps) / len(maps)
    small = mean[:, model.num_prefix_tokens :].unflatten(1, (4, 4))
    return nn.functional.interpolate(small[:, None], size=(32, 32), mode="bilinear")[:, 0]


@pytest.mark.parametrize(
    "options",
    [{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 3, "init_values": 0.5}],
    ids=["class token", "mean", "registers"],
)
def test_legrad_equals_its_definition(options):
    model, images = timm_vit(**options), torch.randn(2, 3, 32, 32)
    expected = by_definition(model, images, 2).detach()
    for fused in (True, False):
        for block in model.blocks:
            block.attn.fused_attn = fused
        found = LeGrad(model)(images, 2, normalize=False)
        assert expected.max() > 0
        assert (found - expected).abs().max() <= 1e-5 * expected.max()


def test_every_way_to_write_attention_gives_the_same_map():
    source, images = timm_vit(), torch.randn(2, 3, 32, 32)
    mapped = mapped_from_timm(source)
    torch.testing.assert_close(mapped(images), source(images), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        LeGrad(mapped)(images, 1), LeGrad(source)(images, 1), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_models_of_transformers(implementation):
    config = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96,
        image_size=32, patch_size=8, num_labels=5, attn_implementation=implementation,
    )  # fmt: skip
    theirs = transformers.ViTForImageClassification(config).eval()
    source = timm_vit()
    source.norm.eps = config.layer_norm_eps
    with torch.no_grad():
        theirs.vit.embeddings.cls_token.copy_(source.cls_token)
        theirs.vit.embeddings.position_embeddings.copy_(source.pos_embed)
        embedding = theirs.vit.embeddings.patch_embeddings.projection
        pairs = [
            (embedding, source.patch_embed.proj),
            (theirs.vit.layernorm, source.norm),
            (theirs.classifier, source.head),
        ]
        for block, timms in zip(theirs.vit.layers, source.blocks, strict=True):
            timms.norm1.eps = timms.norm2.eps = config.layer_norm_eps
            attention = block.attention
            thirds = zip(timms.attn.qkv.weight.chunk(3), timms.attn.qkv.bias.chunk(3), strict=True)
            for part, (weight, bias) in zip("qkv", thirds, strict=True):
                linear = getattr(attention, f"{part}_proj")
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)
            pairs += [
                (attention.o_proj, timms.attn.proj),
                (block.layernorm_before, timms.norm1),
                (block.layernorm_after, timms.norm2),
                (block.mlp.fc1, timms.mlp.fc1),
                (block.mlp.fc2, timms.mlp.fc2),
            ]
        for ours, other in pairs:
            ours.load_state_dict(other.state_dict())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(theirs(images).logits, source(images), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        LeGrad(theirs)(images, 1), LeGrad(source)(images, 1), atol=1e-4, rtol=1e-4
    )


def test_one_by_one_and_other_classes():
    model, images = timm_vit(), torch.randn(3, 3, 32, 32)
    cam = LeGrad(model)
    together = cam(images, [0, 1, 2])
    single = torch.cat([cam(images[i : i + 1], i) for i in range(3)])
    torch.testing.assert_close(together, single, atol=1e-5, rtol=1e-4)
    found = cam.class_maps(images[0], [0, 1])
    torch.testing.assert_close(found.maps[:1], together[:1], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found.maps[0], found.maps[1])


def test_the_image_tower_of_clip_is_meant():
    tower = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    vision = transformers.CLIPVisionConfig(image_size=32, patch_size=8, **tower)
    text = transformers.CLIPTextConfig(vocab_size=40, max_position_embeddings=9, **tower)
    model = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    ).eval()
    assert attention_blocks(model) == list(model.vision_model.encoder.layers)
    given = {"input_ids": torch.randint(0, 40, (2, 7)), "pixel_values": torch.randn(1, 3, 32, 32)}
    maps = LeGrad(model)(given, lambda logits: logits[:, 0])
    assert maps.shape == (1, 32, 32)
    assert maps.max() == 1


def test_networks_without_such_blocks():
    swin = torchvision.models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=3)
    for model in (torchvision.models.resnet18(weights=None), swin):
        assert "legrad" not in methods(model)
        with pytest.raises(LayerError, match="found no transformer blocks"):
            LeGrad(model)
    assert "legrad" in methods(timm_vit())


def test_a_layer_without_attention_is_named():
    model = timm_vit()
    with pytest.raises(LayerError, match="Mlp has 0 attention modules"):
        LeGrad(model, ["blocks.0.mlp", "blocks.2"])(torch.randn(1, 3, 32, 32), 0)


def attention_between_channels() -> nn.Module:
    class Between(nn.Module):
        def __init__(self):
            super().__init__()
            self.num_heads = 3
            self.qkv = nn.Linear(24, 72)
            self.proj = nn.Linear(24, 24)

        def forward(self, x, **_):
            q, k, v = self.qkv(x).unflatten(-1, (3, 3, 8)).permute(2, 0, 3, 4, 1)
            return self.proj(((q @ k.mT).softmax(-1) @ v).permute(0, 3, 1, 2).flatten(2))

    model = timm_vit(class_token=False, global_pool="avg")
    for block in model.blocks:
        block.attn = Between()
    return model


REFUSED = {
    "samvit": (
        lambda: timm.models.VisionTransformerSAM(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5,
            window_size=2, global_attn_indexes=(1,), neck_chans=8,
        ),
        "blocks",
        "ran on 4 sequences for 1 images|does not work on one sequence",
    ),
    "xcit": (
        lambda: timm.models.Xcit(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
        ),
        "blocks",
        "has 0 attention modules",
    ),
    "beit": (
        lambda: timm.models.Beit(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
        ),
        "blocks",
        "has 0 attention modules",
    ),
    "eva": (
        lambda: timm.models.Eva(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
        ),
        "blocks",
        "has 0 attention modules",
    ),
    "swin": (
        lambda: transformers.SwinForImageClassification(
            transformers.SwinConfig(
                image_size=32, patch_size=4, embed_dim=12, depths=[1, 1], num_heads=[2, 2],
                window_size=4, num_labels=5,
            )
        ),
        "swin.encoder.layers",
        "has 0 attention modules",
    ),
    "efficientformer": (
        lambda: timm.create_model(
            "efficientformer_l1", depths=(1, 1, 1, 2), embed_dims=(8, 8, 8, 16), num_vit=1,
            num_classes=5,
        ),
        None,
        None,
    ),
    "crossvit": (
        lambda: timm.models.CrossVit(
            img_size=32, img_scale=(1.0, 1.0), patch_size=(8, 16), embed_dim=(8, 16),
            depth=((1, 1, 0),), num_heads=(2, 2), mlp_ratio=(2, 2, 1), num_classes=5,
        ),
        None,
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_models_whose_heads_cannot_be_read(name):
    build, container, message = REFUSED[name]
    model = build().eval()
    assert "legrad" not in methods(model)
    with pytest.raises(LayerError, match="found no transformer blocks"):
        LeGrad(model)
    if container:
        with pytest.raises(LayerError, match=message):
            LeGrad(model, list(model.get_submodule(container)))(torch.rand(1, 3, 32, 32), 0)


def test_what_only_a_call_shows():
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(LayerError, match="does not hand on weighted sums of its values"):
        LeGrad(attention_between_channels())(images, 0)

    model = timm_vit()
    forward = model.blocks[1].attn.forward

    def in_halves(x, **options):
        return forward(x[:, :16].reshape(-1, 8, 24), **options).reshape(2, 16, 24).repeat(1, 2, 1)

    model.blocks[1].attn.forward = lambda x, **o: in_halves(x, **o)[:, : x.shape[1]]
    with pytest.raises(LayerError, match="ran on 4 sequences for 2 images"):
        LeGrad(model)(images, 0)


@pytest.mark.parametrize("kind", ["ViT", "DeiT", "Dinov2"])
def test_vision_transformers_are_explained(kind):
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48,
        image_size=32, patch_size=8, num_labels=5,
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForImageClassification")(config).eval()
    assert "legrad" in methods(model)
    assert LeGrad(model)(torch.rand(2, 3, 32, 32), 0).amax((1, 2)).tolist() == [1, 1]


@pytest.mark.parametrize("options", [{"fuse": "max"}, {"fuse": "product"}, {"eigen_smooth": True}])
def test_options_that_would_do_nothing_are_refused(options):
    with pytest.raises(InputError, match="LeGrad averages one map a block"):
        LeGrad(timm_vit(), **options)


class EncoderViT(nn.Module):
    """A ViT of torch's own encoder layers, with the images or the tokens in front."""

    def __init__(self, batch_first: bool):
        super().__init__()
        self.batch_first = batch_first
        self.patch = nn.Conv2d(3, 24, 8, 8)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(24, 3, 48, batch_first=batch_first) for _ in range(2)
        )
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).permute(0, 2, 1)
        x = x if self.batch_first else x.transpose(0, 1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1 if self.batch_first else 0))


def test_tokens_in_front_of_images():
    first, images = EncoderViT(True).eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for layer in first.layers:
            layer.self_attn.in_proj_weight.mul_(10)
    behind = EncoderViT(False).eval()
    behind.load_state_dict(first.state_dict())
    expected = LeGrad(first)(images, [1, 2], normalize=False)
    assert expected.max() > 0
    found = LeGrad(behind)(images, [1, 2], normalize=False)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
