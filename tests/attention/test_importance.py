"""Heads switched off against edited weights; importance against masks and slow passes."""

import copy

import numpy as np
import pytest
import timm
import torch
import transformers as tf
from torch import nn

from interpviz.attention import capture_attention, classify_heads
from interpviz.attention.ablation import ablate_heads
from interpviz.attention.importance import head_importance
from interpviz.attention.layers import attention_layers
from interpviz.errors import AttentionError, InputError, LayerError, TargetError

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 16,
}
TEXT = {**SIZES, "vocab_size": 30, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


class Multihead(nn.Module):
    """A classifier on PyTorch's own encoder, which has a fast path that passes by hooks."""

    def __init__(self, batch_first=True):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 16, batch_first=batch_first, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)
        self.batch_first = batch_first

    def forward(self, x):
        states = self.encoder(x)
        return self.head(states[:, 0] if self.batch_first else states[0])


def text():
    ids = torch.randint(5, 30, (2, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def images(size=16):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)).double()


def build(kind):
    """A model, its inputs, and the output projections of its layers."""
    if kind in {"timm", "vit"}:
        return vision(kind)
    if kind in {"multihead", "multihead_batch_second"}:
        return multihead(kind)
    if kind == "bert":
        model = tf.BertForSequenceClassification(tf.BertConfig(**TEXT, num_labels=3))
        return model, text(), [layer.attention.output.dense for layer in model.bert.encoder.layer]
    if kind == "gpt2":
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 4, "vocab_size": 30}
        model = tf.GPT2LMHeadModel(tf.GPT2Config(**sizes, bos_token_id=1, eos_token_id=2))
        return model, text(), [block.attn.c_proj for block in model.transformer.h]
    if kind == "llama":
        model = tf.LlamaForCausalLM(tf.LlamaConfig(**TEXT, num_key_value_heads=2))
        return model, text(), [layer.self_attn.o_proj for layer in model.model.layers]
    sizes = {"d_model": 16, "d_kv": 4, "num_layers": 1, "num_heads": 4, "d_ff": 16}
    model = tf.T5ForConditionalGeneration(
        tf.T5Config(**sizes, vocab_size=30, pad_token_id=0, decoder_start_token_id=0)
    )
    inputs = {**text(), "decoder_input_ids": torch.tensor([[0, 8, 9], [0, 7, 6]])}
    return model, inputs, [m.o for m in attention_layers(model).values()]


def vision(kind):
    if kind == "vit":
        config = tf.ViTConfig(**SIZES, image_size=16, patch_size=8, num_labels=3)
        model = tf.ViTForImageClassification(config)
        inputs = {"pixel_values": images()}
        return model, inputs, [m.o_proj for m in attention_layers(model).values()]
    sizes = {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 4}
    model = timm.models.VisionTransformer(**sizes, num_classes=3)
    return model, images(), [block.attn.proj for block in model.blocks]


def multihead(kind):
    model = Multihead(batch_first=kind == "multihead")
    shape = (2, 5, 16) if kind == "multihead" else (5, 2, 16)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).double()
    return model, x, [layer.self_attn.out_proj for layer in model.encoder.layers]


KINDS = ["bert", "gpt2", "llama", "vit", "t5", "timm", "multihead", "multihead_batch_second"]


def made(kind):
    torch.manual_seed(0)
    model, inputs, projections = build(kind)
    model.double().eval()
    for parameter in model.parameters():
        parameter.data *= 2
    return model, inputs, projections


def logits_of(model, inputs):
    with torch.no_grad():
        output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
    return getattr(output, "logits", output)


def columns(projection, head):
    """The weights of an output projection that take one of 4 heads of width 4."""
    part = slice(4 * head, 4 * head + 4)
    return projection.weight[part] if hasattr(projection, "nf") else projection.weight[:, part]


def edited(kind, layer, heads):
    """A copy that ignores heads because the weights that take them are zero."""
    model, inputs, projections = made(kind)
    with torch.no_grad():
        for head in heads:
            columns(projections[layer], head).zero_()
    return model, inputs


@pytest.mark.parametrize("kind", KINDS)
def test_heads_that_are_off_count_as_if_their_weights_were_zero(kind, tiny):
    model, inputs, _ = made(kind)
    before = copy.deepcopy(model.state_dict())
    intact, hooks = logits_of(model, inputs), tiny.hook_count(model)
    with ablate_heads(model, {1: [0, -1]}) as ablated:
        off = logits_of(ablated, inputs)
    torch.testing.assert_close(off, logits_of(*edited(kind, 1, [0, 3])))
    assert not torch.allclose(off, intact, atol=1e-4)
    assert torch.equal(logits_of(model, inputs), intact)
    assert tiny.hook_count(model) == hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("kind", ["bert", "gpt2", "multihead"])
