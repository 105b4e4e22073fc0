"""Captured weights against transformers' and PyTorch's own, and the model given back unchanged."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import transformers as tf
from torch import nn

from interpviz.attention import (
    AttentionMaps,
    AttentionVisualizer,
    BERTAttentionVisualizer,
    capture_attention,
)
from interpviz.attention.capture import AttentionCapture
from interpviz.attention.kernels import FUSED_MASKS
from interpviz.errors import AttentionError, InputError, LayerError


def sharp(model):
    """The model with larger weights, so that a soft cap or a window changes what it looks at."""
    for parameter in model.parameters():
        parameter.data *= 5 if parameter.dim() > 1 else 1
    return model


def soft_capped(t, cap):
    kwargs = {"head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 1}
    return sharp(t.decoder("Gemma2", attn_logit_softcapping=cap, **kwargs))


def with_sinks(t):
    return t.decoder(
        "GptOss", head_dim=8, num_local_experts=2, num_experts_per_tok=1, sliding_window=4
    )


def both_sides(inputs):
    return {**inputs, "decoder_input_ids": inputs["input_ids"][:, :5]}


MODELS = {
    "bert": lambda t: (t.bert(), t.text_inputs()),
    "bert, left": lambda t: (t.bert(), t.left_padded()),
    "gpt2": lambda t: (t.gpt2(), t.text_inputs()),
    "gpt2, left": lambda t: (t.gpt2(), t.left_padded()),
    "llama": lambda t: (t.decoder("Llama"), t.text_inputs()),
    "llama, left": lambda t: (t.decoder("Llama"), t.left_padded()),
    "qwen3": lambda t: (t.decoder("Qwen3", head_dim=8), t.text_inputs()),
    "gemma2": lambda t: (soft_capped(t, 0.5), t.text_inputs(padded=False)),
    "gemma2, left": lambda t: (soft_capped(t, 0.5), t.left_padded()),
    "mistral": lambda t: (t.decoder("Mistral", sliding_window=3), t.text_inputs(padded=False)),
    "mistral, left": lambda t: (t.decoder("Mistral", sliding_window=3), t.left_padded()),
    "gptoss": lambda t: (with_sinks(t), t.text_inputs()),
    "gptoss, left": lambda t: (with_sinks(t), t.left_padded()),
    "vit": lambda t: (t.vit(), t.image_inputs()),
    "t5": lambda t: (t.t5(), both_sides(t.text_inputs())),
    "bart": lambda t: (t.bart(), both_sides(t.text_inputs())),
    "bart, left": lambda t: (t.bart(), both_sides(t.left_padded())),
    "falcon": lambda t: (t.falcon(), t.text_inputs()),
}


def hidden(output):
    return next(v for v in output.values() if isinstance(v, torch.Tensor) and v.is_floating_point())


def at_tokens(values, inputs):
    """Hidden states where there is a token, since those of padding mean nothing."""
    mask = inputs.get("attention_mask")
    return values[mask.bool()] if mask is not None and mask.shape == values.shape[:2] else values


def reference(model, inputs):
    """Transformers' own eager weights, of a copy, in the order of the modules."""
    config = copy.deepcopy(model.config)
    config._attn_implementation = "eager"
    eager = type(model)(config).eval()
    eager.load_state_dict(model.state_dict())
    with torch.no_grad():
        output = eager(**inputs, output_attentions=True)
    if "encoder_attentions" not in output:
        return list(output.attentions)
    decoder = zip(output.decoder_attentions, output.cross_attentions, strict=True)
    return [*output.encoder_attentions, *(weights for pair in decoder for weights in pair)]


