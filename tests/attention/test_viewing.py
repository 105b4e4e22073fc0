"""Captured maps in an interactive view: what is handed over, against the maps themselves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from interpviz.attention.capture import capture_attention
from interpviz.attention.classify import classify_heads
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.maps import AttentionMaps
from interpviz.errors import InputError, LayerError


@pytest.fixture
def maps(tiny):
    """Two texts, the second one padded, whose first and last tokens are special."""
    inputs = {**tiny.text_inputs()}
    mask = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    mask[:, 0] = True
    tokens = [[f"t{i}" for i in range(mask.shape[1])] for _ in mask]
    return capture_attention(tiny.bert(), inputs, tokens=tokens, special_tokens_mask=mask)


def test_one_text_without_its_padding(maps):
    for item in range(len(maps.padding_mask)):
        real = maps.padding_mask[item]
        view = maps.view(item)
        assert view.texts["encoder"].tokens == [f"t{i}" for i in range(int(real.sum()))]
        assert view.texts["encoder"].special.tolist() == [True] + [False] * (int(real.sum()) - 1)
        for layer, name in zip(view.layers, maps.layer_names, strict=True):
            true = maps.weights[name][item][:, real][..., real]
            np.testing.assert_array_equal(layer.weights, true.numpy())
            assert (layer.name, layer.kind) == (name, "encoder")


def test_entropy_is_that_of_the_text_alone(maps):
    real = maps.padding_mask[-1]
    view = maps.view(-1)
    alone = {name: w[-1:][:, :, real][..., real] for name, w in maps.weights.items()}
    table = AttentionMaps(LayerWeights(alone)).statistics(causal=False)
    found = [layer.info["entropy"] for layer in view.layers]
    np.testing.assert_allclose(found, table.column("entropy"), atol=1e-4)


def test_patterns_are_those_of_classify_heads():
    n = 30
    even = torch.full((n, n), 1 / n)
    previous = 0.02 * even + 0.98 * torch.eye(n).roll(-1, 1)
    maps = AttentionMaps(LayerWeights({"a": torch.stack([previous, even])[None]}))
    info = maps.view().layers[0].info
    found = classify_heads(maps)
    assert info["pattern"] == ["previous token", "uniform"] == found.names[0].tolist()
    np.testing.assert_allclose(info["score"], found.scores[0], atol=1e-4)
    assert "pattern" not in maps.view(patterns=False).layers[0].info


def test_some_layers_and_heads_keep_their_numbers(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs(), heads={1: [3, 1]})
    view = maps.view(layers=[-1])
    assert len(view.layers) == 1
    kept = maps.heads[maps.layer_names[-1]]
    assert view.layers[0].numbers == list(kept)


def test_layers_are_told_by_one_name_or_number_and_once(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs())
    *_, last = maps.layer_names
    for asked in (-1, last, [last, -1], (len(maps) - 1,)):
        (layer,) = maps.view(layers=asked).layers
        assert (layer.name, layer.number) == (last, len(maps) - 1)
    assert [layer.number for layer in maps.view(layers=[-1, 0]).layers] == [len(maps) - 1, 0]


def test_encoder_decoder_has_three_kinds_and_two_texts(tiny):
    ids = torch.arange(3, 9)[None], torch.arange(10, 14)[None]
    inputs = {"input_ids": ids[0], "decoder_input_ids": ids[1]}
    maps = capture_attention(tiny.t5(), inputs)
    view = maps.view()
    assert {layer.kind for layer in view.layers} == {"encoder", "decoder", "cross"}
    assert {name: len(text.tokens) for name, text in view.texts.items()} == {
        "encoder": 6,
        "decoder": 4,
    }
    for layer in view.layers:
        sizes = {"encoder": (6, 6), "decoder": (4, 4), "cross": (4, 6)}
        assert layer.weights.shape[1:] == sizes[layer.kind]
        assert (layer.offset == 0) == (layer.kind == "decoder")
    kinds = view.payload()["kinds"]
    assert sorted(kind["label"].split(":")[0] for kind in kinds) == [
        "Cross-attention", "Decoder", "Encoder",
    ]  # fmt: skip


def test_a_written_text_has_a_slider_from_its_prompt_on(tiny):
    new = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    inputs = tiny.left_padded()
    maps = capture_attention(tiny.gpt2(), inputs, generate=new)
    length = inputs["input_ids"].shape[1]
    assert maps.view(0).steps == length
    assert maps.view(1).steps == length - 2
    assert maps.view(0, prompt_length=3).steps == 3
    assert [kind["grows"] for kind in maps.view(0).payload()["kinds"]] == [True]


def test_the_encoder_of_a_written_text_has_no_slider(tiny):
    new = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}
    config = tiny.t5().config
    config.decoder_start_token_id = config.pad_token_id = 0
    model = transformers.T5ForConditionalGeneration(config).eval()
    maps = capture_attention(model, {"input_ids": torch.arange(3, 9)[None]}, generate=new)
    kinds = [maps.kind_of(name) for name in maps.layer_names]
    layers = [place for place, kind in enumerate(kinds) if kind == "encoder"]
    assert layers
    assert maps.view(layers=layers).steps is None
    assert maps.view().steps == 1
    with pytest.raises(InputError, match="only encoder layers"):
        maps.view(layers=layers, prompt_length=1)


def test_a_picture_has_numbers_for_tokens(tiny):
    maps = capture_attention(tiny.vit(), {"pixel_values": torch.zeros(1, 3, 32, 32)})
    (text,) = maps.view().texts.values()
    assert text.tokens == [str(i) for i in range(17)]


def test_options_of_the_view_win(maps):
    tokens = {"encoder": ["x"] * int(maps.padding_mask[0].sum())}
    view = maps.view(0, tokens=tokens, layer=1, head=2, title="Mine")
    assert (view.start, view.title) == ((1, 2), "Mine")
    assert set(view.texts["encoder"].tokens) == {"x"}


def test_what_is_told_of_heads_is_added_to_what_is_known(tiny, monkeypatch):
    maps = capture_attention(tiny.bert(), tiny.text_inputs(), heads={1: [3, 1]})
    known = maps.view(layers=[-1]).layers[0]
    monkeypatch.setattr("interpviz.attention.viewing.classify_heads", pytest.fail)
    told = maps.view(layers=[-1], head_info={"pattern": [["mine", "yours"]]}).layers[0]
    assert told.numbers == known.numbers != [0, 1]
    assert told.info["entropy"] == known.info["entropy"]
    assert told.info["pattern"] == ["mine", "yours"]
    assert "score" not in told.info


def test_a_plain_list_of_tokens_keeps_the_special_ones(maps):
    real = int(maps.padding_mask[0].sum())
    view = maps.view(0, tokens=["x"] * real)
    (text,) = view.texts.values()
    assert text.tokens == ["x"] * real
    assert text.special.tolist() == [True] + [False] * (real - 1)
    with pytest.raises(InputError, match="special tokens of 'encoder'"):
        maps.view(0, tokens={"queries": ["x"] * real})


def test_half_precision_is_shown(maps):
    half = {name: weights.bfloat16() for name, weights in maps.weights.items()}
    view = AttentionMaps(LayerWeights(half)).view()
    assert isinstance(view.payload(), dict)


def test_mistakes_are_told(maps):
    with pytest.raises(InputError, match="no sequence 7"):
        maps.view(7)
    with pytest.raises(LayerError):
        maps.view(layers=["nowhere"])
    with pytest.raises(InputError, match="no layers"):
        AttentionMaps(LayerWeights({})).view()


def test_the_maps_stay_as_they_were(maps):
    before = SimpleNamespace(
        weights={name: weights.clone() for name, weights in maps.weights.items()},
        padding=maps.padding_mask.clone(),
    )
    maps.view(1)
    assert all(torch.equal(maps.weights[name], weights) for name, weights in before.weights.items())
    assert torch.equal(maps.padding_mask, before.padding)