def test_nested_blocks_and_several_layers(kind):
    model, inputs, projections = made(kind)
    with ablate_heads(model, {0: 1}), ablate_heads(model, {0: [2], 1: [0]}):
        nested = logits_of(model, inputs)
    with ablate_heads(model, {0: [1, 2], 1: [0]}):
        flat = logits_of(model, inputs)
    torch.testing.assert_close(nested, flat)
    with torch.no_grad():
        for layer, head in ((0, 1), (0, 2), (1, 0)):
            columns(projections[layer], head).zero_()
    torch.testing.assert_close(flat, logits_of(model, inputs))


@pytest.mark.parametrize("kind", ["bert", "gpt2", "multihead"])
def test_pairs_of_layer_and_head_are_the_mapping(kind):
    model, inputs, _ = made(kind)
    intact, name = logits_of(model, inputs), list(attention_layers(model))[1]
    with ablate_heads(model, {0: [1, 2], 1: [3]}):
        expected = logits_of(model, inputs)
    for pairs in (
        [(0, 1), (1, 3), (0, 2)],
        ((0, 1), (name, -1), (-2, 2), (1, 3)),
        [[np.int64(0), np.int64(1)], [0, 2], [name, 3]],
    ):
        with ablate_heads(model, pairs):
            assert torch.equal(logits_of(model, inputs), expected)
    for nothing in ([], {}):
        with ablate_heads(model, nothing):
            torch.testing.assert_close(logits_of(model, inputs), intact)


def test_what_statistics_and_head_types_return_can_be_switched_off():
    model, inputs, _ = made("gpt2")
    maps = capture_attention(model, inputs)
    pairs = maps.statistics().top("self_mass", 3)
    assert len(set(pairs)) == 3
    named = classify_heads(maps).of("none")
    for chosen in (pairs, named):
        with ablate_heads(model, chosen):
            got = logits_of(model, inputs)
        by_layer = {layer: [h for k, h in chosen if k == layer] for layer, _ in chosen}
        with ablate_heads(model, by_layer):
            assert torch.equal(got, logits_of(model, inputs))


@pytest.mark.parametrize("wrong", [(0, 1), [0, 1], [(0, 1, 2)], ["01"], "01", 3, [(0,)]])
def test_heads_in_another_form_are_refused(wrong, tiny):
    model, _, _ = made("bert")
    hooks = tiny.hook_count(model)
    with pytest.raises(InputError, match="list of pairs"), ablate_heads(model, wrong):
        pass
    assert tiny.hook_count(model) == hooks


@pytest.mark.parametrize("kind", ["bert", "multihead", "timm"])
def test_attention_can_be_captured_while_heads_are_off(kind):
    model, inputs, _ = made(kind)
    other, _ = edited(kind, 0, [1])
    expected = capture_attention(other, inputs)
    with ablate_heads(model, {0: [1]}):
        maps = capture_attention(model, inputs)
    torch.testing.assert_close(maps.weights[1], expected.weights[1])


@pytest.mark.parametrize("kind", ["bert", "multihead", "timm"])
def test_the_model_is_given_back_after_an_exception(kind, tiny):
    model, inputs, projections = made(kind)
    intact, hooks = logits_of(model, inputs), tiny.hook_count(model)
    wrong = {**inputs, "input_ids": inputs["input_ids"] + 99} if kind == "bert" else inputs[..., :3]
    with pytest.raises(Exception, match=r".+"), ablate_heads(model, {0: [1]}):
        logits_of(model, wrong)
    assert tiny.hook_count(model) == hooks
    assert torch.equal(logits_of(model, inputs), intact)
    assert all(isinstance(p.weight, nn.Parameter) for p in projections)
    assert torch.backends.mha.get_fastpath_enabled()


def test_blocks_name_all_their_layers_and_wrong_names_are_refused():
    model, inputs, _ = made("t5")
    with ablate_heads(model, {"decoder": [2]}):
        off = logits_of(model, inputs)
    with ablate_heads(model, {1: [2], 2: [2]}):
        torch.testing.assert_close(logits_of(model, inputs), off)
    with pytest.raises(InputError, match="no head 4"), ablate_heads(model, {0: [4]}):
        pass
    with pytest.raises(LayerError, match="nowhere"), ablate_heads(model, {"nowhere": [0]}):
        pass


def test_a_layer_without_a_known_projection_is_refused():
    class Unknown(nn.Module):
        def __init__(self):
            super().__init__()
            self.fused_attn, self.attn_drop = True, nn.Dropout(0.0)
            self.num_heads = 2

    model = nn.Sequential(Unknown())
    with pytest.raises(AttentionError, match="cannot be switched off"), ablate_heads(model, {0: 0}):
        pass


def losses_of(model, inputs, target, kind):
    logits = logits_of(model, inputs)
    if kind in {"gpt2", "llama"}:
        logits = torch.stack([logits[0, 5], logits[1, 3]])
    if kind == "t5":
        logits = logits[:, -1]
    return torch.nn.functional.cross_entropy(logits, target, reduction="none")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "multihead_batch_second"])
