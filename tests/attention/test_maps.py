"""What is known beside the weights, and maps made out of maps."""

import pytest
import torch
import transformers as tf

from interpviz.attention.capture import AttentionCapture, capture_attention
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.maps import AttentionMaps
from interpviz.errors import InputError, LayerError


def maps_of(*shape, **kwargs):
    weights = torch.rand(*shape, generator=torch.Generator().manual_seed(0)).softmax(-1)
    return AttentionMaps(LayerWeights({"a": weights, "b": weights.flip(-1)}), **kwargs)


class Tokenizer:
    def convert_ids_to_tokens(self, ids):
        return [f"t{i}" for i in ids]


class Fast(dict):
    """Inputs as a fast tokenizer returns them."""

    class Encoding:
        def __init__(self, count):
            self.tokens = [f"w{i}" for i in range(count)]
            self.special_tokens_mask = [1, *[0] * (count - 2), 1]

    def __init__(self, inputs):
        super().__init__(inputs)
        batch, length = inputs["input_ids"].shape
        self.encodings = [self.Encoding(length) for _ in range(batch)]


def test_kinds_are_what_the_model_says(tiny):
    text = tiny.text_inputs()
    for model, kinds in (
        (tiny.bert(), {"encoder"}),
        (tiny.gpt2(), {"decoder"}),
        (tiny.decoder("Llama"), {"decoder"}),
        (tiny.falcon(), {"decoder"}),
    ):
        assert set(capture_attention(model, text).kinds) == kinds
    both = {**text, "decoder_input_ids": text["input_ids"][:, :5]}
    expected = ("encoder", "encoder", "decoder", "cross", "decoder", "cross")
    assert capture_attention(tiny.t5(), both).kinds == expected
    assert capture_attention(tiny.vit(), tiny.image_inputs()).kinds == ("encoder",) * 2


def test_kinds_of_pytorchs_own_layers(tiny):
    assert set(capture_attention(tiny.Encoder().eval(), torch.rand(1, 5, 16)).kinds) == {"encoder"}
    model = torch.nn.Transformer(16, 2, 1, 1, 32, batch_first=True).eval()
    x, y = torch.rand(2, 6, 16), torch.rand(2, 4, 16)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4)
    maps = capture_attention(model, {"src": x, "tgt": y, "tgt_mask": mask})
    assert maps.kinds == ("encoder", "decoder", "cross")
    assert torch.equal(maps.visible[maps.layer_names[1]][0, 0], torch.ones(4, 4).tril().bool())


def test_masks_of_the_model_are_kept(tiny):
    left = tiny.text_inputs()
    left["attention_mask"] = left["attention_mask"].flip(1)
    maps = capture_attention(tiny.decoder("Mistral", sliding_window=3), left)
    i, j = torch.arange(9)[:, None], torch.arange(9)
    expected = (j <= i) & (j > i - 3) & left["attention_mask"].bool()[:, None, None]
    assert torch.equal(maps.visible[maps.layer_names[0]].expand(2, 1, 9, 9), expected)
    assert torch.equal(maps.padding_mask, left["attention_mask"].bool())
    assert torch.equal(maps.token_ids, left["input_ids"])


def test_slices_by_layer_and_head(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs())
    assert maps[1] is maps.weights[1]
    assert torch.equal(maps["encoder.layer.0", -1], maps.weights[0][:, 3])
    assert list(maps) == maps.layer_names
    for head in (4, 1.5, True, "a"):
        with pytest.raises(InputError, match="head"):
            maps[0, head]


@pytest.mark.parametrize("kind", ["bert", "falcon", "encoder"])
def test_some_heads_only(kind, tiny):
    model, inputs = (
        (tiny.Encoder().eval(), torch.rand(1, 5, 16))
        if kind == "encoder"
        else (getattr(tiny, kind)(), tiny.text_inputs())
    )
    everything = capture_attention(model, inputs)
    some = capture_attention(model, inputs, heads=[2, -1])
    assert some.weights[0].shape[1] == 2
    assert torch.equal(some[1, 3], everything[1, 3])
    assert set(some.heads.values()) == {(2, 3)}
    with pytest.raises(InputError, match=r"Head 0 of .* was not kept: those kept are 2, 3"):
        some[0, 0]
    by_layer = capture_attention(model, inputs, heads={1: 0})
    assert [len(w[0]) for w in by_layer.weights.values()] == [4, 1]
    with pytest.raises(InputError, match="There is no head 9"):
        capture_attention(model, inputs, heads=9)
    with pytest.raises(LayerError, match="The list of heads is empty"):
        capture_attention(model, inputs, heads=[])
    assert tiny.hook_count(model) == 0


