"""Maps joined over the steps of a text against one pass over the whole text."""

import pytest
import torch
import transformers as tf

from interpviz.attention.capture import capture_attention
from interpviz.attention.maps import AttentionMaps
from interpviz.errors import AttentionError, InputError

NEW = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "pad_token_id": 0}


FREE = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
WRITERS = {
    "gpt2": lambda t: t.gpt2(),
    "llama": lambda t: t.decoder("Llama", "ForCausalLM"),
    "mistral": lambda t: t.decoder("Mistral", "ForCausalLM", sliding_window=4),
    "gemma2": lambda t: t.decoder("Gemma2", "ForCausalLM", head_dim=8, sliding_window=4),
}


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
    maps = capture_attention(model, tiny.left_padded(), generate={**NEW, **cache})
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


def t5():
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
    return tf.T5ForConditionalGeneration(config).eval()


@pytest.mark.parametrize("cache", [{}, {"use_cache": False}])
def test_an_encoder_decoder_gives_all_three(cache, tiny):
    model, inputs = t5(), tiny.text_inputs()
    maps = capture_attention(model, inputs, generate={**NEW, **cache})
    assert maps.kinds == ("encoder", "decoder", "cross")
    assert [tuple(w.shape[2:]) for w in maps.weights.values()] == [(9, 9), (6, 6), (6, 9)]
    expected = capture_attention(model, {**inputs, "decoder_input_ids": maps.decoder.token_ids})
    for name in maps.layer_names:
        torch.testing.assert_close(maps.weights[name], expected.weights[name], atol=1e-6, rtol=0)


class Tokenizer:
    def convert_ids_to_tokens(self, ids):
        return [f"t{i}" for i in ids]


def chances_in_a_second_pass(model, maps, inputs):
    """Log-probabilities of the written tokens, token by token."""
    whole = torch.cat([maps.token_ids, maps.generated.ids[:, -1:]], 1)
    mask = torch.ones_like(whole)
    mask[:, :-1] = maps.padding_mask
    places = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(input_ids=whole, attention_mask=mask, position_ids=places).logits.double()
    first = inputs["input_ids"].shape[1]
    return [
        [
            (logits[row, k - 1, whole[row, k]] - logits[row, k - 1].logsumexp(0)).item()
            for k in range(first, whole.shape[1])
        ]
        for row in range(len(whole))
    ]


SAMPLED = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": True, "pad_token_id": 0}


@pytest.mark.parametrize(
    "settings",
    [
        NEW,
        {**NEW, "use_cache": False},
        {**NEW, "repetition_penalty": 1.5, "return_dict_in_generate": False},
        {**SAMPLED, "temperature": 0.5, "top_k": 5},
        {**SAMPLED, "num_return_sequences": 3},
    ],
)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_was_written_and_how_sure_the_model_was(kind, settings, tiny):
    model, inputs = WRITERS[kind](tiny), tiny.left_padded()
    maps = capture_attention(model, inputs, tokens=Tokenizer(), generate=settings)
    new, count = maps.generated, 2 * settings.get("num_return_sequences", 1)
    assert maps.prompt_length == new.prompt_length == 9
    assert new.ids.shape == new.logprobs.shape == (count, 6)
    assert maps.weights[0].shape[-2] == 9 + 6 - 1
    assert torch.equal(new.ids[:, :-1], maps.token_ids[:, 9:])
    assert new.tokens == [[f"t{i}" for i in row] for row in new.ids.tolist()]
    expected = torch.tensor(chances_in_a_second_pass(model, maps, inputs))
    torch.testing.assert_close(new.logprobs, expected, atol=1e-5, rtol=0)


def test_greedy_writing_is_what_generate_returns(tiny):
    model, inputs = WRITERS["llama"](tiny), tiny.left_padded()
    maps = capture_attention(model, inputs, generate=NEW)
    assert torch.equal(maps.generated.ids, model.generate(**inputs, **NEW)[:, 9:])


def test_a_decoder_began_with_its_start_token(tiny):
    model, inputs = t5(), tiny.text_inputs()
    torch.manual_seed(1)
    maps = capture_attention(model, inputs, generate=SAMPLED)
    new, start = maps.generated, torch.zeros(2, 1, dtype=torch.long)
    assert maps.prompt_length == 1
    with torch.no_grad():
        known = torch.cat([start, new.ids[:, :-1]], 1)
        logits = model(**inputs, decoder_input_ids=known).logits.double()
    for row in range(2):
        for k, one in enumerate(new.ids[row].tolist()):
            expected = logits[row, k, one] - logits[row, k].logsumexp(0)
            assert new.logprobs[row, k].item() == pytest.approx(expected.item(), abs=1e-5)
    longer = {**inputs, "decoder_input_ids": torch.tensor([[0, 7, 8]] * 2)}
    assert capture_attention(model, longer, generate=NEW).prompt_length == 3
    torch.manual_seed(1)
    only = capture_attention(model, inputs, layers="encoder", generate=SAMPLED)
    assert only.prompt_length == 1
    assert len(new.ids.unique()) > 6
    assert torch.equal(only.generated.ids, new.ids)