def test_ablation_is_the_change_of_the_loss_head_by_head(kind):
    model, inputs, projections = made(kind)
    target = torch.tensor([1, 2])
    intact = losses_of(model, inputs, target, kind)
    got = head_importance(model, inputs, target, method="ablation", batch_size=6)
    assert got.shape == (len(projections), 4)
    for layer in range(len(projections)):
        for head in range(4):
            off = losses_of(*edited(kind, layer, [head]), target, kind)
            torch.testing.assert_close(got[layer, head], (off - intact).mean())


def masked_loss(model, projections, forward):
    """Losses with a mask of ones on every head of every sequence, in the graph."""
    mask = torch.ones(len(projections), 2, 4, dtype=torch.float64, requires_grad=True)

    def hook(layer):
        def multiply(module, args):
            (context,) = args
            parts = context.unflatten(-1, (4, 4))
            factors = mask[layer].reshape(2, *(1,) * (context.dim() - 2), 4, 1)
            return ((parts * factors).flatten(-2),)

        return multiply

    handles = [p.register_forward_pre_hook(hook(n)) for n, p in enumerate(projections)]
    losses = forward(model)
    for handle in handles:
        handle.remove()
    return torch.autograd.grad(losses.sum(), mask)[0].abs().mean(1)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "vit", "t5", "timm"])
def test_gradient_is_that_of_a_mask_on_the_heads(kind, tiny):
    model, inputs, projections = made(kind)
    target = torch.tensor([1, 2])

    def forward(model):
        output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
        logits = getattr(output, "logits", output)
        if kind in {"gpt2", "llama"}:
            logits = torch.stack([logits[0, 5], logits[1, 3]])
        logits = logits[:, -1] if kind == "t5" else logits
        return torch.nn.functional.cross_entropy(logits, target, reduction="none")

    expected = masked_loss(model, projections, forward)
    model.requires_grad_(False)
    hooks = tiny.hook_count(model)
    got = head_importance(model, inputs, target)
    torch.testing.assert_close(got, expected)
    assert tiny.hook_count(model) == hooks


@pytest.mark.parametrize("kind", ["multihead", "multihead_batch_second"])
def test_gradient_of_pytorchs_own_attention_by_small_steps(kind):
    model, inputs, projections = made(kind)
    got = head_importance(model, inputs, lambda logits: logits[:, 1].square())
    step = 1e-5
    for layer, head in ((0, 1), (1, 3)):
        weights = columns(projections[layer], head)
        values = []
        for factor in (1 + step, 1 - step):
            with torch.no_grad():
                kept = weights.clone()
                weights *= factor
                values.append(logits_of(model, inputs)[:, 1].square())
                weights.copy_(kept)
        slope = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close(got[layer, head], slope.abs().mean(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", ["gradient", "ablation"])
def test_a_loss_of_ones_own_may_be_a_mean(method):
    model, inputs, _ = made("bert")
    target = torch.tensor([1, 2])
    expected = head_importance(model, inputs, target, method=method)

    def mean(output):
        return torch.nn.functional.cross_entropy(output.logits, target)

    got = head_importance(model, inputs, mean, method=method)
    torch.testing.assert_close(got, expected)
    # This loss is one number for the batch, which cannot be taken apart by head.
    inputs = {**inputs, "labels": target}
    got = head_importance(model, inputs, lambda output: output.loss, method=method)
    torch.testing.assert_close(got, expected)


def test_batch_second_runs_head_by_head():
    model, inputs, _ = made("multihead_batch_second")

    def loss(logits):
        return logits[:, 1].square()

    got = head_importance(model, inputs, loss, method="ablation")
    off = loss(logits_of(*edited("multihead_batch_second", 1, [2])))
    torch.testing.assert_close(got[1, 2], (off - loss(logits_of(model, inputs))).mean())


def test_windows_count_for_the_image_that_they_are_of():
    torch.manual_seed(0)
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depths": (1,), "num_heads": (2,)}
    model = timm.models.SwinTransformer(**sizes, window_size=2, num_classes=3).double().eval()

    def loss(logits):
        return logits[:, 1] * 100

    x = images()
    got = head_importance(model, x, loss)
    alone = [head_importance(model, image[None], loss) for image in x]
    torch.testing.assert_close(got, torch.stack(alone).mean(0))
    torch.testing.assert_close(
        head_importance(model, x, loss, method="ablation"),
        torch.stack([head_importance(model, i[None], loss, method="ablation") for i in x]).mean(0),
    )
    assert head_importance(model, x, 1).shape == (1, 2)


def test_the_predicted_class_is_the_default_and_wrong_words_are_refused():
    model, inputs, _ = made("bert")
    predicted = logits_of(model, inputs).argmax(-1)
    assert torch.equal(
        head_importance(model, inputs), head_importance(model, inputs, predicted.tolist())
    )
    assert head_importance(model, inputs, layers=[1]).shape == (1, 4)
    with pytest.raises(InputError, match="method"):
        head_importance(model, inputs, method="shapley")
    for method in ("gradient", "ablation"):
        with pytest.raises(TargetError, match="one loss"):
            head_importance(model, inputs, lambda output: output.logits, method=method)
