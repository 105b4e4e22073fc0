"""LeGrad against the definition, with attention weights that are differentiated themselves."""

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import LeGrad, methods
from interpviz.cam.engine.heads import attention_blocks
from interpviz.errors import LayerError

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
