"""Attention between words against plain loops over their pieces."""

import pytest
import torch

from interpviz.attention.capture import capture_attention
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.sequences import Sequences
from interpviz.errors import InputError

WORD_IDS = [
    [None, 0, 1, 1, 1, 2, 2, None],
    [None, 0, 0, None, 0, 1, None, None],
]
TOKENS = [
    ["[CLS]", "the", "un", "##likely", "##hood", "gold", "##fish", "[SEP]"],
    ["[CLS]", "play", "##ing", "[SEP]", "no", "more", "[SEP]", "[PAD]"],
]
WORDS = [
    ["[CLS]", "the", "unlikelyhood", "goldfish", "[SEP]", "[PAD]"],
    ["[CLS]", "playing", "[SEP]", "no", "more", "[SEP]"],
]
PIECES = [
    [[0], [1], [2, 3, 4], [5, 6], [7], []],
    [[0], [1, 2], [3], [4], [5], [6]],
]
PADDING = torch.ones(2, 8, dtype=torch.bool)
PADDING[1, 7] = False


def softmax(*shape, dtype=torch.float32):
    logits = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return logits.softmax(-1)


def maps_of(weights, **kwargs):
    return AttentionMaps(LayerWeights({"a": weights, "b": weights.flip(1)}), **kwargs)


def slow(weights, rows, columns):
    """The mean over the pieces of a query of the sum over the pieces of a key, in float64."""
    found = torch.zeros(*weights.shape[:2], len(rows[0]), len(columns[0]), dtype=torch.float64)
    for b in range(len(weights)):
        for h in range(weights.shape[1]):
            for i, queries in enumerate(rows[b]):
                for j, keys in enumerate(columns[b]):
                    total = sum(float(weights[b, h, q, k]) for q in queries for k in keys)
                    found[b, h, i, j] = total / max(len(queries), 1)
    return found


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 4e-3)]
)
def test_sums_to_a_word_and_means_from_it(dtype, atol):
    weights = softmax(2, 3, 8, 8, dtype=torch.float64).to(dtype)
    maps = maps_of(weights, tokens=TOKENS, padding_mask=PADDING)
    words = maps.by_word(WORD_IDS)
    for old, new in zip(maps.weights.values(), words.weights.values(), strict=True):
        assert new.dtype == dtype
        torch.testing.assert_close(new.double(), slow(old, PIECES, PIECES), atol=atol, rtol=0)
    assert words.tokens == WORDS
    assert words.padding_mask.tolist() == [[True] * 5 + [False], [True] * 6]
    assert words.special_tokens_mask.int().tolist() == [[1, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1]]
    assert words.token_ids is None


def test_rows_sum_to_what_they_did_and_the_given_maps_stay():
    maps = maps_of(softmax(1, 2, 8, 8), tokens=TOKENS[:1])
    before = maps.weights[0].clone()
    words = maps.by_word(WORD_IDS[0])
    torch.testing.assert_close(words.weights[0].sum(-1), torch.ones(1, 2, 5))
    assert torch.equal(maps.weights[0], before)
    assert maps.tokens == TOKENS[:1]


def test_tokens_that_are_words_stay_as_they_are():
    maps = maps_of(softmax(1, 2, 4, 4), tokens=[list("abcd")])
    words = maps.by_word([0, 1, 2, 3])
    torch.testing.assert_close(words.weights[0], maps.weights[0], atol=0, rtol=0)
    assert words.tokens == maps.tokens
    assert not words.special_tokens_mask.any()


def test_visibility_follows(tiny):
    inputs = {**tiny.text_inputs(padded=False), "attention_mask": torch.ones(2, 9).long()}
    inputs["attention_mask"][1, :2] = 0
    ids = [[0, 0, 1, 2, 2, 2, 3, 4, 4], [None, None, 0, 0, 1, 1, 2, 3, 3]]
    maps = capture_attention(tiny.gpt2(), inputs)
    words = maps.by_word(ids)
    assert words.kinds == maps.kinds
    seen = words.visible[words.layer_names[0]]
    assert torch.equal(seen[0, 0], torch.ones(5, 5).tril().bool())
    four = torch.ones(5, 5).tril().bool()
    four[4] = four[:, 4] = False
    assert torch.equal(seen[1, 0], four)
    assert words.weights[0].triu(1).abs().max() == 0
    assert words.padding_mask.tolist() == [[True] * 5, [True] * 4 + [False]]
    assert not words.statistics().column("entropy").isnan().any()