@pytest.mark.parametrize("kind", MODELS)
def test_weights_are_those_of_eager_attention(kind, tiny):
    model, inputs = MODELS[kind](tiny)
    maps = capture_attention(model, inputs)
    expected = reference(model, inputs)
    assert len(maps) == len(expected)
    for name, weights in zip(maps.layer_names, expected, strict=True):
        torch.testing.assert_close(maps.weights[name], weights, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", MODELS)
def test_the_output_is_unchanged_and_the_model_given_back(kind, tiny):
    model, inputs = MODELS[kind](tiny)
    with torch.no_grad():
        before = model(**inputs)
        hooks, kernels = tiny.hook_count(model), tiny.implementations(model)
        capture = AttentionCapture(model)
        during = model(**inputs)
        capture.remove()
        after = model(**inputs)
    assert list(before) == list(during)
    found, expected = at_tokens(hidden(during), inputs), at_tokens(hidden(before), inputs)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)
    assert torch.equal(hidden(after), hidden(before))
    assert tiny.hook_count(model) == hooks
    assert tiny.implementations(model) == kernels


def test_caps_sinks_and_windows_are_in_the_weights(tiny):
    inputs = tiny.text_inputs(padded=False)
    capped = capture_attention(soft_capped(tiny, 0.5), inputs).weights[1]
    free = capture_attention(soft_capped(tiny, 50.0), inputs).weights[1]
    seen = torch.ones(9, 9).tril().bool()
    assert (capped - free).abs().max() > 0.1
    # Logits within the cap leave no key with less than exp(-1) times the share of another.
    rows = capped.where(seen, torch.nan)
    greatest, least = rows.nan_to_num(0).amax(-1), rows.nan_to_num(9).amin(-1)
    assert (greatest <= least * 2.7183 + 1e-6).all()
    sinks = capture_attention(with_sinks(tiny), inputs)
    for weights in sinks.weights.values():
        assert weights.sum(-1).max() < 0.95
    windowed = [w.tril(-4).abs().max().item() == 0 for w in sinks.weights.values()]
    assert windowed == [True, False]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "t5"])
