"""Maps joined over the steps of a text against one pass over the whole text."""

import pytest
import torch
import transformers as tf

from interpviz.attention.capture import capture_attention
from interpviz.errors import AttentionError, InputError

NEW = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "pad_token_id": 0}


def writer(kind, tiny, **kwargs):
    torch.manual_seed(0)
    sizes = {**SIZES, "num_key_value_heads": 2}
    if kind == "GPT2":
        return tiny.gpt2()
    config = getattr(tf, f"{kind}Config")(**sizes, **kwargs)
    return getattr(tf, f"{kind}ForCausalLM")(config).eval()


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WRITERS = {
    "gpt2": lambda t: writer("GPT2", t),
    "llama": lambda t: writer("Llama", t),
    "mistral": lambda t: writer("Mistral", t, sliding_window=4),
    "gemma2": lambda t: writer("Gemma2", t, head_dim=8, sliding_window=4),
}


def left_padded(tiny):
    inputs = tiny.text_inputs(padded=False)
    inputs["attention_mask"][1, :2] = 0
    return inputs


def in_one_pass(model, maps):
    mask = maps.padding_mask.long()
    places = (mask.cumsum(1) - 1).clamp(min=0)
    inputs = {"input_ids": maps.token_ids, "attention_mask": mask, "position_ids": places}
    return capture_attention(model, inputs)


@pytest.mark.parametrize("cache", [{}, {"use_cache": False}, {"cache_implementation": "static"}])
@pytest.mark.parametrize("kind", WRITERS)
def test_prompt_and_steps_form_one_triangle(kind, cache, tiny):
    model = WRITERS[kind](tiny)
    kernels = tiny.implementations(model)
    maps = capture_attention(model, left_padded(tiny), generate={**NEW, **cache})
    assert maps.kinds == ("decoder", "decoder")
    assert maps.weights[0].shape == (2, 4, 14, 14)
    expected = in_one_pass(model, maps)
    real = maps.padding_mask[:, None, :, None]
    for found, one in zip(maps.weights.values(), expected.weights.values(), strict=True):
        torch.testing.assert_close(found * real, one * real, atol=1e-6, rtol=0)
        assert found.triu(1)[0].abs().max() == 0
    table, other = maps.statistics(), expected.statistics()
    for name in table.columns:
        torch.testing.assert_close(
            table.column(name), other.column(name), atol=1e-5, rtol=0, equal_nan=True
        )
    assert tiny.hook_count(model) == 0
    assert tiny.implementations(model) == kernels


@pytest.mark.parametrize("cache", [{}, {"use_cache": False}])
def test_an_encoder_decoder_gives_all_three(cache, tiny):
    torch.manual_seed(0)
    config = tf.T5Config(
        d_model=32,
        d_kv=8,
        num_layers=1,
        num_heads=4,
        d_ff=64,
        vocab_size=100,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    model, inputs = tf.T5ForConditionalGeneration(config).eval(), tiny.text_inputs()
    maps = capture_attention(model, inputs, generate={**NEW, **cache})
    assert maps.kinds == ("encoder", "decoder", "cross")
    assert [tuple(w.shape[2:]) for w in maps.weights.values()] == [(9, 9), (6, 6), (6, 9)]
    expected = capture_attention(model, {**inputs, "decoder_input_ids": maps.decoder.token_ids})
    for name in maps.layer_names:
        torch.testing.assert_close(maps.weights[name], expected.weights[name], atol=1e-6, rtol=0)


def test_new_tokens_are_named(tiny):
    class Tokenizer:
        def convert_ids_to_tokens(self, ids):
            return [f"t{i}" for i in ids]

    model, inputs = WRITERS["llama"](tiny), left_padded(tiny)
    maps = capture_attention(model, inputs, tokens=Tokenizer(), generate=NEW)
    assert maps.tokens[0] == [f"t{i}" for i in maps.token_ids[0].tolist()]
    names = [list("abcdefghi"), list("jklmnopqr")]
    maps = capture_attention(model, inputs, tokens=names, generate=NEW)
    assert maps.tokens[1][:9] == names[1]
    assert maps.tokens[1][9:] == [f"<{i}>" for i in maps.token_ids[1, 9:].tolist()]


def test_what_follows_the_end_of_a_text_is_padding(tiny):
    model, inputs = WRITERS["llama"](tiny), left_padded(tiny)
    free = capture_attention(model, inputs, generate=NEW)
    end = int(free.token_ids[0, 10])
    arguments = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": end}
    maps = capture_attention(model, inputs, generate=arguments)
    written = maps.token_ids[0, 9:].tolist()
    after = len(written) - written.index(end) - 1
    assert after > 0
    assert maps.padding_mask[0].tolist() == [True] * (14 - after) + [False] * after


def test_a_tensor_as_prompt_and_several_answers(tiny):
    model, ids = WRITERS["gpt2"](tiny), torch.tensor([[5, 6, 7]])
    maps = capture_attention(model, ids, layers=1, heads=[1], generate=NEW)
    assert maps.weights[0].shape == (1, 1, 8, 8)
    assert maps.token_ids[0, :3].tolist() == [5, 6, 7]
    several = {**NEW, "do_sample": True, "num_return_sequences": 2}
    two = capture_attention(
        model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, generate=several
    )
    assert two.weights[0].shape == (2, 4, 8, 8)
    assert two.padding_mask.shape == (2, 8)


def test_what_cannot_be_joined(tiny):
    with pytest.raises(AttentionError, match="BertModel cannot generate"):
        capture_attention(tiny.bert(), tiny.text_inputs(), generate=NEW)
    model = tiny.gpt2()
    with pytest.raises(InputError, match="generate with num_beams=1"):
        capture_attention(model, torch.tensor([[5]]), generate={**NEW, "num_beams": 2})
    assert tiny.hook_count(model) == 0