@pytest.mark.parametrize(
    ("tokens", "joined"),
    [
        (["Ġgold", "fish", "##"], "Ġgoldfish##"),
        (["ĠÃ", "¼", "ber"], "ĠÃ¼ber"),
        (["▁un", "like", "ly"], "▁unlikely"),
        (["un", "like", "ly</w>"], "unlikely</w>"),
        (["un", "##like", "##ly"], "unlikely"),
    ],
)
def test_pieces_are_joined_as_their_tokenizer_marks_them(tokens, joined):
    assert maps_of(softmax(1, 1, 3, 3), tokens=[tokens]).by_word([0, 0, 0]).tokens == [[joined]]


def test_without_special_tokens_before_or_after():
    special = torch.tensor([[word is None for word in row] for row in WORD_IDS])
    maps = maps_of(
        softmax(2, 3, 8, 8), tokens=TOKENS, padding_mask=PADDING, special_tokens_mask=special
    )
    trimmed = [[word for word in row if word is not None] for row in WORD_IDS]
    before = maps.without_special_tokens().by_word(trimmed)
    after = maps.by_word(WORD_IDS).without_special_tokens()
    # Without the separator, what are words 0 and 0 of two texts can no longer be told apart.
    assert before.tokens[0] == after.tokens[0] == ["the", "unlikelyhood", "goldfish"]
    torch.testing.assert_close(before.weights[0][0], after.weights[0][0])


def test_both_sides_of_an_encoder_decoder(tiny):
    text = tiny.text_inputs(padded=False)
    inputs = {**text, "decoder_input_ids": text["input_ids"][:, :4]}
    names = [f"e{i}" for i in range(9)]
    maps = capture_attention(tiny.t5(), inputs, tokens=names, decoder_tokens=list("abcd"))
    ids, decoder_ids = [[0, 0, 1, 1, 1, 2, 3, 4, None]] * 2, [[None, 0, 0, 1]] * 2
    long, short = [[[0, 1], [2, 3, 4], [5], [6], [7], [8]]] * 2, [[[0], [1, 2], [3]]] * 2
    single = [[[0], [1], [2], [3]]] * 2
    for given, rows in ((decoder_ids, short), (None, single)):
        words = maps.by_word(ids, given)
        for name, old in maps.weights.items():
            kind = maps.kind_of(name)
            expected = slow(
                old,
                long if kind == "encoder" else rows,
                rows if kind == "decoder" else long,
            )
            torch.testing.assert_close(words.weights[name].double(), expected, atol=1e-6, rtol=0)
        assert len(words.decoder_tokens[0]) == len(rows[0])
    unknown = maps_of(softmax(1, 1, 2, 2), kinds=("decoder", "decoder"), decoder=Sequences())
    assert unknown.by_word([0], [0, 0]).weights[0].flatten().tolist() == pytest.approx([1])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (WORD_IDS[:1], "Word ids of 1 sequences of 8 tokens were given for 2 sequences of 8"),
        ([row[:-1] for row in WORD_IDS], "of 7 tokens were given for 2 sequences of 8 tokens"),
        ([WORD_IDS[0][:-1], WORD_IDS[1]], "special tokens and padding included"),
        ([["the"], ["no"]], "are one list a sequence, of whole numbers and None"),
        (None, "are one list a sequence"),
        ([], "Word ids of 1 sequences of 0 tokens"),
    ],
)
def test_word_ids_that_do_not_fit(ids, message):
    maps = maps_of(softmax(2, 3, 8, 8), padding_mask=PADDING)
    with pytest.raises(InputError, match=message):
        maps.by_word(ids)


def test_windows_are_no_whole_sequences():
    with pytest.raises(InputError, match=r"layer 'a' with weights of shape \(4, 1, 2, 2\)"):
        maps_of(softmax(4, 1, 2, 2)).by_word([[0, 1, 1, 1], [0, 0, 0, 1]])