def test_tokens_must_fit(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    names = [f"w{i}" for i in range(9)]
    assert capture_attention(model, inputs, tokens=names).tokens == [names]
    with pytest.raises(InputError, match="8 tokens were given for weights with 9 keys"):
        capture_attention(model, inputs, tokens=names[:8])
    with pytest.raises(InputError, match="tokens of 3 sequences were given for weights of 2"):
        capture_attention(model, inputs, tokens=[names] * 3)
    with pytest.raises(InputError, match="The tokens are one text"):
        capture_attention(model, inputs, tokens="a text")
    with pytest.raises(InputError, match="special_tokens_mask of shape"):
        capture_attention(model, inputs, special_tokens_mask=[1, 0])


def test_a_tokenizer_names_tokens_and_fast_ones_do_by_themselves(tiny):
    model, inputs = tiny.bert(), tiny.text_inputs()
    named = capture_attention(model, inputs, tokens=Tokenizer())
    assert named.tokens[1][0] == f"t{int(inputs['input_ids'][1, 0])}"
    fast = capture_attention(model, Fast(inputs))
    assert fast.tokens[1] == [f"w{i}" for i in range(9)]
    assert fast.special_tokens_mask.sum(1).tolist() == [2, 2]


def test_encoder_and_decoder_have_tokens_of_their_own(tiny):
    text = tiny.text_inputs()
    inputs = {**text, "decoder_input_ids": text["input_ids"][:, :5]}
    long, short = [f"e{i}" for i in range(9)], [f"d{i}" for i in range(5)]
    maps = capture_attention(tiny.t5(), inputs, tokens=long, decoder_tokens=short)
    cross = maps.layer_names[3]
    assert maps.queries_of(cross).tokens == [short] == maps.decoder_tokens
    assert maps.keys_of(cross).tokens == [long]
    assert maps.query_positions(cross).tolist() == [0, 1, 2, 3, 4]
    assert len(maps.key_positions(cross)) == 9
    with pytest.raises(InputError, match="9 tokens were given for weights with 5 keys"):
        capture_attention(tiny.t5(), inputs, decoder_tokens=long)
    with pytest.raises(InputError, match="5 tokens were given for weights with 9 keys"):
        capture_attention(tiny.t5(), inputs, layers="decoder.block.0.layer.1", tokens=short)


def test_means_and_rows_that_sum_to_one():
    maps = maps_of(2, 3, 4, 4)
    assert torch.equal(maps.mean_heads().weights[0], maps.weights[0].mean(1, keepdim=True))
    halved = AttentionMaps(
        LayerWeights({"a": maps.weights[0] * torch.tensor([0.5, 1, 0, 1])[:, None]})
    )
    again = halved.renormalised().weights[0]
    torch.testing.assert_close(again[..., 0, :], maps.weights[0][..., 0, :])
    assert again[..., 2, :].abs().max() == 0


def test_all_layers_in_one_tensor(tiny):
    maps = maps_of(2, 3, 4, 5)
    assert maps.stacked().shape == (2, 2, 3, 4, 5)
    assert torch.equal(maps.stacked()[1], maps.weights["b"])
    text = tiny.text_inputs()
    both = capture_attention(tiny.t5(), {**text, "decoder_input_ids": text["input_ids"][:, :5]})
    with pytest.raises(InputError, match=r"have \(2, 4, 9, 9\) in .* and \(2, 4, 5, 5\) in 'dec"):
        both.stacked()
    with pytest.raises(InputError, match="but these have none"):
        AttentionMaps(LayerWeights({})).stacked()


def test_without_special_tokens():
    special = torch.tensor([[1, 0, 0, 1], [1, 0, 1, 0]]).bool()
    padding = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]).bool()
    maps = maps_of(
        2,
        3,
        4,
        4,
        tokens=[["[CLS]", "a", "b", "[SEP]"], ["[CLS]", "c", "[SEP]", "[PAD]"]],
        special_tokens_mask=special,
        padding_mask=padding,
        kinds=("encoder", "encoder"),
    )
    text = maps.without_special_tokens()
    assert text.tokens[0] == ["a", "b"]
    assert text.tokens[1] == ["c", "[PAD]"]
    assert text.padding_mask.tolist() == [[True, True], [True, False]]
    for old, new in zip(maps.weights.values(), text.weights.values(), strict=True):
        assert torch.equal(new[0], old[0, :, 1:3, 1:3])
        assert torch.equal(new[1, :, 0, 0], old[1, :, 1, 1])
        assert new[1, :, 1].abs().max() == new[1, :, :, 1].abs().max() == 0
    assert text.renormalised().weights[0][0].sum(-1) == pytest.approx(1)
    with pytest.raises(InputError, match="It is not known which tokens are special"):
        maps_of(2, 3, 4, 4).without_special_tokens()
    with pytest.raises(InputError, match="nothing would be left"):
        maps_of(1, 1, 2, 2, special_tokens_mask=torch.ones(1, 2).bool()).without_special_tokens()
    with pytest.raises(InputError, match="not those of 1 whole sequences"):
        maps_of(2, 1, 2, 2, special_tokens_mask=torch.eye(2)[:1].bool()).without_special_tokens()