def test_the_end_of_what_a_decoder_writes_is_seen_behind_a_longer_encoder(tiny):
    model, inputs, ends = t5(), tiny.text_inputs(), list(range(80, 100))
    arguments = {"max_new_tokens": 6, "do_sample": True, "eos_token_id": ends}
    torch.manual_seed(4)
    maps = capture_attention(model, inputs, generate=arguments)
    real = []
    for row, sure in zip(maps.generated.ids.tolist(), maps.generated.logprobs, strict=True):
        real.append(next((k + 1 for k, one in enumerate(row) if one in ends), 6))
        assert sure.isnan().tolist() == [k >= real[-1] for k in range(len(row))]
    assert real[0] != real[1]
    width = range(maps.decoder.token_ids.shape[1])
    assert maps.decoder.padding_mask.tolist() == [[k <= n for k in width] for n in real]


def test_one_step_and_prompts_without_tokens(tiny):
    model, inputs = WRITERS["llama"](tiny), tiny.text_inputs(padded=False)
    one = capture_attention(
        model, inputs, generate={**NEW, "max_new_tokens": 1, "min_new_tokens": 1}
    )
    assert (one.prompt_length, one.weights[0].shape[-1]) == (9, 9)
    assert one.generated.ids.shape == (2, 1)
    embedded = {"inputs_embeds": model.get_input_embeddings()(inputs["input_ids"]).detach()}
    embedded["attention_mask"] = inputs["attention_mask"]
    settings = {**NEW, "min_new_tokens": None}
    maps = capture_attention(model, embedded, generate=settings)
    tokens = capture_attention(model, inputs, generate=settings)
    assert maps.prompt_length == 9
    assert torch.equal(maps.generated.ids, tokens.generated.ids)
    assert maps.generated.tokens is None
    assert capture_attention(model, inputs).generated is None
    assert capture_attention(model, inputs).prompt_length is None


def test_a_pass_too_many_is_left_out(tiny):
    class Late(tf.LlamaForCausalLM):
        def generate(self, *args, **kwargs):
            result = super().generate(*args, **kwargs)
            mask = torch.ones_like(result["sequences"])
            self(
                result["sequences"][:, -1:],
                past_key_values=result["past_key_values"],
                attention_mask=mask,
            )
            return result

    inputs, model = tiny.text_inputs(padded=False), WRITERS["llama"](tiny)
    late = Late(model.config).eval()
    late.load_state_dict(model.state_dict())
    maps = capture_attention(late, inputs, generate=NEW)
    expected = capture_attention(model, inputs, generate=NEW)
    assert maps.prompt_length == 9
    assert torch.equal(maps.token_ids, expected.token_ids)
    for found, one in zip(maps.weights.values(), expected.weights.values(), strict=True):
        torch.testing.assert_close(found, one, atol=1e-6, rtol=0)


def test_a_generate_of_ones_own_may_keep_no_logits(tiny):
    class Own(tf.LlamaForCausalLM):
        def generate(self, *args, **kwargs):
            return super().generate(*args, **kwargs)["sequences"]

    inputs, model = tiny.text_inputs(padded=False), WRITERS["llama"](tiny)
    own = Own(model.config).eval()
    own.load_state_dict(model.state_dict())
    maps = capture_attention(own, inputs, generate=NEW)
    assert maps.generated is None
    assert torch.equal(maps.token_ids, capture_attention(model, inputs, generate=NEW).token_ids)


def test_what_was_written_is_saved_with_the_maps(tiny, tmp_path):
    model, inputs = WRITERS["gpt2"](tiny), tiny.left_padded()
    maps = capture_attention(model, inputs, tokens=Tokenizer(), generate=NEW)
    again = AttentionMaps.load(maps.save(tmp_path / "maps"))
    assert again.prompt_length == 9
    assert again.generated.tokens == maps.generated.tokens
    assert torch.equal(again.generated.ids, maps.generated.ids)
    assert torch.equal(again.generated.logprobs, maps.generated.logprobs)
    assert maps.to_dict()["generated"]["prompt_length"] == 9
    plain = capture_attention(model, inputs)
    assert AttentionMaps.load(plain.save(tmp_path / "plain")).generated is None