def test_chosen_layers_only_from_either_kernel(kind, kernel, tiny):
    model, inputs = MODELS[kind](tiny)
    model.set_attn_implementation(kernel)
    everything = capture_attention(model, inputs)
    one = capture_attention(model, inputs, layers=[1])
    assert one.layer_names == [everything.layer_names[1]]
    torch.testing.assert_close(one.weights[0], everything.weights[1], atol=1e-6, rtol=0)
    assert set(tiny.implementations(model)) == {kernel}


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_the_caller_gets_the_attentions_he_would_have_got(kernel, tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    model.set_attn_implementation(kernel)
    before = model(**inputs, output_attentions=True).attentions
    capture = AttentionCapture(model, ["encoder.layer.0"])
    during = model(**inputs, output_attentions=True).attentions
    capture.remove()
    assert len(during) == len(before) == (2 if kernel == "eager" else 0)


def test_unchosen_layers_run_the_kernel_that_was_set(tiny):
    model, calls = tiny.bert(), []

    def mine(module, *args, **kwargs):
        calls.append(module)
        return tf.AttentionInterface()["sdpa"](module, *args, **kwargs)

    tf.AttentionInterface.register("mine_for_test", mine)
    tf.AttentionMaskInterface.register("mine_for_test", tf.AttentionMaskInterface()["sdpa"])
    model.set_attn_implementation("mine_for_test")
    capture_attention(model, tiny.text_inputs(), layers=0)
    assert calls == [model.encoder.layer[1].attention.self]


def test_a_kernel_with_masks_of_its_own_is_replaced_by_eager(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    expected = capture_attention(model, inputs, layers=1).weights[0]
    model.config._attn_implementation_internal = "flex_attention"
    got = capture_attention(model, inputs, layers=1).weights[0]
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
    assert model.config._attn_implementation == "flex_attention"


def test_restored_after_an_exception(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    hooks = tiny.hook_count(model)

    def fail(module, args):
        raise RuntimeError("on purpose")

    handle = model.encoder.layer[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        capture_attention(model, inputs)
    handle.remove()
    assert tiny.hook_count(model) == hooks
    assert set(tiny.implementations(model)) == {"sdpa"}
    assert torch.backends.mha.get_fastpath_enabled()


def test_sub_configurations_are_restored_each_to_its_own(tiny):
    model = tiny.t5()
    model.encoder.config._attn_implementation_internal = "eager"
    before = tiny.implementations(model)
    capture_attention(model, MODELS["t5"](tiny)[1])
    assert tiny.implementations(model) == before
    assert len(set(before)) == 2


def test_an_implementation_set_meanwhile_is_kept(tiny):
    model = tiny.bert()
    capture = AttentionCapture(model)
    model.set_attn_implementation("eager")
    capture.remove()
    assert model.config._attn_implementation == "eager"


def test_two_captures_at_once_in_any_order(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    expected = capture_attention(model, inputs)
    first, second = AttentionCapture(model, [0]), AttentionCapture(model, [0, 1])
    model(**inputs)
    first.remove()
    assert len(first.maps) == 1
    assert len(second.maps) == 2
    model(**inputs)
    second.remove()
    torch.testing.assert_close(second.maps.weights[1], expected.weights[1], atol=1e-6, rtol=0)
    assert model.config._attn_implementation == "sdpa"


def test_a_copy_made_while_registered_still_runs(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    before = hidden(model(**inputs))
    capture = AttentionCapture(model)
    twin = copy.deepcopy(model)
    capture.remove()
    assert twin.config._attn_implementation == FUSED_MASKS
    torch.testing.assert_close(hidden(twin(**inputs)), before, atol=2e-6, rtol=0)


def test_training_flag_and_gradients_are_left_alone(tiny):
    model, inputs = tiny.bert().train(), tiny.text_inputs()
    capture_attention(model, inputs)
    assert model.training
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in model.parameters())


def test_gradients_flow_through_a_registered_model(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    capture = AttentionCapture(model)
    hidden(model(**inputs)).sum().backward()
    capture.remove()
    assert model.encoder.layer[0].attention.self.query.weight.grad is not None
    assert not capture.maps.weights[0].requires_grad


def test_shared_layers_give_one_entry_a_run(tiny):
    model, inputs = tiny.albert(), tiny.text_inputs()
    maps = capture_attention(model, inputs)
    assert [name[-3:] for name in maps.layer_names] == ["[0]", "[1]"]
    expected = reference(model, inputs)
    torch.testing.assert_close(maps.weights[1], expected[1], atol=1e-6, rtol=0)


def test_generation_captures_every_step(tiny):
    model = tiny.gpt2()
    capture = AttentionCapture(model)
    model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=2, min_new_tokens=2, pad_token_id=0)
    capture.remove()
    assert capture.maps.weights[0].shape == (1, 4, 1, 4)


def test_compiled_models_are_unwrapped(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    expected = capture_attention(model, inputs)
    maps = capture_attention(torch.compile(model, backend="eager"), inputs)
    assert maps.layer_names == expected.layer_names
    assert torch.equal(maps.weights[0], expected.weights[0])


def test_parallel_wrappers_are_unwrapped(tiny):
    assert len(capture_attention(nn.DataParallel(tiny.bert()), tiny.text_inputs())) == 2


def test_bfloat16(tiny):
    model = tiny.vit().to(torch.bfloat16)
    maps = capture_attention(model, tiny.image_inputs())
    assert maps.weights[0].dtype == torch.bfloat16


def test_a_class_that_ignores_the_interface_answers_as_it_was_asked(tiny):
    model, inputs = tiny.falcon(), tiny.text_inputs()
    capture = AttentionCapture(model, ["h.1"])
    as_tuple = model(**inputs, return_dict=False)
    with_weights = model(**inputs, output_attentions=True)
    capture.remove()
    assert isinstance(as_tuple, tuple)
    assert len(with_weights.attentions) == 2
    assert capture.maps.layer_names == ["h.1.self_attention"]
    assert model.config._attn_implementation == "sdpa"


def test_a_class_that_ignores_the_interface_is_restored_after_an_exception(tiny):
    model = tiny.falcon()
    broken = {"input_ids": torch.tensor([[5]]), "attention_mask": torch.ones(1, 1, 3, 3)}
    with pytest.raises(RuntimeError):
        capture_attention(model, broken)
    assert model.config._attn_implementation == "sdpa"
    assert tiny.hook_count(model) == tiny.hook_count(tiny.falcon())


def test_a_class_bound_to_a_kernel_without_weights_says_so(tiny):
    model = tiny.falcon()
    model.config._attn_implementation_internal = "flash_attention_2"
    with pytest.raises(AttentionError, match="load it with attn_implementation='eager'"):
        capture_attention(model, tiny.text_inputs())


class OneAttention(nn.Module):
    """Says that it takes output_attentions, and returns a number of layers of its own choice."""

    def __init__(self, layers):
        super().__init__()
        self.inner = type("SelfAttention", (nn.Linear,), {})(2, 2)
        self.layers = layers

    def forward(self, x, output_attentions=False):
        return {"logits": x, "attentions": (x.new_ones(1, 1, 2, 2),) * self.layers}


class Fails(nn.Module):
    """Stands for a block that raises."""

    def forward(self, *args, **kwargs):
        raise RuntimeError("on purpose")


def broken(kind, tiny):
    """A model whose last block raises, its input, and what must not stay changed."""
    if kind == "timm":
        model = small_timm()
        model.blocks[1] = Fails()
        return model, torch.rand(1, 3, 32, 32), lambda: model.blocks[0].attn.fused_attn
    if kind == "encoder":
        model = tiny.Encoder().eval()
        model.encoder.layers[1].linear2 = Fails()
        return model, torch.rand(2, 6, 16), torch.backends.mha.get_fastpath_enabled
    model = {"t5": tiny.t5, "gemma2": lambda: tiny.decoder("Gemma2", head_dim=8)}[kind]()
    (model.decoder.block if kind == "t5" else model.layers)[1] = Fails()
    inputs = both_sides(tiny.text_inputs()) if kind == "t5" else tiny.text_inputs()
    return model, inputs, lambda: tiny.implementations(model)


@pytest.mark.parametrize("kind", ["timm", "encoder", "t5", "gemma2"])
def test_a_block_that_raises_leaves_nothing_changed(kind, tiny):
    model, inputs, told = broken(kind, tiny)
    before, hooks = told(), tiny.hook_count(model)
    with pytest.raises(RuntimeError, match="on purpose"):
        capture_attention(model, inputs)
    assert told() == before
    assert tiny.hook_count(model) == hooks
    with pytest.raises(LayerError):
        capture_attention(model, inputs, layers="none such")
    with pytest.raises(InputError, match="There is no head 99"):
        capture_attention(model, inputs, layers=0, heads=99)
    assert told() == before
    assert tiny.hook_count(model) == hooks


def test_layers_that_cannot_be_told_apart():
    with pytest.raises(AttentionError, match="2 layers but has 1 attention modules"):
        capture_attention(OneAttention(2), torch.ones(1, 2))


# nn.MultiheadAttention and timm


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(("need", "average"), [(True, True), (True, False), (False, True)])
def test_multihead_attention(batch_first, batched, need, average):
    attention = nn.MultiheadAttention(16, 4, batch_first=batch_first).eval()
    x = torch.randn((2, 5, 16) if batched else (5, 16))
    x = x.transpose(0, 1) if batched and not batch_first else x
    expected = attention(x, x, x, need_weights=need, average_attn_weights=average)
    per_head = attention(x, x, x, average_attn_weights=False)[1]
    capture = AttentionCapture(attention)
    # The flags come by position here, and by name in the encoder below.
    got = attention(x, x, x, None, need, None, average)
    capture.remove()
    torch.testing.assert_close(got[0], expected[0], atol=1e-6, rtol=0)
    if need:
        torch.testing.assert_close(got[1], expected[1], atol=1e-7, rtol=0)
    else:
        assert got[1] is None
    weights = capture.maps.weights[0]
    assert weights.dim() == 4
    torch.testing.assert_close(weights if batched else weights[0], per_head, atol=1e-7, rtol=0)
    assert not attention._forward_hooks
    assert not attention._forward_pre_hooks


def test_the_callers_hooks_on_multihead_attention_see_what_they_would_have_seen():
    attention, x, seen = nn.MultiheadAttention(16, 4).eval(), torch.randn(5, 16), []
    attention.register_forward_hook(lambda m, a, output: seen.append(output[1]))
    capture = AttentionCapture(attention)
    attention(x, x, x, need_weights=False)
    capture.remove()
    assert seen == [None]
    assert len(attention._forward_hooks) == 1


@pytest.mark.parametrize("grad", [False, True])
def test_transformer_encoder_on_its_fast_path(grad, tiny):
    model, x = tiny.Encoder().eval(), torch.randn(2, 6, 16)
    padding = torch.zeros(2, 6, dtype=torch.bool)
    padding[1, 4:] = True
    with torch.set_grad_enabled(grad):
        before = model(x, padding)
        capture = AttentionCapture(model)
        during = model(x, padding)
        capture.remove()
        after = model(x, padding)
    assert capture.maps.layer_names == ["encoder.layers.0.self_attn", "encoder.layers.1.self_attn"]
    weights = capture.maps.weights[0]
    assert weights.shape == (2, 4, 6, 6)
    assert weights[1, :, :, 4:].abs().max() == 0
    torch.testing.assert_close(during[~padding], before[~padding], atol=1e-5, rtol=0)
    assert torch.equal(after, before)
    layer = model.encoder.layers[0].self_attn
    expected = layer(x, x, x, key_padding_mask=padding, average_attn_weights=False)[1]
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_failing_multihead_attention_leaves_no_state():
    attention = nn.MultiheadAttention(16, 4).eval()
    capture = AttentionCapture(attention)
    with pytest.raises((RuntimeError, AssertionError)):
        attention(torch.randn(5, 8), torch.randn(5, 8), torch.randn(5, 8))
    assert capture.maps is None
    x = torch.randn(5, 16)
    assert attention(x, x, x, need_weights=False)[1] is None
    capture.remove()
    assert len(capture.maps) == 1


def small_timm():
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=16, num_heads=4
    ).eval()


class Block(nn.Module):
    """Attention of ones own with the switch and the dropout layer that timm's blocks have."""

    def __init__(self):
        super().__init__()
        self.fused_attn = True
        self.qkv, self.attn_drop = nn.Linear(16, 48), nn.Dropout(0.1)

    def forward(self, x):
        q, k, v = (one.unflatten(-1, (4, 4)).transpose(1, 2) for one in self.qkv(x).chunk(3, -1))
        if self.fused_attn:
            return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return (self.attn_drop((q @ k.mT / 2).softmax(-1)) @ v).transpose(1, 2).flatten(2)


def test_a_custom_model_by_the_names_of_its_blocks():
    torch.manual_seed(0)
    model, x = nn.Sequential(Block(), nn.Linear(16, 16), Block()).eval(), torch.randn(2, 5, 16)
    before = model(x)
    maps = capture_attention(model, x, layers=["2"])
    q, k, _ = model[2].qkv(model[1](model[0](x))).chunk(3, -1)
    q, k = (one.unflatten(-1, (4, 4)).transpose(1, 2) for one in (q, k))
    expected = (q @ k.mT / 2).softmax(-1)
    assert maps.layer_names == ["2"]
    torch.testing.assert_close(maps["2"], expected, atol=1e-6, rtol=0)
    assert torch.equal(model(x), before)
    assert model[2].fused_attn


def test_cross_attention_of_pytorchs_own_transformer():
    torch.manual_seed(0)
    model = nn.Transformer(16, 4, 1, 1, 32, batch_first=True).eval()
    source, target = torch.randn(2, 6, 16), torch.randn(2, 3, 16)
    maps = capture_attention(model, (source, target))
    layer = model.decoder.layers[0]
    memory = model.encoder(source)
    state = layer.norm1(target + layer.self_attn(target, target, target)[0])
    expected = layer.multihead_attn(state, memory, memory, average_attn_weights=False)[1]
    torch.testing.assert_close(maps[-1], expected, atol=1e-6, rtol=0)
    assert maps.kinds[-1] == "cross"


def test_timm():
    model = small_timm()
    x = torch.randn(1, 3, 32, 32)
    before = model(x)
    capture = AttentionCapture(model)
    during = model(x)
    capture.remove()
    torch.testing.assert_close(during, before, atol=1e-6, rtol=0)
    block = model.blocks[0]
    q, k, _ = block.attn.qkv(block.norm1(model._pos_embed(model.patch_embed(x)))).chunk(3, dim=-1)
    q, k = (one.unflatten(-1, (4, 4)).transpose(1, 2) for one in (q, k))
    expected = (q @ k.transpose(-1, -2) / 2).softmax(-1)
    torch.testing.assert_close(capture.maps.weights["blocks.0"], expected, atol=1e-6, rtol=0)
    assert block.attn.fused_attn
    assert len(capture.maps) == 2


# Names, inputs, errors


def test_layers_by_name_block_and_index(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs())
    full = "encoder.layer.1.attention.self"
    assert maps.layer_names[1] == full
    for key in (full, "encoder.layer.1.attention", "encoder.layer.1", 1, -1):
        assert maps.weights[key] is maps.weights[full]
    assert "encoder.layer.1" in maps.weights
    assert "encoder.layer.7" not in maps.weights
    with pytest.raises(LayerError, match="holds 2 captured layers"):
        maps.weights["encoder.layer"]
    with pytest.raises(LayerError, match="There is no layer 2: 2 layers were captured"):
        maps.weights[2]
    with pytest.raises(LayerError, match="was not captured: register it"):
        maps.weights["encoder.layer.9.attention"]
    assert "2 layers, first of shape (2, 4, 9, 9)" in repr(maps)
    assert full in repr(maps.weights)


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ("encoder.layer.1.attention", 1),
        (["encoder.layer.0.attention.self", "encoder.layer.1"], 2),
        (["encoder"], 2),
        (-1, 1),
        (None, 2),
    ],
)
def test_choosing_layers(layers, count, tiny):
    assert len(capture_attention(tiny.bert(), tiny.text_inputs(), layers=layers)) == count


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("encoder.layer.1.atention", "Did you mean 'encoder.layer.1.attention"),
        ("zzz", "2 attention layers, 'encoder.layer.0.attention.self' to 'encoder.layer.1.at"),
        (1.5, "by its dotted name or its index, not by 1.5"),
        ([True], "not by True"),
        ("embeddings", "holds no attention layer"),
        (5, "There is no attention layer 5: BertModel has 2"),
        ([], "The list of layers is empty"),
    ],
)
def test_wrong_layers(layers, message, tiny):
    with pytest.raises(LayerError, match=message):
        capture_attention(tiny.bert(), tiny.text_inputs(), layers=layers)


def test_numpy_indices_are_indices(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs(), layers=np.int64(1))
    assert maps.layer_names == ["encoder.layer.1.attention.self"]
    assert maps.weights[np.int64(0)] is maps.weights[0]


def test_text_is_no_input_and_a_zoo_model_no_model(tiny):
    with pytest.raises(InputError, match="takes token ids: pass tokenizer"):
        capture_attention(tiny.bert(), "a text")
    for call in (AttentionVisualizer, BERTAttentionVisualizer):
        with pytest.raises(AttentionError, match=r"not an nn.Module: .* `m\.model`"):
            call(SimpleNamespace(model=tiny.bert())).register_hooks()


def test_a_model_with_no_attention():
    with pytest.raises(AttentionError, match="Sequential has no attention layer"):
        capture_attention(nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 2))


class Skips(nn.Module):
    """Holds attention that its forward pass does not use."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)

    def forward(self, x, y):
        return x + y


def test_no_chosen_layer_ran():
    with pytest.raises(AttentionError, match=r"None of the chosen layers .* ran"):
        capture_attention(Skips(), (torch.ones(1), torch.ones(1, dtype=torch.int64)))


def test_tokens_and_inputs_follow_the_model(tiny):
    maps = capture_attention(
        tiny.vit().double(), tiny.image_inputs()["pixel_values"], tokens=list("abcdefghijklmnopq")
    )
    assert maps.tokens == [list("abcdefghijklmnopq")]
    assert maps.weights[0].dtype == torch.float64
    names = [list("abcdefghi"), list("jklmnopqr")]
    batch = capture_attention(tiny.bert(), tiny.text_inputs(), tokens=names)
    assert batch.tokens == names
    assert isinstance(batch, AttentionMaps)
