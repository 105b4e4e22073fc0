"""Statistics without maps against those of captured maps, and memory that stays small."""

import pytest
import timm
import torch
import transformers as tf
from torch import nn

from interpviz.attention import blocks
from interpviz.attention.calls import AttentionCall
from interpviz.attention.capture import capture_attention
from interpviz.attention.softmax import Powers, Softmax
from interpviz.attention.streaming import attention_statistics
from interpviz.errors import AttentionError, InputError


def t5_inputs(t):
    text = t.text_inputs()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    return {
        **text,
        "decoder_input_ids": text["input_ids"][:, :5],
        "decoder_attention_mask": mask,
    }


MODELS = {
    "bert": lambda t: (t.bert(), t.text_inputs()),
    "gpt2": lambda t: (t.gpt2(), t.text_inputs()),
    "gpt2, no padding": lambda t: (t.gpt2(), t.text_inputs(False)),
    "llama": lambda t: (t.decoder("Llama"), t.text_inputs()),
    "llama, left": lambda t: (t.decoder("Llama"), t.left_padded()),
    "llama, eager": lambda t: (t.decoder("Llama", attn_implementation="eager"), t.left_padded()),
    "mistral": lambda t: (t.decoder("Mistral", sliding_window=3), t.text_inputs(False)),
    "mistral, left": lambda t: (t.decoder("Mistral", sliding_window=3), t.left_padded()),
    "gemma2": lambda t: (t.decoder("Gemma2", head_dim=8, sliding_window=4), t.text_inputs()),
    "gptoss": lambda t: (
        t.decoder("GptOss", head_dim=8, num_local_experts=2, num_experts_per_tok=1),
        t.text_inputs(),
    ),
    "vit": lambda t: (t.vit(), t.image_inputs()),
    "t5": lambda t: (t.t5(), t5_inputs(t)),
    "albert": lambda t: (t.albert(), t.text_inputs()),
    "falcon": lambda t: (t.falcon(), t.text_inputs()),
    "encoder": lambda t: (t.Encoder().eval(), torch.rand(2, 6, 16)),
}


def repeated(inputs):
    """The same inputs with tokens that occur again."""
    if isinstance(inputs, dict) and "input_ids" in inputs:
        return {**inputs, "input_ids": inputs["input_ids"] % 4 + 5}
    return inputs