def test_the_prompt_is_counted_anew_where_positions_go(tiny):
    model, inputs = WRITERS["llama"](tiny), tiny.text_inputs(padded=False)
    special = [[1, 0, 0, 0, 0, 0, 0, 0, 1]] * 2
    maps = capture_attention(model, inputs, special_tokens_mask=special, generate=NEW)
    bare = maps.without_special_tokens()
    assert bare.prompt_length == 7
    assert torch.equal(bare.token_ids[:, 7:], maps.generated.ids[:, :-1])
    special[1] = [1] * 3 + [0] * 6
    maps = capture_attention(model, inputs, special_tokens_mask=special, generate=NEW)
    assert maps.without_special_tokens().prompt_length is None
    for same in (maps.mean_heads(), maps.renormalised()):
        assert same.prompt_length == 9


def test_new_tokens_are_named(tiny):
    model, inputs = WRITERS["llama"](tiny), tiny.left_padded()
    maps = capture_attention(model, inputs, tokens=Tokenizer(), generate=NEW)
    assert maps.tokens[0] == [f"t{i}" for i in maps.token_ids[0].tolist()]
    names = [list("abcdefghi"), list("jklmnopqr")]
    maps = capture_attention(model, inputs, tokens=names, generate=NEW)
    assert maps.tokens[1][:9] == names[1]
    assert maps.tokens[1][9:] == [f"<{i}>" for i in maps.token_ids[1, 9:].tolist()]
    assert maps.generated.tokens[1] == [f"<{i}>" for i in maps.generated.ids[1].tolist()]


def test_what_follows_the_end_of_a_text_is_padding(tiny):
    model, inputs = WRITERS["llama"](tiny), tiny.left_padded()
    free = capture_attention(model, inputs, generate=NEW)
    end = int(free.token_ids[0, 10])
    arguments = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": end}
    maps = capture_attention(model, inputs, generate=arguments)
    written = maps.token_ids[0, 9:].tolist()
    after = len(written) - written.index(end) - 1
    assert after > 0
    assert maps.padding_mask[0].tolist() == [True] * (14 - after) + [False] * after
    # The end itself was chosen; what is behind it was not.
    known = (~maps.generated.logprobs.isnan()).tolist()
    assert known[0] == [True] * (5 - after) + [False] * (after + 1)
    kept = free.generated.logprobs[0, : 5 - after]
    torch.testing.assert_close(maps.generated.logprobs[0, : 5 - after], kept)


def test_the_end_token_inside_a_prompt_ends_nothing(tiny):
    model = WRITERS["llama"](tiny)
    ids = torch.tensor([[5, 2, 6, 7]])
    maps = capture_attention(model, ids, generate=NEW)
    assert maps.padding_mask is None or maps.padding_mask.all()


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
    for drafts in ({"prompt_lookup_num_tokens": 2}, {"assistant_model": model}):
        with pytest.raises(InputError, match="or of drafts"):
            capture_attention(model, torch.tensor([[5]]), generate={**NEW, **drafts})
    model.generation_config.num_beams = 3
    with pytest.raises(InputError, match="generate with num_beams=1"):
        capture_attention(model, torch.tensor([[5]]), generate=NEW)
    alone = capture_attention(model, torch.tensor([[5]]), generate={**NEW, "num_beams": 1})
    assert alone.prompt_length == 1
    assert tiny.hook_count(model) == 0


def test_more_tokens_than_the_model_has_positions(tiny):
    model, ids = tiny.gpt2(n_positions=12), tiny.text_inputs(padded=False)
    fits = capture_attention(model, ids, generate={**FREE, "max_new_tokens": 4})
    assert fits[0].shape[-2:] == (12, 12)
    for settings in ({"max_new_tokens": 5}, {"max_length": 14}, {"max_new_tokens": 50}):
        for given in (ids, ids["input_ids"]):
            with pytest.raises(InputError, match=r"GPT2.* at most 12: pass max_new_tokens=4 or"):
                capture_attention(model, given, generate={**FREE, **settings})
    model.generation_config.max_new_tokens = 5
    with pytest.raises(InputError, match="9 given and 5 new tokens do not fit"):
        capture_attention(model, ids, generate=FREE)
    assert tiny.hook_count(model) == 0


def test_a_decoder_may_write_as_much_as_it_has_positions(tiny):
    model = tiny.bart(
        tf.BartForConditionalGeneration, max_position_embeddings=10, forced_eos_token_id=None
    )
    inputs = tiny.text_inputs()
    maps = capture_attention(model, inputs, generate={**FREE, "max_new_tokens": 10})
    assert maps.decoder.token_ids.shape == (2, 10)
    with pytest.raises(InputError, match=r"1 given and 11 new tokens .* max_new_tokens=10 or"):
        capture_attention(model, inputs, generate={**FREE, "max_new_tokens": 11})
    endless = capture_attention(t5(), inputs, generate={**NEW, "max_new_tokens": 12})
    assert endless.prompt_length == 1
