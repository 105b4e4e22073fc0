"""The visualizers: what they capture, what their figures hold, and what they say when it fails."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn

from interpviz.attention import (
    AttentionVisualizer,
    BERTAttentionVisualizer,
    GPTAttentionVisualizer,
    ViTAttentionVisualizer,
    capture_attention,
)
from interpviz.attention.padding import real_positions
from interpviz.errors import AttentionError, InputError, LayerError

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
TOKENS = ["[CLS]", "the", "lazy", "##dog", "runs", "$", "5", "_", "[SEP]"]


@pytest.fixture
def weights():
    return torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(3)).softmax(-1)


@pytest.fixture
def one(tiny):
    """Inputs of a single sequence."""
    return {name: value[:1] for name, value in tiny.text_inputs().items()}


def picture(figure, place=0):
    """The numbers drawn in one of the axes."""
    return figure.axes[place].images[0].get_array()


def labels(axis):
    axis.figure.canvas.draw()
    return [label.get_text() for label in axis.get_ticklabels()]


# Capture


def test_hooks_last_until_removed(tiny, one):
    model = tiny.bert()
    before = tiny.hook_count(model)
    v = BERTAttentionVisualizer(model)
    v.register_hooks(["encoder.layer.1.attention"])
    model(**one)
    first = v.attention_maps
    model(**{"input_ids": one["input_ids"][:, :4]})
    assert v.attention_maps is not first
    assert v.attention_maps.weights["encoder.layer.1.attention"].shape == (1, 4, 4, 4)
    assert first.layer_names == ["encoder.layer.1.attention.self"]
    v.remove_hooks()
    v.remove_hooks()
    last = v.attention_maps
    model(**one)
    assert v.attention_maps is last
    assert tiny.hook_count(model) == before
    assert model.config._attn_implementation == "sdpa"


def test_registering_again_replaces(tiny, one):
    v = AttentionVisualizer(tiny.bert())
    v.register_hooks("encoder.layer.0")
    v.register_hooks("encoder.layer.1")
    v.model(**one)
    assert v.attention_maps.layer_names == ["encoder.layer.1.attention.self"]
    with pytest.raises(LayerError):
        v.register_hooks("encoder.layer.9")
    v.model(**one)
    assert len(v.attention_maps) == 1
    v.remove_hooks()


def test_context_manager_captures_all_and_gives_back(tiny, one):
    model, mine = tiny.gpt2(), []
    handle = model.transformer.h[0].attn.register_forward_hook(lambda *a: mine.append(1))
    before = tiny.hook_count(model)
    with GPTAttentionVisualizer(model) as v:
        model(**one)
    assert len(v.attention_maps) == 2
    assert tiny.hook_count(model) == before

    def fail():
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), v:
        fail()
    assert tiny.hook_count(model) == before
    assert model.config._attn_implementation == "sdpa"
    model(**one)
    handle.remove()
    assert len(mine) == 2


def test_context_manager_keeps_the_layers_that_were_registered(tiny, one):
    v = AttentionVisualizer(tiny.bert())
    v.register_hooks("encoder.layer.1")
    with v:
        v.model(**one)
    assert len(v.attention_maps) == 1


def test_layer_names(tiny):
    assert AttentionVisualizer(tiny.gpt2()).layer_names == [
        "transformer.h.0.attn",
        "transformer.h.1.attn",
    ]


def test_not_captured_yet(tiny):
    v = AttentionVisualizer(tiny.bert())
    for _ in range(2):
        with pytest.raises(AttentionError, match="run the model after register_hooks") as caught:
            v.visualize_layer_attention("encoder.layer.0", TOKENS)
        assert "#attention-weights-not-captured" in str(caught.value)
        v.register_hooks()
    v.remove_hooks()


def test_a_model_with_no_attention():
    v = AttentionVisualizer(nn.Linear(2, 2))
    with pytest.raises(AttentionError, match="Linear has no attention layer"):
        v.register_hooks()


# Weights out of outputs


def test_extract_from_every_kind_of_output(tiny, one):
    model = tiny.bert()
    model.set_attn_implementation("eager")
    v = BERTAttentionVisualizer(model)
    output = model(**one, output_attentions=True, output_hidden_states=True)
    as_tuple = model(**one, output_attentions=True, output_hidden_states=True, return_dict=False)
    plain = SimpleNamespace(attentions=output.attentions)
    for given in (output, dict(output), as_tuple, plain, output.attentions):
        got = v.extract_attention_from_output(given)
        assert isinstance(got, list)
        assert len(got) == 2
        assert torch.equal(got[1], output.attentions[1])


def test_extract_from_an_encoder_decoder(tiny, one):
    model = tiny.t5()
    model.set_attn_implementation("eager")
    output = model(**one, decoder_input_ids=one["input_ids"][:, :3], output_attentions=True)
    got = AttentionVisualizer(model).extract_attention_from_output(output)
    assert [w.shape[-1] for w in got] == [9, 9, 3, 3]


def test_extract_where_there_is_nothing(tiny, one):
    model = tiny.bert()
    v = BERTAttentionVisualizer(model)
    with pytest.raises(AttentionError, match="kernel in use computes none: capture them") as caught:
        v.extract_attention_from_output(model(**one, output_attentions=True))
    assert "#attention-weights-not-captured" in str(caught.value)
    for nothing in (model(**one), (torch.ones(1, 2, 3),), {"attentions": (None, None)}, None):
        with pytest.raises(AttentionError, match="register_hooks"):
            v.extract_attention_from_output(nothing)


# Figures


@pytest.mark.parametrize("form", ["heads", "batch of one", "numpy", "bfloat16"])
def test_one_head(form, weights, tiny):
    given = {
        "heads": weights,
        "batch of one": weights[None],
        "numpy": weights.numpy(),
        "bfloat16": weights.bfloat16(),
    }[form]
    figure = AttentionVisualizer(tiny.bert()).visualize_attention_head(given, TOKENS, -2)
    np.testing.assert_allclose(picture(figure), weights[2], atol=4e-3)
    assert figure.axes[0].get_title() == "Head 2"
    cleaned = ["[CLS]", "the", "lazy", "dog", "runs", r"\$", "5", "_", "[SEP]"]
    assert labels(figure.axes[0].xaxis) == labels(figure.axes[0].yaxis) == cleaned


def test_queries_of_cached_decoding_are_the_last_positions(tiny):
    weights = torch.zeros(2, 1, 5)
    weights[..., 3] = 1
    figure = AttentionVisualizer(tiny.gpt2()).visualize_attention_head(weights, None, 0)
    assert labels(figure.axes[0].yaxis) == ["4"]
    assert "from '4' to '3', with 1.00" in figure.get_label()
    with pytest.raises(InputError, match="decoding with a cache: pass the last 1 as tokens"):
        AttentionVisualizer(tiny.gpt2()).visualize_attention_head(weights, list("abcde"), 0)


def test_the_alternative_text_passes_over_padding_and_a_forced_first_row(tiny):
    v = AttentionVisualizer(tiny.bert())
    weights = torch.eye(3)[None] * 0.6
    label = v.visualize_attention_head(weights, list("abc")).get_label()
    assert "from 'b' to 'b', with 0.60" in label
    weights[0, 2, 0] = 1
    label = v.visualize_attention_head(weights, ["a", "b", "[PAD]"]).get_label()
    assert "with 0.60" in label
    causal = torch.tensor([[[1.0, 0.0], [0.9, 0.1]]])
    assert "from 'b' to 'a', with 0.90" in v.visualize_all_heads(causal, ["a", "b"]).get_label()


def test_the_alternative_text_names_the_strongest_link(weights, tiny):
    strong = weights.clone()
    strong[1, 3] = 0
    strong[1, 3, 1] = 1
    v = BERTAttentionVisualizer(tiny.bert())
    assert (
        v.visualize_attention_head(strong, TOKENS, 1).get_label()
        == "Heat map of attention head 1. The strongest link goes from 'dog' to 'the', with 1.00."
    )
    assert "12 attention heads" in v.visualize_all_heads(torch.eye(3).expand(12, 3, 3)).get_label()
    flow = v.plot_attention_flow(strong, TOKENS, 3, head_idx=1).get_label()
    assert flow == (
        "Curves from the token 'dog' to what it attends to in head 1: most to 'the', with 1.00."
    )


def test_the_callers_own_description_is_kept(tiny):
    figure, axes = plt.subplots(1, 2)
    figure.set_label("Two heads.")
    v = AttentionVisualizer(tiny.bert())
    assert v.visualize_attention_head(np.eye(3), list("abc"), ax=axes[0]) is figure
    assert v.plot_attention_flow(np.eye(3), list("abc"), ax=axes[1]) is figure
    assert figure.get_label() == "Two heads."


def test_a_single_head_without_tokens_is_numbered(tiny):
    figure = AttentionVisualizer(tiny.bert()).visualize_attention_head(np.eye(3))
    assert labels(figure.axes[0].xaxis) == ["0", "1", "2"]


def test_all_heads(weights, tiny):
    figure = AttentionVisualizer(tiny.bert()).visualize_all_heads(weights, TOKENS)
    for head in range(4):
        np.testing.assert_array_equal(picture(figure, head), weights[head])
        assert figure.axes[head].images[0].get_clim() == (0, pytest.approx(weights.max().item()))


def test_layer_mean(tiny, one):
    with AttentionVisualizer(tiny.bert()) as v:
        v.model(**one)
    figure = v.visualize_layer_attention("encoder.layer.0.attention", TOKENS)
    mean = v.attention_maps.weights[0][0].mean(0)
    np.testing.assert_allclose(picture(figure), mean, atol=1e-6)
    assert figure.axes[0].get_title() == "encoder.layer.0.attention.self\nmean of 4 heads"
    with pytest.raises(LayerError, match="was not captured: register it"):
        v.visualize_layer_attention("encoder.layer.5.attention", TOKENS)


def test_layer_of_a_batch(tiny):
    with AttentionVisualizer(tiny.bert()) as v:
        v.model(**tiny.text_inputs())
    with pytest.raises(InputError, match="batch of 2 sequences: pick one with batch_index"):
        v.visualize_layer_attention(0, TOKENS)
    with pytest.raises(InputError, match="There is no sequence 2 in a batch of 2"):
        v.visualize_layer_attention(0, TOKENS, batch_index=2)
    figure = v.visualize_layer_attention(0, TOKENS, batch_index=1)
    mean = v.attention_maps.weights[0][1].mean(0)[:7, :7]
    np.testing.assert_allclose(picture(figure), mean, atol=1e-6)
    assert labels(figure.axes[0].xaxis)[-1] == TOKENS[6]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "falcon"])
@pytest.mark.parametrize("left", [False, True])
def test_padding_is_left_out_of_a_layers_figure(kind, left, tiny):
    model, inputs = getattr(tiny, kind)(), tiny.text_inputs()
    if left:
        inputs["attention_mask"] = inputs["attention_mask"].flip(1)
    with (GPTAttentionVisualizer if kind == "gpt2" else AttentionVisualizer)(model) as v:
        model(**inputs)
    real = inputs["attention_mask"][1].bool()
    figure = v.visualize_layer_attention(1, batch_index=1)
    drawn = np.ma.filled(picture(figure), 0.0)
    if kind == "falcon":
        # Its weights come without masks, so nothing tells what is padding.
        assert drawn.shape == (9, 9)
        return
    np.testing.assert_allclose(drawn, v.attention_maps.weights[1][1].mean(0)[real][:, real])
    assert labels(figure.axes[0].xaxis) == [str(i) for i in real.nonzero()[:, 0].tolist()]
    with pytest.raises(InputError, match="7 tokens were given"):
        v.visualize_layer_attention(1, TOKENS[:7], batch_index=1)


def test_padded_keys_of_cross_attention_are_left_out(tiny):
    model = tiny.t5()
    inputs = {**tiny.text_inputs(), "decoder_input_ids": torch.tensor([[0, 7, 8], [0, 7, 9]])}
    with AttentionVisualizer(model) as v:
        model(**inputs)
    figure = v.visualize_layer_attention("decoder.block.0.layer.1", batch_index=1)
    assert picture(figure).shape == (3, 7)


def test_real_positions_are_those_of_a_known_padding_mask(tiny):
    maps = capture_attention(tiny.falcon(), tiny.text_inputs())
    rows, columns = real_positions(maps, maps.layer_names[0], 1)
    assert rows.tolist() == columns.tolist() == [True] * 7 + [False] * 2


def test_cross_attention(tiny):
    inputs = {**tiny.text_inputs(), "decoder_input_ids": torch.tensor([[0, 7, 8], [0, 7, 9]])}
    maps = capture_attention(tiny.t5(), inputs)
    cross = maps.weights["decoder.block.0.layer.1"][0]
    v = AttentionVisualizer(tiny.t5())
    figure = v.visualize_attention_head(cross, ["a", "b", "c"], 0, key_tokens=TOKENS)
    assert labels(figure.axes[0].yaxis) == ["a", "b", "c"]
    assert len(labels(figure.axes[0].xaxis)) == 9
    v.visualize_all_heads(cross)
    v.plot_attention_flow(cross, ["a", "b", "c"], 2, key_tokens=TOKENS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v, w: v.visualize_attention_head(w, TOKENS[:-1], 0), "8 tokens were given"),
        (lambda v, w: v.visualize_all_heads(w, [*TOKENS, "x"]), "10 tokens were given"),
        (lambda v, w: v.visualize_attention_head(w, TOKENS, 4), "no head 4: the weights have 4"),
        (lambda v, w: v.plot_attention_flow(w, TOKENS, 9), "no query 9: 9 tokens"),
        (lambda v, w: v.plot_attention_flow(w, TOKENS, 0, head_idx=4), "no head 4"),
        (lambda v, w: v.plot_attention_flow(w, TOKENS, 1.0), "A query is given by its place, 0 to"),
        (lambda v, w: v.plot_attention_flow(w, TOKENS, True), "not by True"),
        (lambda v, w: v.plot_attention_flow(w, TOKENS[:4], 8), "4 tokens were given"),
        (lambda v, w: v.visualize_all_heads(w.expand(2, 4, 9, 9), TOKENS), "batch of 2 sequences"),
        (lambda v, w: v.visualize_all_heads((w, w), TOKENS), "pick one, for example attentions"),
        (lambda v, w: v.visualize_all_heads({"a": w}, TOKENS), "The weights of 1 layers"),
        (lambda v, w: v.visualize_all_heads(w[0, 0], TOKENS), r"need the shape \(heads, query"),
        (lambda v, w: v.visualize_all_heads(w * torch.nan, TOKENS), "NaN or infinite"),
    ],
)
def test_wrong_inputs(call, message, weights, tiny):
    with pytest.raises(InputError, match=message):
        call(AttentionVisualizer(tiny.bert()), weights)


# Families


def test_gpt_leaves_the_future_blank(tiny, one):
    model = tiny.gpt2()
    with GPTAttentionVisualizer(model) as v:
        model(**one)
    weights = v.attention_maps.weights[0]
    lower = np.tri(9, dtype=bool)
    for figure in (
        v.visualize_attention_head(weights, TOKENS, 1),
        v.visualize_all_heads(weights, TOKENS),
        v.visualize_layer_attention(0, TOKENS),
    ):
        assert np.array_equal(np.ma.getmaskarray(picture(figure)), ~lower)
    flow = v.plot_attention_flow(weights, TOKENS, 4, head_idx=0)
    ends = [path.vertices[-1, 1] for path in flow.axes[0].collections[0].get_paths()]
    assert max(ends) <= 4
    assert len(ends) == 5


def test_gpt_refuses_weights_that_see_the_future(weights, tiny):
    v = GPTAttentionVisualizer(tiny.gpt2())
    with pytest.raises(InputError, match="These weights are not causal"):
        v.visualize_all_heads(weights, TOKENS)
    # Rows of padded queries are even over all keys, and no sign of that.
    padded = torch.eye(5)
    padded[:2] = 0.2
    v.visualize_attention_head(padded)
    # With a cache the only query is the last position.
    v.visualize_attention_head(torch.full((1, 5), 0.2), ["now"], key_tokens=list("abcde"))


def test_families_refuse_each_other(tiny):
    with pytest.raises(AttentionError, match="use GPTAttentionVisualizer"):
        BERTAttentionVisualizer(tiny.gpt2())
    with pytest.raises(AttentionError, match="use BERTAttentionVisualizer"):
        GPTAttentionVisualizer(tiny.bert())
    encoder = tiny.Encoder()
    BERTAttentionVisualizer(encoder)
    GPTAttentionVisualizer(encoder)
    with pytest.raises(AttentionError, match="FalconModel looks at earlier tokens only"):
        BERTAttentionVisualizer(tiny.falcon())
    with pytest.raises(AttentionError, match="use GPTAttentionVisualizer"):
        BERTAttentionVisualizer(tiny.bert(is_decoder=True))


def other(kind, **kwargs):
    torch.manual_seed(0)
    return getattr(tf, f"{kind}Model")(getattr(tf, f"{kind}Config")(vocab_size=100, **kwargs))


CAUSAL = {
    "GPTJ": {"n_embd": 32, "n_layer": 1, "n_head": 4, "rotary_dim": 4},
    "Bloom": {"hidden_size": 32, "n_layer": 1, "n_head": 4},
    "Mpt": {"d_model": 32, "n_layers": 1, "n_heads": 4},
}


@pytest.mark.parametrize("kind", CAUSAL)
def test_causal_models_that_do_not_say_so_are_told_when_they_run(kind, tiny, one):
    model = other(kind, **CAUSAL[kind]).eval()
    hooks = tiny.hook_count(model)
    with (  # noqa: PT012 - the constructor or the run may tell
        pytest.raises(AttentionError, match=f"{kind}Model looks at earlier tokens only: use GPT"),
        BERTAttentionVisualizer(model) as v,
    ):
        model(**one)
        v.visualize_layer_attention(0)
    assert tiny.hook_count(model) == hooks
    with GPTAttentionVisualizer(model) as v:
        model(**one)
    v.visualize_layer_attention(0)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("XLNet", {"d_model": 32, "n_layer": 1, "n_head": 4, "d_inner": 64}),
        ("XLM", {"emb_dim": 32, "n_layers": 1, "n_heads": 4}),
        ("DebertaV2", {**SIZES, "num_hidden_layers": 1}),
    ],
)
def test_encoders_that_say_nothing_are_taken(kind, sizes, one):
    model = other(kind, **sizes).eval()
    with BERTAttentionVisualizer(model) as v:
        model(input_ids=one["input_ids"])
    v.visualize_layer_attention(0)


def test_an_encoder_that_reads_a_single_token_is_no_decoder(tiny):
    with BERTAttentionVisualizer(tiny.bert()) as v:
        v.model(torch.tensor([[5]]))
    assert v.attention_maps.kinds == ("encoder", "encoder")


def test_vit(tiny):
    model = tiny.vit()
    with ViTAttentionVisualizer(model) as v:
        model(**tiny.image_inputs())
    weights = v.attention_maps.weights[0]
    figure = v.visualize_attention_head(weights, head_idx=0)
    names = labels(figure.axes[0].yaxis)
    assert names[:3] == ["[CLS]", "0,0", "0,1"]
    assert names[-1] == "3,3"
    grid = v.visualize_patch_attention(weights, 0, 2)
    np.testing.assert_allclose(picture(grid), weights[0, 2, 0, 1:].reshape(4, 4))
    assert "class token" in grid.axes[0].get_title()
    over = v.visualize_patch_attention(weights, -1, image=np.zeros((32, 32, 3)))
    assert "patch 3,3" in over.axes[0].get_title()
    frame = over.axes[0].patches[0]
    assert frame.get_xy() == (2.5, 2.5)
    drawn = over.axes[0].images[1].get_array()
    np.testing.assert_allclose(drawn, weights[0].mean(0)[-1, 1:].reshape(4, 4))
    wide = v.visualize_patch_attention(weights, 0, grid=(2, 8))
    assert picture(wide).shape == (2, 8)
    with pytest.raises(InputError, match="A grid of 5 x 4 has 20 patches"):
        v.visualize_patch_attention(weights, grid=(5, 4))
    with pytest.raises(InputError, match="There is no query 17"):
        v.visualize_patch_attention(weights, 17)
    with pytest.raises(InputError, match="There is no head 4"):
        v.visualize_patch_attention(weights, 0, 4)
    for wrong in (1.0, True, "1"):
        with pytest.raises(InputError, match="A head is given by its number, 0 to 3"):
            v.visualize_patch_attention(weights, 0, wrong)
        with pytest.raises(InputError, match="A query is given by its place, 0 to 16"):
            v.visualize_patch_attention(weights, wrong)


def test_vit_without_a_square_grid(tiny):
    v = ViTAttentionVisualizer(tiny.vit())
    even = torch.full((8, 8), 1 / 8)
    with pytest.raises(InputError, match="8 keys are no square of patches"):
        v.visualize_patch_attention(even)
    assert picture(v.visualize_patch_attention(even, grid=(2, 3))).shape == (2, 3)
    registers = v.visualize_attention_head(torch.full((9 + 5, 9 + 5), 1 / 14))
    assert labels(registers.axes[0].xaxis)[:6] == ["[CLS]", "[1]", "[2]", "[3]", "[4]", "0,0"]