def test_saved_maps_are_read_as_they_were(tiny, tmp_path):
    text = tiny.text_inputs()
    inputs = {**text, "decoder_input_ids": text["input_ids"][:, :5]}
    maps = capture_attention(
        tiny.t5().bfloat16(),
        inputs,
        tokens=[f"e{i}" for i in range(9)],
        heads={0: [1]},
        special_tokens_mask=[1] + [0] * 8,
    )
    path = maps.save(tmp_path / "maps.safetensors")
    again = AttentionMaps.load(path)
    expected, found = maps.to_dict(), again.to_dict()
    assert expected.keys() == found.keys()
    for key in ("layer_names", "kinds", "heads", "tokens"):
        assert found[key] == expected[key]
    for name, one in maps.weights.items():
        assert torch.equal(again.weights[name], one)
        assert again.weights[name].dtype == torch.bfloat16
        assert torch.equal(again.visible[name], maps.visible[name])
    assert torch.equal(again.padding_mask, maps.padding_mask)
    assert torch.equal(again.decoder.token_ids, maps.decoder.token_ids)
    assert again.decoder.tokens is None
    assert [file.name for file in tmp_path.iterdir()] == ["maps.safetensors"]


def test_files_that_hold_no_maps(tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no attention maps"):
        AttentionMaps.load(other)
    with pytest.raises(InputError, match="There is no file"):
        AttentionMaps.load(tmp_path / "none")
    with pytest.raises(InputError, match="There is no folder"):
        maps_of(1, 1, 2, 2).save(tmp_path / "none" / "maps")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = maps_of(1, 1, 2, 2).save(tmp_path / "maps")
    old = path.read_bytes()

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="full"):
        maps_of(1, 2, 3, 3).save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_dropped_capture_gives_the_model_back(tiny):
    model = tiny.bert()
    capture = AttentionCapture(model)
    assert tiny.hook_count(model) > 0
    del capture
    assert tiny.hook_count(model) == 0
    assert set(tiny.implementations(model)) == {"sdpa"}


def test_inputs_that_the_model_cannot_take():
    attention = torch.nn.MultiheadAttention(4, 2)
    with pytest.raises(InputError, match="a mapping with query, key, value"):
        capture_attention(attention, torch.rand(3, 4))
    maps = capture_attention(attention, (torch.rand(3, 4),) * 3)
    assert len(maps) == 1


def test_long_maps_come_in_blocks_and_are_the_same(tiny, monkeypatch):
    monkeypatch.setattr("interpviz.attention.calls._BLOCK", 2 * 4 * 9 * 2)
    for model in (
        tiny.bert(),
        tiny.gpt2(),
        tiny.decoder("Llama"),
        tiny.decoder("Mistral", sliding_window=3),
        tiny.t5(),
    ):
        for padded in (True, False):
            inputs = tiny.text_inputs(padded)
            if isinstance(model, tf.T5Model):
                inputs["decoder_input_ids"] = inputs["input_ids"]
            blocks = capture_attention(model, inputs)
            capture = AttentionCapture(model)
            model(**inputs)
            capture.remove()
            for found, one in zip(
                blocks.weights.values(), capture.maps.weights.values(), strict=True
            ):
                torch.testing.assert_close(found, one, atol=1e-6, rtol=0)
