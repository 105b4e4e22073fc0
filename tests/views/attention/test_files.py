"""The attention view as files and outputs, and what is told of mistakes."""

import json
import re
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.render.views import AttentionView, write_page

# Files


def test_svg_and_png_show_what_is_seen(page, tools, weights):
    tools.query(page, 3).click()
    files = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save {kind}").click()
        assert waiting.value.suggested_filename == f"attention-layer-1-head-2.{kind.lower()}"
        files[kind] = waiting.value.path().read_bytes()
    drawing = ElementTree.fromstring(files["SVG"])
    name = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in drawing.iter(f"{name}text")]
    assert texts == ["A cat: layer 1, head 2", *tools.text, *tools.text]
    assert len(list(drawing.iter(f"{name}path"))) == 5
    with Image.open(BytesIO(files["PNG"])) as picture:
        size = tuple(round(2 * float(drawing.get(side))) for side in ("width", "height"))
        assert picture.size == size
        assert len(picture.convert("RGB").getcolors(10**6)) > 20


def test_a_page_holds_several_views_and_one_script(browser, tools, weights, tmp_path):
    views = [AttentionView(weights, tools.text, title=name) for name in ("first", "second")]
    path = write_page(views, tmp_path / "both.html", "Two views")
    text = path.read_text(encoding="utf-8")
    assert text.count("data-interpviz-runtime=") == 1
    with tools.opened(browser, path) as page:
        page.locator(".tokens.query").nth(1).locator("li").nth(2).hover()
        assert tools.read(page, 1)["query"] == 2
        assert tools.read(page, 0)["query"] is None


def test_outputs_of_a_notebook_stand_alone_and_share_a_page(browser, tools, weights, tmp_path):
    outputs = [AttentionView(weights, tools.text)._repr_html_() for _ in range(2)]
    blocks = [
        re.search(r"<script data-interpviz-runtime=.*?</script>", out, re.S)[0] for out in outputs
    ]
    assert blocks[0] == blocks[1]
    both = tmp_path / "both.html"
    # A site may keep only the first script; views behind it start all the same.
    for text in ("".join(outputs), outputs[0] + outputs[1].replace(blocks[1], "")):
        both.write_text(f"<!doctype html><meta charset=utf-8><body>{text}", encoding="utf-8")
        with tools.opened(browser, both) as page:
            assert page.locator(".view").count() == 2
            assert page.locator(".tokens.query li").count() == 2 * len(tools.text)


def test_a_notebook_is_told_when_a_view_is_too_large(tools, weights, monkeypatch):
    monkeypatch.setattr("interpviz.render.views.base.LARGEST", 1000)
    text = AttentionView(weights, tools.text)._repr_html_()
    assert "show less" in text
    assert "<script" not in text


def test_twelve_layers_stay_below_four_megabytes(tools, tmp_path):
    weights = np.full((12, 12, 128, 128), 1 / 128, dtype=np.float32)
    path = AttentionView(weights, [f"t{i}" for i in range(128)]).to_html(tmp_path / "big.html")
    assert path.stat().st_size < 4e6


def test_causal_layers_take_half(tools):
    n = 64
    tokens = [str(i) for i in range(n)]
    sizes = [
        len(json.dumps(AttentionView(tools.attention(1, 2, n, causal=c), tokens).payload()))
        for c in (False, True)
    ]
    assert sizes[1] < 0.65 * sizes[0]


# Mistakes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": -np.ones((1, 1, 2, 2))}, "at least 0"),
        ({"weights": np.full((1, 1, 2, 2), np.nan)}, "finite"),
        ({"weights": []}, "no layers"),
        ({"weights": np.ones((1, 1, 3, 3))}, "2 tokens were given"),
        ({"tokens": "ab"}, "one text"),
        ({"layer": 1}, "no layer 1"),
        ({"head": -2}, "no head -2"),
        ({"kind": "sideways"}, "no kind 'sideways'"),
        ({"kind": ["decoder", "decoder"]}, "1 layers, 1 names and 2 kinds"),
        ({"special_tokens": [True]}, "one value a token"),
        ({"steps": 3}, "from 1 to 2"),
        ({"tokens": {"encoder": ["a", "b"]}, "kind": "encoder", "steps": 1}, "leave it out"),
        ({"layer_numbers": [0, 1]}, "2 numbers"),
        ({"special_tokens": {"encoder": [True, False]}}, "special tokens of 'encoder'"),
        ({"head_info": {"score": [[0.5], [0.5, 0.1]]}}, "rows of one length"),
        ({"head_info": {"score": [["high"]]}}, "no table of numbers"),
        ({"head_info": {"pattern": [["self"], ["self", "self"]]}}, "head_info"),
        ({"head_info": {"number": [[np.inf]]}}, "no number for some heads"),
        ({"head_info": {"number": [[None]]}}, "no number for some heads"),
        ({"head_info": {"entropy": [0.5]}}, "head_info"),
        ({"head_info": {"mood": [[0.5]]}}, "head_info"),
    ],
)
def test_mistakes_are_told_in_a_sentence(change, told):
    options = {"weights": np.ones((1, 1, 2, 2)) / 2, "tokens": ["a", "b"], **change}
    with pytest.raises(InputError, match=re.escape(told)):
        AttentionView(**options)


def test_what_is_not_known_of_a_head_may_be_none():
    info = {"entropy": [[None, 0.5]], "score": [[0.25, np.nan]], "pattern": [["self", None]]}
    view = AttentionView(np.ones((1, 2, 2, 2)) / 2, ["a", "b"], head_info=info)
    assert view.layers[0].info == {
        "entropy": [None, 0.5],
        "score": [0.25, None],
        "pattern": ["self", ""],
    }


def test_foreign_folders_are_left_alone(tools, weights, tmp_path):
    folder = tmp_path / "v_data"
    folder.mkdir()
    (folder / "mine.js").write_text("precious")
    with pytest.raises(InputError, match=r"mine\.js"):
        AttentionView(weights, tools.text).to_html(tmp_path / "v.html", max_bytes=100)
    assert (folder / "mine.js").read_text() == "precious"
    assert not (tmp_path / "v.html").exists()
    with pytest.raises(InputError, match="no folder"):
        AttentionView(weights, tools.text).to_html(tmp_path / "none" / "v.html")


def test_the_still_picture_leaves_pyplot_and_styles_alone(tools, weights):
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        figure = AttentionView(weights, tools.text).still()
        assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert plt.rcParams["text.color"] == "white"
    assert plt.get_fignums() == []