def assert_same(found, expected, atol=1e-5):
    assert found.layer_names == expected.layer_names
    assert found.kinds == expected.kinds
    for name in expected.columns:
        torch.testing.assert_close(
            found.column(name),
            expected.column(name),
            atol=atol,
            rtol=0,
            equal_nan=True,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("block", [1, 40, 2**19])
@pytest.mark.parametrize("kind", MODELS)
def test_the_same_as_from_captured_maps(kind, block, tiny, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_CPU", block)
    monkeypatch.setattr(blocks, "_HEIGHT", 4)
    model, inputs = MODELS[kind](tiny)
    inputs = repeated(inputs)
    hooks, kernels = tiny.hook_count(model), tiny.implementations(model)
    special = None if kind in ("vit", "encoder") else [1] + [0] * 8
    options = {"special_tokens_mask": special}
    expected = capture_attention(model, inputs, **options).statistics(window=2, sinks=2)
    found = attention_statistics(model, inputs, window=2, sinks=2, **options)
    assert_same(found, expected)
    assert tiny.hook_count(model) == hooks
    assert tiny.implementations(model) == kernels


@pytest.mark.parametrize("kind", ["bert", "llama, left", "mistral", "gptoss", "t5", "gemma2"])
def test_the_layers_own_function_in_blocks(kind, tiny, monkeypatch):
    monkeypatch.setattr(Softmax, "of", classmethod(lambda *args: None))
    monkeypatch.setattr(blocks, "_BLOCK_CPU", 1)
    model, inputs = MODELS[kind](tiny)
    expected = capture_attention(model, inputs).statistics()
    assert_same(attention_statistics(model, inputs), expected)


@pytest.mark.parametrize("factor", [1e3, 1e4])
@pytest.mark.parametrize("kind", ["bert", "llama", "vit"])
def test_logits_too_large_for_plain_powers(kind, factor, tiny, monkeypatch):
    model, inputs = MODELS[kind](tiny)
    model.double()
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    for name, weights in model.named_parameters():
        if "query.weight" in name or "q_proj.weight" in name:
            weights.data.mul_(factor)
    exact, answers = Powers.are_exact, []

    def noted(mass):
        answers.append(exact(mass))
        return answers[-1]

    monkeypatch.setattr(Powers, "are_exact", staticmethod(noted))
    expected = capture_attention(model, inputs).statistics()
    assert_same(attention_statistics(model, inputs), expected)
    assert not all(answers)


@pytest.mark.parametrize(
    "kind", ["bert", "gpt2", "llama", "mistral", "gemma2", "gptoss", "t5", "vit", "albert"]
)
def test_plain_softmax_is_recognised(kind, tiny, monkeypatch):
    answers, of = [], Softmax.of.__func__

    def noted(cls, *args):
        answers.append(of(cls, *args) is not None)
        return of(cls, *args)

    monkeypatch.setattr(Softmax, "of", classmethod(noted))
    attention_statistics(*MODELS[kind](tiny))
    assert answers
    assert all(answers)


def test_a_function_that_is_no_softmax_is_left_to_the_layer(tiny, monkeypatch):
    import transformers.models.bert.modeling_bert as bert

    plain = bert.eager_attention_forward

    def sharper(module, query, *args, **kwargs):
        return plain(module, query * 3, *args, **kwargs)

    monkeypatch.setattr(bert, "eager_attention_forward", sharper)
    model, inputs = tiny.bert(), tiny.text_inputs()
    model.set_attn_implementation("eager")
    assert_same(attention_statistics(model, inputs), capture_attention(model, inputs).statistics())


def test_half_precision(tiny):
    model, inputs = tiny.decoder("Llama").bfloat16(), tiny.text_inputs()
    expected = capture_attention(model, inputs).statistics()
    assert_same(attention_statistics(model, inputs), expected, atol=2e-2)


def test_dropout_is_measured_as_it_was_applied(tiny):
    model, inputs = tiny.bert(attention_probs_dropout_prob=0.5).train(), tiny.text_inputs()
    torch.manual_seed(0)
    row_sum = attention_statistics(model, inputs).column("row_sum")
    assert ((row_sum - 1).abs() > 1e-3).all()
    assert model.training


def test_timm():
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=16, num_heads=4
    ).eval()
    images = torch.rand(1, 3, 32, 32)
    expected = capture_attention(model, images).statistics()
    assert_same(attention_statistics(model, images), expected)


def test_no_step_holds_a_map(tiny, monkeypatch):
    """Every weight tensor has a fraction of the rows; so has every eager call."""
    monkeypatch.setattr(blocks, "_BLOCK_CPU", 64 * 16)
    torch.manual_seed(0)
    config = tf.LlamaConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=9,
    )
    model, rows = tf.LlamaModel(config).eval(), []
    logits, eager = Softmax.logits, AttentionCall.eager

    def noted(*args, **kwargs):
        found = logits(*args, **kwargs)
        rows.append(found.shape[2])
        return found

    def noted_eager(self, part=slice(None), **kwargs):
        output, weights = eager(self, part, **kwargs)
        rows.append(weights.shape[2])
        return output, weights

    monkeypatch.setattr(Softmax, "logits", noted)
    monkeypatch.setattr(AttentionCall, "eager", noted_eager)
    attention_statistics(model, {"input_ids": torch.arange(64)[None] % 9})
    assert max(rows) == 16


@pytest.mark.parametrize("kind", ["bert", "llama, left", "mistral", "gptoss", "t5"])
def test_measuring_some_queries(kind, tiny):
    model, inputs = MODELS[kind](tiny)
    everything = attention_statistics(model, inputs)
    assert_same(attention_statistics(model, inputs, queries=9), everything)
    some = attention_statistics(model, inputs, queries=2)
    maps = capture_attention(model, inputs)
    for layer, (name, weights) in enumerate(maps.weights.items()):
        queries, keys = weights.shape[2:]
        if queries < keys or layer > 1:
            continue
        real = maps.padding_mask[:, None, -2:].expand(-1, weights.shape[1], -1)
        last = (weights[:, :, -2:].sum(-1) * real).sum((0, 2)) / real.sum((0, 2))
        torch.testing.assert_close(some.column("row_sum")[layer], last, atol=1e-5, rtol=0), name


def test_runs_are_spread_evenly():
    assert list(blocks.row_blocks(10, 4, None)) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    runs = list(blocks.row_blocks(1000, 256, 128))
    assert [run.stop for run in runs] == [250, 500, 750, 1000]
    assert {run.stop - run.start for run in runs} == {32}
    assert list(blocks.row_blocks(1000, 256, 5)) == [slice(995, 1000)]


def test_layers_and_errors(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    one = attention_statistics(model, inputs, layers=1)
    assert one.layer_names == ("encoder.layer.1.attention.self",)
    everything = attention_statistics(model, inputs)
    assert torch.equal(one.column("entropy")[0], everything.column("entropy")[1])
    with pytest.raises(InputError, match="queries must be at least 1"):
        attention_statistics(model, inputs, queries=0)
    with pytest.raises(InputError, match="takes token ids"):
        attention_statistics(model, "a text")
    with pytest.raises(AttentionError, match="no attention layer"):
        attention_statistics(nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 2))


def test_restored_after_an_exception(tiny):
    model = tiny.bert()
    broken = {"input_ids": torch.tensor([[5]]), "token_type_ids": torch.tensor([[9]])}
    with pytest.raises(IndexError):
        attention_statistics(model, broken)
    assert tiny.hook_count(model) == 0
    assert set(tiny.implementations(model)) == {"sdpa"}
    assert torch.backends.mha.get_fastpath_enabled()
