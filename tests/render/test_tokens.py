"""Tokens cleaned of the marks of each family of tokenizers."""

import matplotlib.pyplot as plt
import pytest

from interpviz.render import clean_tokens
from interpviz.render.tokens import literal


@pytest.mark.parametrize(
    ("tokens", "clean"),
    [
        (["[CLS]", "lazy", "##dog", "##", "."], ["[CLS]", "lazy", "dog", "##", "."]),
        (["The", "Ġcat", "Ċ", "ĠĠ", "Ġ$"], ["The", "cat", "↵", "␣", "$"]),
        (["ĠcafÃ©", "æĹ¥", "Ġâ", "ĤĤ"], ["café", "日", r"\xe2", r"\x82\x82"]),
        (["###", "##", "ĠTitle"], ["###", "##", "Title"]),
        (["<s>", "▁The", "▁", "a▁b", "<0x0A>", "<0xE2>"], ["<s>", "The", "␣", "a b", "↵", r"\xe2"]),
        (["<|begin▁of|>", "▁x_y", "s"], ["<|begin▁of|>", "x_y", "s"]),
        (["photo</w>", "graph", "<|endoftext|>"], ["photo", "graph", "<|endoftext|>"]),
        (["Ġa", "日"], ["a", "日"]),
        (["a\tb", "\n", " ", ""], ["a⇥b", "↵", "␣", ""]),
        ([], []),
    ],
)
def test_clean_tokens(tokens, clean):
    assert clean_tokens(tokens) == clean


def test_every_byte_survives():
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    for text in ("naïve – 日本 🙂", "tabs\tand\nlines"):
        token = "Ġ" + "".join(bytes_to_unicode()[byte] for byte in text.encode())
        assert clean_tokens([token]) == [text.replace("\t", "⇥").replace("\n", "↵")]


@pytest.mark.parametrize("text", ["$x_1$", "$$", "$", r"\frac{1}{2}", "_a_", r"\$5$", "a^b"])
def test_literal_texts_are_not_mathematics(text):
    drawn = plt.figure().text(0, 0, literal(text))
    assert drawn._preprocess_math(drawn.get_text()) == (text, False)
