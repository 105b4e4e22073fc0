"""Gradient-weighted relevance against loops over transformers' own eager attentions."""

import copy

import numpy as np
import pytest
import timm
import torch
import transformers as tf
from torch import nn

from interpviz.attention.propagation import relevance
from interpviz.errors import AttentionError, GradientError, InputError, LayerError, TargetError

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 16,
}
TEXT = {**SIZES, "vocab_size": 30, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def sharp(model):
    """A model in float64 whose attention is far from even."""
    for name, parameter in model.named_parameters():
        if any(part in name for part in ("query", "key", "q_proj", "k_proj", "c_attn")):
            parameter.data *= 20
    return model.double().eval()


def bert(cls=tf.BertForSequenceClassification):
    return sharp(cls(tf.BertConfig(**TEXT, num_labels=3)))


def gpt2():
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 4, "vocab_size": 30}
    return sharp(tf.GPT2LMHeadModel(tf.GPT2Config(**sizes, bos_token_id=1, eos_token_id=2)))


def llama():
    return sharp(tf.LlamaForCausalLM(tf.LlamaConfig(**TEXT, num_key_value_heads=2)))


def falcon():
    """A model that takes no part in the attention interface."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = tf.FalconConfig(**sizes, vocab_size=30, bos_token_id=1, eos_token_id=2)
    return sharp(tf.FalconForCausalLM(config))


def albert():
    """A model whose one layer runs twice."""
    config = tf.AlbertConfig(**TEXT, embedding_size=8, num_labels=3)
    return sharp(tf.AlbertForSequenceClassification(config))


def vit():
    config = tf.ViTConfig(**SIZES, image_size=16, patch_size=8, num_labels=3)
    return sharp(tf.ViTForImageClassification(config))


def t5():
    config = tf.T5Config(
        d_model=16,
        d_kv=4,
        num_layers=2,
        num_heads=4,
        d_ff=16,
        vocab_size=30,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    return tf.T5ForConditionalGeneration(config).double().eval()


def text(padded=True):
    ids = torch.randint(5, 30, (2, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    if padded:
        mask[1, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def image():
    generator = torch.Generator().manual_seed(1)
    return {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator).double()}


def eager_copy(model):
    config = copy.deepcopy(model.config)
    config._attn_implementation = "eager"
    other = type(model)(config).double().eval()
    other.load_state_dict(model.state_dict())
    return other


def positive(weights, gradient):
    """Mean over heads of the positive part, of one sequence, by loops."""
    heads, rows, columns = weights.shape
    result = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            products = [float(weights[h, i, j] * gradient[h, i, j]) for h in range(heads)]
            result[i, j] = sum(max(0.0, p) for p in products) / heads
    return result


def eager_steps(model, inputs, sequence, score):
    """For one sequence, what each attention layer says, by transformers' own weights."""
    output = eager_copy(model)(**inputs, output_attentions=True)
    names = [n for n in output if n.endswith("attentions") and output[n]]
    weights = {name: list(output[name]) for name in names}
    for each in weights.values():
        for one in each:
            one.retain_grad()
    score(output).backward()
    return {
        name: [positive(w[sequence].detach(), w.grad[sequence]) for w in each]
        for name, each in weights.items()
    }


def slow_self(steps):
    R = np.eye(len(steps[0]))
    for step in steps:
        R = R + step @ R
    return R


def normalised(matrix):
    result = matrix - np.eye(len(matrix))
    for i, total in enumerate(result.sum(1)):
        result[i] = result[i] / total if total > 0 else 0.0
    return result + np.eye(len(matrix))


