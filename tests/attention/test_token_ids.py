"""Token ids that a model cannot take, told before it runs."""

import pytest
import torch
import transformers as tf

from interpviz.attention import attention_statistics, capture_attention
from interpviz.errors import InputError


def roberta(tiny):
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    config = tf.RobertaConfig(
        **sizes, num_hidden_layers=1, vocab_size=100, pad_token_id=1, max_position_embeddings=10
    )
    return tf.RobertaModel(config).eval()


def opt(tiny):
    config = tf.OPTConfig(
        hidden_size=32,
        word_embed_proj_dim=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        ffn_dim=64,
        vocab_size=100,
        max_position_embeddings=8,
    )
    return tf.OPTModel(config).eval()


EIGHT = {
    "bert": lambda t: t.bert(max_position_embeddings=8),
    "gpt2": lambda t: t.gpt2(n_positions=8),
    "roberta": roberta,
    "bart": lambda t: t.bart(max_position_embeddings=8),
    "opt": opt,
}


@pytest.mark.parametrize("kind", EIGHT)
def test_a_text_longer_than_the_model_takes(kind, tiny):
    model, ids = EIGHT[kind](tiny), tiny.text_inputs()["input_ids"]
    maps = capture_attention(model, {"input_ids": ids[:, :8]})
    assert maps[0].shape[-1] == 8
    kernels = tiny.implementations(model)
    for given in ({"input_ids": ids}, ids):
        for call in (capture_attention, attention_statistics):
            with pytest.raises(InputError, match=r"have 9 tokens, but .* at most 8: pass"):
                call(model, given)
    assert tiny.hook_count(model) == 0
    assert tiny.implementations(model) == kernels


def test_each_side_of_an_encoder_decoder_has_a_limit(tiny):
    model, ids = tiny.bart(max_position_embeddings=8), tiny.text_inputs()["input_ids"]
    short = ids[:, :3]
    for given in (
        {"input_ids": ids, "decoder_input_ids": short},
        {"input_ids": short, "decoder_input_ids": ids},
    ):
        with pytest.raises(InputError, match="have 9 tokens, but BartModel takes at most 8"):
            capture_attention(model, given)


def test_padding_takes_no_position_in_roberta(tiny):
    ids = tiny.text_inputs()["input_ids"].clone()
    ids[:, 7:] = 1
    mask = (ids != 1).long()
    maps = capture_attention(roberta(tiny), {"input_ids": ids, "attention_mask": mask})
    assert maps[0].shape[-1] == 9


def test_positions_that_are_computed_have_no_end(tiny):
    model = tiny.decoder("Llama", max_position_embeddings=4)
    assert len(capture_attention(model, tiny.text_inputs())) == 2
    text = tiny.text_inputs()
    assert len(capture_attention(tiny.t5(), {**text, "decoder_input_ids": text["input_ids"]})) == 6


def test_positions_of_ones_own_choice(tiny):
    ids, model = tiny.text_inputs()["input_ids"], tiny.gpt2(n_positions=8)
    places = torch.arange(9).clamp(max=7)[None]
    assert len(capture_attention(model, {"input_ids": ids, "position_ids": places})) == 2


@pytest.mark.parametrize("ids", [[[5, 6, 7]], torch.tensor([5, 6, 7]), [5, 6, 7]])
def test_ids_that_are_no_batch(ids, tiny):
    with pytest.raises(InputError, match=r"input_ids must be a tensor of shape \(batch, position"):
        capture_attention(tiny.bert(), {"input_ids": ids})


READERS = {
    "bert": lambda t: t.bert(),
    "gpt2": lambda t: t.gpt2(),
    "llama": lambda t: t.decoder("Llama"),
    "bart": lambda t: t.bart(max_position_embeddings=8),
    "t5": lambda t: t.t5(),
}


@pytest.mark.parametrize("wrong", [100, -1])
@pytest.mark.parametrize("kind", READERS)
def test_ids_outside_the_vocabulary(kind, wrong, tiny):
    model, ids = READERS[kind](tiny), tiny.text_inputs()["input_ids"][:, :6].clone()
    given = {"input_ids": ids}
    if kind == "t5":
        given["decoder_input_ids"] = ids
    ids[0, 1] = 99
    assert len(capture_attention(model, given)) > 0
    ids[1, 2] = wrong
    with pytest.raises(InputError, match=rf"input_ids hold the id {wrong}, but .* from 0 to 99"):
        capture_attention(model, given)
    assert tiny.hook_count(model) == 0


def test_each_side_of_an_encoder_decoder_has_a_vocabulary(tiny):
    ids = tiny.text_inputs()["input_ids"][:, :6]
    wrong = ids.clone()
    wrong[0, 0] = 100
    with pytest.raises(InputError, match="decoder_input_ids hold the id 100"):
        capture_attention(tiny.t5(), {"input_ids": ids, "decoder_input_ids": wrong})


@pytest.mark.parametrize("length", [5, 7])
@pytest.mark.parametrize("kind", READERS)
def test_a_mask_of_another_length_than_the_ids(kind, length, tiny):
    model, ids = READERS[kind](tiny), tiny.text_inputs()["input_ids"][:, :6]
    mask = torch.ones(2, length, dtype=torch.long)
    match = f"attention_mask covers {length} positions, but input_ids have 6: pass both"
    with pytest.raises(InputError, match=match):
        capture_attention(model, {"input_ids": ids, "attention_mask": mask})
    if kind == "gpt2":
        given = {"input_ids": ids, "attention_mask": mask}
        with pytest.raises(InputError, match=match):
            capture_attention(model, given, generate={"max_new_tokens": 2})
    if kind in ("bart", "t5"):
        both = {"input_ids": ids, "decoder_input_ids": ids, "decoder_attention_mask": mask}
        with pytest.raises(InputError, match=f"decoder_attention_mask covers {length} positions"):
            capture_attention(model, both)


def test_a_mask_covers_what_a_cache_holds(tiny):
    model, ids = tiny.gpt2(), tiny.text_inputs()["input_ids"]
    with torch.no_grad():
        cache = model(input_ids=ids[:, :6], use_cache=True).past_key_values
    given = {"attention_mask": torch.ones(2, 9, dtype=torch.long), "past_key_values": cache}
    assert capture_attention(model, {"input_ids": ids[:, 6:], **given})[0].shape[-2:] == (3, 9)
