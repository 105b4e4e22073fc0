"""Figures saved as SVG and PDF keep their tokens as text, which can be searched and copied."""

import io
import re
import zlib
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from interpviz.render.cross import cross_attention
from interpviz.render.head_flow import token_flow
from interpviz.render.heads import head_heatmap, heads_grid
from interpviz.render.model_grid import all_heads_grid

TOKENS = ["<b>", "$x$", "a&b", r"\$5", '"q"', "Ġof", "grÃ¶ÃŁe", "a\x07", "$", "_^{}%#~"]
SHOWN = ["<b>", "$x$", "a&b", r"\$5", '"q"', "of", "größe", r"a\x07", "$", "_^{}%#~"]
KEYS = ["k<1>", "k$2$", "k&3"]
WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(10), size=(2, 10))

FIGURES = {
    "heatmap": (lambda: head_heatmap(WEIGHTS[0], TOKENS, title="<$t$ & u>"), SHOWN),
    "grid": (lambda: heads_grid(WEIGHTS, TOKENS, title="<$t$ & u>"), SHOWN),
    "flow": (
        lambda: token_flow(WEIGHTS, TOKENS, 0, title="<$t$ & u>", strongest=0),
        SHOWN,
    ),
    "cross": (
        lambda: cross_attention(WEIGHTS[:, :, :3], TOKENS, KEYS, title="<$t$ & u>"),
        SHOWN + KEYS,
    ),
    "model": (
        lambda: all_heads_grid(
            WEIGHTS[None], title="<$t$ & u>", layer_names=["<$l$ & m>"], head_names=TOKENS[:2]
        ),
        [*SHOWN[:2], "<$l$ & m>"],
    ),
}


def svg_texts(figure):
    """The strings of an SVG's `<text>` elements; fails where the file is not well-formed."""
    out = io.BytesIO()
    figure.savefig(out, format="svg")
    root = ET.fromstring(out.getvalue())
    return [
        "".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def pdf_texts(figure):
    """The strings that a PDF draws, and whether its fonts say which letters their codes are."""
    out = io.BytesIO()
    figure.savefig(out, format="pdf")
    drawn = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", out.getvalue(), re.DOTALL):
        try:
            page = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"BT\n(.*?)ET", page, re.DOTALL):
            parts = re.findall(rb"\(((?:\\.|[^\\)])*)\)", block, re.DOTALL)
            codes = b"".join(re.sub(rb"\\([0-7]{3}|.)", _unescaped, part) for part in parts)
            # Newer versions of matplotlib write two bytes a letter.
            drawn.append(codes.decode("utf-16-be" if b"\0" in codes else "latin-1"))
    return drawn, b"/ToUnicode" in out.getvalue()


def _unescaped(match):
    code = match[1]
    return bytes([int(code, 8)]) if code.isdigit() else code


@pytest.mark.parametrize("name", FIGURES)
def test_an_svg_has_the_tokens_as_text(name):
    make, expected = FIGURES[name]
    figure = make()
    with mpl.rc_context({"svg.fonttype": "none"}):
        texts = svg_texts(figure)
    assert set(expected) <= set(texts)
    assert "<$t$ & u>" in texts


@pytest.mark.parametrize("name", FIGURES)
def test_a_pdf_has_the_tokens_as_text(name):
    make, expected = FIGURES[name]
    figure = make()
    with mpl.rc_context({"pdf.fonttype": 42}):
        texts, named = pdf_texts(figure)
    assert set(expected) <= set(texts)
    assert "<$t$ & u>" in texts
    assert named


def test_no_figure_changes_the_settings_of_the_user():
    before = dict(mpl.rcParams)
    for make, _ in FIGURES.values():
        svg_texts(make())
    assert dict(mpl.rcParams) == before