def test_encoder_classifiers():
    for model, inputs in ((bert(), text()), (albert(), text()), (vit(), image())):
        result = relevance(model, inputs)
        logits = model(**inputs).logits
        assert torch.equal(result.target, logits.argmax(-1))
        assert result.position.tolist() == [0, 0]
        assert result.cross is None
        assert result.source_row is None
        for sequence in range(2):
            steps = eager_steps(model, inputs, sequence, lambda o, s=sequence: o.logits[s].max())
            expected = slow_self(steps["attentions"])
            np.testing.assert_allclose(result.tokens[sequence], expected, rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(result.row[sequence], expected[0], rtol=1e-6, atol=1e-12)
            assert np.abs(expected - np.eye(len(expected))).max() > 1e-6


def test_patches_of_a_vision_transformer():
    result = relevance(vit(), image(), 2)
    patches = result.patches((2, 2))
    assert patches.shape == (2, 2, 2)
    assert torch.equal(patches.flatten(1), result.tokens[:, 0, 1:])
    with pytest.raises(InputError, match="3 x 3 has 9 patches"):
        result.patches((3, 3))


def test_what_a_token_holds_of_itself_can_be_left_out():
    result = relevance(vit(), image(), 2)
    rest = result.without_itself()
    identity = torch.eye(result.tokens.shape[-1])
    torch.testing.assert_close(rest.tokens + identity, result.tokens)
    assert rest.tokens.min() >= 0
    assert rest.source is None
    assert torch.equal(rest.row, rest.tokens[:, 0])
    assert torch.equal(rest.mean_row, rest.tokens.mean(1))
    pooled = result.patches((2, 2), pooled=True)
    assert torch.equal(pooled.flatten(1), rest.tokens.mean(1)[:, 1:])


@pytest.mark.parametrize("build", [gpt2, llama, falcon])
def test_decoders_explain_the_next_token(build):
    model, inputs = build(), text()
    result = relevance(model, inputs)
    assert result.position.tolist() == [5, 3]
    logits = model(**inputs).logits
    for sequence, place in enumerate((5, 3)):
        token = int(logits[sequence, place].argmax())
        assert result.target[sequence] == token
        steps = eager_steps(
            model,
            inputs,
            sequence,
            lambda o, s=sequence, p=place, t=token: o.logits[s, p, t],
        )
        expected = slow_self(steps["attentions"])
        np.testing.assert_allclose(result.tokens[sequence], expected, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(result.row[sequence], expected[place], rtol=1e-6, atol=1e-12)
    earlier = relevance(model, inputs, [7, 9], position=[2, -5])
    assert earlier.position.tolist() == [2, 1]
    assert earlier.target.tolist() == [7, 9]
    assert not earlier.row[0, 3:].any()  # no token before it knows of a later one


def test_padding_on_the_left_is_no_token():
    model, inputs = gpt2(), text(padded=False)
    inputs["attention_mask"][1, :2] = 0
    result = relevance(model, inputs)
    assert result.position.tolist() == [5, 5]
    assert not result.row[1, :2].any()


def test_encoder_decoder_follows_the_rules_of_cross_attention():
    model = t5()
    inputs = {**text(), "decoder_input_ids": torch.tensor([[0, 8, 9], [0, 7, 6]])}
    result = relevance(model, inputs, 11)
    assert result.position.tolist() == [2, 2]
    for sequence in range(2):
        steps = eager_steps(model, inputs, sequence, lambda o, s=sequence: o.logits[s, 2, 11])
        source = slow_self(steps["encoder_attentions"])
        own, cross = np.eye(3), np.zeros((3, 6))
        for straight, across in zip(
            steps["decoder_attentions"], steps["cross_attentions"], strict=True
        ):
            own, cross = own + straight @ own, cross + straight @ cross
            cross = cross + normalised(own).T @ across @ normalised(source)
        for got, expected in (
            (result.source, source),
            (result.tokens, own),
            (result.cross, cross),
        ):
            np.testing.assert_allclose(got[sequence], expected, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(result.source_row[sequence], cross[2], rtol=1e-6, atol=1e-12)


class Multihead(nn.Module):
    """A classifier on PyTorch's own encoder."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(x)[:, 0])


def by_hand(attention, x):
    """Attention of one sequence with its weights as a leaf-like tensor of the graph."""
    heads, width = attention.num_heads, x.shape[-1] // attention.num_heads
    q, k, v = nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    parts, weights = [], []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        A = (q[:, part] @ k[:, part].T / width**0.5).softmax(-1)
        A.retain_grad()
        weights.append(A)
        parts.append(A @ v[:, part])
    return attention.out_proj(torch.cat(parts, -1)), weights


def test_multihead_attention_whose_returned_weights_are_off_the_path():
    model = Multihead().double().eval()
    images = torch.randn(2, 4, 8, dtype=torch.float64)
    result = relevance(model, images, 1)
    for sequence in range(2):
        x, kept = images[sequence], []
        for layer in model.encoder.layers:
            attended, weights = by_hand(layer.self_attn, x)
            kept.append(weights)
            x = layer.norm1(x + attended)
            x = layer.norm2(x + layer.linear2(layer.linear1(x).relu()))
        model.head(x[0])[1].backward()
        steps = [positive(torch.stack(w).detach(), torch.stack([A.grad for A in w])) for w in kept]
        expected = slow_self(steps)
        np.testing.assert_allclose(result.tokens[sequence], expected, rtol=1e-6, atol=1e-12)


def test_pytorchs_own_encoder_decoder():
    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = nn.Transformer(8, 2, 1, 1, 8, batch_first=True, dropout=0.0)

        def forward(self, source, target):
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            return self.both(source, target, tgt_mask=mask.to(target), tgt_is_causal=True)

    model = Translator().eval()
    result = relevance(model, (torch.randn(2, 5, 8), torch.randn(2, 3, 8)), 1)
    assert result.tokens.shape == (2, 3, 3)
    assert result.cross.shape == (2, 3, 5)
    assert result.source.shape == (2, 5, 5)
    assert bool((result.source_row > 0).any())


def test_timm_is_explained_as_its_plain_attention_says():
    torch.manual_seed(0)
    sizes = {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 4}
    model = timm.models.VisionTransformer(**sizes, num_classes=3).double().eval()
    images = image()["pixel_values"]
    result = relevance(model, images, 0)
    weights = []
    plain = copy.deepcopy(model)
    for block in plain.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda m, args, out: weights.append(out))
    score = plain(images)[:, 0].sum()
    gradients = torch.autograd.grad(score, weights)
    for sequence in range(2):
        steps = [
            positive(w[sequence].detach(), g[sequence])
            for w, g in zip(weights, gradients, strict=True)
        ]
        np.testing.assert_allclose(result.tokens[sequence], slow_self(steps), rtol=1e-6, atol=1e-12)
    assert all(block.attn.fused_attn for block in model.blocks)


@pytest.mark.parametrize("build", [bert, gpt2, t5])
def test_frozen_models_give_the_same_and_are_left_as_they_were(build, tiny):
    model, inputs = build(), text()
    if build is t5:
        inputs["decoder_input_ids"] = torch.tensor([[0, 8, 9], [0, 7, 6]])
    expected = relevance(model, inputs, 2)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    model.requires_grad_(False)
    hooks, kernels = tiny.hook_count(model), tiny.implementations(model)
    with torch.inference_mode():
        inside = {name: value.clone() for name, value in inputs.items()}
        frozen = relevance(model, inside, 2)
    torch.testing.assert_close(frozen.tokens, expected.tokens)
    assert not frozen.tokens.requires_grad
    assert not any(p.requires_grad for p in model.parameters())
    assert tiny.hook_count(model) == hooks
    assert tiny.implementations(model) == kernels


def test_weak_gradients_are_not_rounded_off(tiny):
    model, inputs = bert(), text()
    strong = relevance(model, inputs, lambda output: output.logits[:, 0])
    weak = relevance(model.float(), inputs, lambda output: output.logits[:, 0] * 1e-12)
    off = ~torch.eye(6, dtype=torch.bool)
    first = strong.tokens[:, off]
    torch.testing.assert_close(weak.tokens[:, off].double() * 1e12, first, rtol=1e-2, atol=1e-8)


def test_a_score_of_ones_own():
    model, inputs = bert(), text()
    contrast = relevance(model, inputs, lambda o: o.logits[:, 0] - o.logits[:, 2])
    assert contrast.target is None
    assert not torch.equal(contrast.tokens, relevance(model, inputs, 0).tokens)
    base = bert(tf.BertModel)
    assert relevance(base, inputs, lambda o: o.last_hidden_state[:, 0, 3]).row.shape == (2, 6)


def test_what_cannot_be_explained_is_said_in_one_sentence(tiny):
    model, inputs = bert(), text()
    hooks = tiny.hook_count(model)
    cases = [
        (lambda: relevance(model, inputs, 3), TargetError, "no target 3: it lies between 0 and 2"),
        (lambda: relevance(model, inputs, [0, 1, 2]), TargetError, "each of the 2 sequences"),
        (lambda: relevance(model, inputs, 0.5), TargetError, "whole number"),
        (lambda: relevance(model, inputs, position=6), InputError, "no position 6"),
        (lambda: relevance(model, inputs, layers="nowhere"), LayerError, "nowhere"),
        (lambda: relevance(model, inputs, lambda o: o.logits), TargetError, "one score"),
        (
            lambda: relevance(model, inputs, lambda o: o.logits[:, 0].detach()),
            GradientError,
            "cut off",
        ),
        (lambda: relevance(bert(tf.BertModel), inputs), TargetError, "no logits"),
        (lambda: relevance(bert(tf.BertForMaskedLM), inputs), InputError, "`position`"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()
    assert tiny.hook_count(model) == hooks
    assert set(tiny.implementations(model)) == {"sdpa"}


def test_layers_that_the_score_does_not_depend_on_are_named():
    model, inputs = bert(), text()

    def early(output):
        return output.hidden_states[1][:, 0, 0]

    with pytest.raises(GradientError, match=r"encoder\.layer\.1"):
        relevance(model, {**inputs, "output_hidden_states": True}, early)


def test_layers_numbered_within_their_names_are_one_stack():
    class Numbered(Multihead):
        def __init__(self):
            super().__init__()
            layers = self.encoder.layers
            self.encoder = nn.Sequential()
            for number, layer in enumerate(layers):
                self.encoder.add_module(f"layer_{number}", layer)

    model, x = Multihead().eval(), torch.randn(2, 4, 8)
    numbered = Numbered().eval()
    numbered.load_state_dict(
        {k.replace("layers.", "layer_"): v for k, v in model.state_dict().items()}
    )
    torch.testing.assert_close(relevance(numbered, x, 1).tokens, relevance(model, x, 1).tokens)


def test_windows_cannot_be_followed():
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depths": (1,), "num_heads": (2,)}
    model = timm.models.SwinTransformer(**sizes, window_size=2, num_classes=3).eval()
    with pytest.raises(AttentionError, match="within windows"):
        relevance(model, image()["pixel_values"].float())


def test_two_stacks_without_a_bridge_need_a_choice():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = Multihead(), Multihead()

        def forward(self, x):
            return self.left(x) + self.right(x)

    pair, x = Pair().eval(), torch.randn(2, 4, 8)
    with pytest.raises(AttentionError, match=r"'left\.encoder\.layers', 'right\.encoder\.layers'"):
        relevance(pair, x)
    torch.testing.assert_close(
        relevance(pair, x, 1, layers="left").tokens, relevance(pair.left, x, 1).tokens
    )
