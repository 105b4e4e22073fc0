"""Text as a heat map: spaces, lines, colours and ink."""

import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from interpviz.errors import InputError
from interpviz.render import text_heatmap
from interpviz.render.running import SIZE, Paragraph
from interpviz.render.scales import contrast, ink_on
from interpviz.render.words import spaces_before

WORDPIECE = ["[CLS]", "the", "un", "##flap", "##pable", "vet", "didn", "'", "t", "go", "."]
BYTES = ["The", "Ġvet", "erin", "arian", "Ċ", "didn", "'t", "Ġ$x$", "ĠĠ", "."]


def tokens(n, kind=WORDPIECE):
    return [kind[k % len(kind)] for k in range(n)]


def paragraphs(figure):
    return [a for ax in figure.axes for a in ax.get_children() if isinstance(a, Paragraph)]


def overlap(first, second):
    """The area that two boxes share, less half a pixel at the edges."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0) - 0.5
    height = min(first.y1, second.y1) - max(first.y0, second.y0) - 0.5
    return max(width, 0) * max(height, 0)


def any_overlap(boxes):
    """Whether two of many boxes share an area."""
    low = np.array([(box.x0, box.y0) for box in boxes])
    high = np.array([(box.x1, box.y1) for box in boxes])
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low) - 0.5
    return bool(np.triu((shared > 0).all(-1), 1).any())


def assert_readable(figure):
    """No text lies on another one or leaves the figure, and each lies within its patch."""
    figure.canvas.draw()
    for paragraph in paragraphs(figure):
        boxes = [word.get_window_extent() for word in paragraph.words]
        assert not any_overlap(boxes)
        for box, patch in zip(boxes, paragraph.patches, strict=True):
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.bbox.width
            assert box.y1 <= figure.bbox.height
            if patch is not None:
                around = patch.get_window_extent()
                assert around.x0 - 1 <= box.x0
                assert box.x1 <= around.x1 + 1
                assert around.y0 - 1 <= box.y0
                assert box.y1 <= around.y1 + 1
    others = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text()]
    words = {id(word) for p in paragraphs(figure) for word in p.words}
    outside = [t.get_window_extent() for t in others if id(t) not in words]
    inside = [word.get_window_extent() for p in paragraphs(figure) for word in p.words]
    assert all(overlap(a, b) == 0 for a in outside for b in inside)


@pytest.mark.parametrize("kind", [WORDPIECE, BYTES], ids=["wordpiece", "bytes"])
@pytest.mark.parametrize("n", [1, 60, 300])
def test_text_is_readable_at_every_length(n, kind):
    figure = text_heatmap(np.linspace(0, 1, n), tokens(n, kind), title="$a$_b")
    assert_readable(figure)
    assert len(paragraphs(figure)[0].words) == n
    assert {word.get_fontsize() for word in paragraphs(figure)[0].words} == {SIZE}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("n", [5, 80])
def test_rows_are_paragraphs(n, shared):
    values = np.stack([np.linspace(0, 1, n), np.linspace(-4, 2, n), np.full(n, 0.1)])
    figure = text_heatmap(values, tokens(n), row_names=["a", "$b$", "c"], shared=shared)
    assert_readable(figure)
    drawn = paragraphs(figure)
    assert [p.axes.get_title(loc="left") for p in drawn] == ["a", "$b$", "c"]
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    assert len(bars) == (1 if shared else 3)
    limits = (-4, 4) if shared else (0, 1)
    cmap = mpl.colormaps["RdBu_r" if shared else "viridis"]
    for value, patch in zip(values[0], drawn[0].patches, strict=True):
        share = (value - limits[0]) / (limits[1] - limits[0])
        np.testing.assert_allclose(patch.get_facecolor(), cmap(share), atol=0.02)


def test_signed_values_have_white_at_zero():
    figure = text_heatmap([-1.0, 0.0, 0.5], list("abc"))
    patches = paragraphs(figure)[0].patches
    assert min(patches[1].get_facecolor()[:3]) > 0.95
    red, _, blue = patches[2].get_facecolor()[:3]
    assert red > blue
    red, _, blue = patches[0].get_facecolor()[:3]
    assert blue > red


@pytest.mark.parametrize("cmap", ["viridis", "RdBu_r", "inferno", "Greys", "turbo", "jet"])
def test_ink_is_readable_on_every_colour(cmap):
    figure = text_heatmap(np.linspace(0, 1, 64), tokens(64), cmap=cmap)
    paragraph = paragraphs(figure)[0]
    for word, patch in zip(paragraph.words, paragraph.patches, strict=True):
        assert contrast(word.get_color(), patch.get_facecolor()) >= 4.5


def test_contrast_is_that_of_the_guidelines():
    assert contrast("white", "black") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.005)
    assert contrast("red", "red") == 1
    grid = np.linspace(0, 1, 7)
    assert min(contrast(ink_on(c), c) for c in np.stack(np.meshgrid(grid, grid, grid), -1)
               .reshape(-1, 3)) >= 4.5  # fmt: skip


def test_nan_is_left_without_a_patch_in_the_ink_of_the_page():
    with mpl.rc_context({"text.color": "magenta"}):
        figure = text_heatmap([0.1, np.nan, 1.0], list("abc"))
    paragraph = paragraphs(figure)[0]
    assert paragraph.patches[1] is None
    assert to_rgba(paragraph.words[1].get_color()) == to_rgba("magenta")
    text_heatmap(np.full(3, np.nan), list("abc"))
    text_heatmap(np.zeros(3), list("abc"))


def read(given):
    return "".join(
        (" " if space else "") + re.sub(r"^##|^[Ġ▁]|</w>$", "", token)
        for token, space in zip(given, spaces_before(given), strict=True)
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (WORDPIECE, "[CLS] the unflappable vet didn't go."),
        (["a", "(", "b", ")", ",", "c", "!"], "a (b), c!"),
        (["The", "Ġvet", "erin", "arian", ".", "<|end|>", "A"], "The veterinarian. <|end|> A"),
        (["▁An", "▁un", "fla", "pp", "able", "▁one", "</s>"], "An unflappable one </s>"),
        (["a</w>", "vet", "erinarian</w>", ".</w>"], "a veterinarian ."),
        (["##", "heading"], "## heading"),
        ([], ""),
    ],
)
def test_spaces_are_those_of_the_text(given, text):
    if given and given[0] == "##":
        assert spaces_before(given) == [False, True]
    else:
        assert read(given) == text


def test_pieces_of_a_word_stand_close_and_on_one_line():
    figure = text_heatmap(np.zeros(66), tokens(66))
    figure.canvas.draw()
    paragraph = paragraphs(figure)[0]
    boxes = [patch.get_window_extent() for patch in paragraph.patches]
    lines = set()
    for k, space in enumerate(spaces_before(tokens(66))):
        lines.add(round(boxes[k].y0))
        if k and not space:
            assert boxes[k].x0 == pytest.approx(boxes[k - 1].x1)
            assert boxes[k].y0 == pytest.approx(boxes[k - 1].y0)
        elif k and boxes[k].y0 == pytest.approx(boxes[k - 1].y0):
            assert boxes[k].x0 > boxes[k - 1].x1 + 2
    assert len(lines) > 3


def test_a_line_break_ends_the_line():
    figure = text_heatmap(np.zeros(6), ["a", "Ċ", "b", "Ġc", "ĊĊ", "d"])
    figure.canvas.draw()
    words = paragraphs(figure)[0].words
    assert [w.get_text() for w in words] == ["a", "↵", "b", "c", "↵↵", "d"]
    heights = [w.get_position()[1] for w in words]
    assert heights[0] == heights[1] > heights[2] == heights[3] == heights[4] > heights[5]


def test_long_tokens_are_cut_and_raw_ones_shown():
    figure = text_heatmap(np.zeros(2), ["x" * 90, "##y"])
    assert [w.get_text() for w in paragraphs(figure)[0].words] == ["x" * 39 + "…", "y"]
    assert_readable(figure)
    raw = text_heatmap(np.zeros(2), ["a", "##y"], raw_tokens=True)
    assert [w.get_text() for w in paragraphs(raw)[0].words] == ["a", "##y"]


@pytest.mark.parametrize("width", [2.0, 3.6, 9.0])
def test_lines_follow_the_width_of_the_figure(width):
    figure = text_heatmap(np.linspace(0, 1, 60), tokens(60), width=width)
    assert figure.get_figwidth() == width
    assert_readable(figure)


def test_text_is_laid_out_again_when_the_figure_changes():
    figure = text_heatmap(np.linspace(0, 1, 60), tokens(60))
    figure.set_size_inches(3, 2)
    assert_readable(figure)
    assert paragraphs(figure)[0].words[0].get_fontsize() < SIZE


def test_own_axes():
    figure, axes = plt.subplots(2, 1, figsize=(5, 4))
    assert text_heatmap(np.ones((2, 40)), tokens(40), axes, title="t") is figure
    assert axes[0].get_title() == "t"
    assert_readable(figure)
    parent = plt.figure(layout="constrained")
    inner = parent.subfigures(1, 2)[0].subplots()
    assert text_heatmap(np.ones(80), tokens(80), inner) is parent
    assert_readable(parent)


def test_svg_holds_every_token_as_text():
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure = text_heatmap(np.linspace(0, 1, 11), WORDPIECE)
        file = io.StringIO()
        figure.savefig(file, format="svg")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", file.getvalue())
    for shown in ["[CLS]", "the", "un", "flap", "pable", "vet", "didn", "t", "go", "."]:
        assert shown in texts


def test_characters_that_svg_has_no_place_for_are_shown_by_their_codes():
    figure = text_heatmap([0.5, 1.0], ["a\x07b", "\ud800"])
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg")
    texts = [text.text for text in ElementTree.fromstring(file.getvalue()).iter() if text.text]
    assert {r"a\x07b", r"\ud800"} <= set(texts)


def test_values_beyond_the_scale_are_said_to_be():
    figure = text_heatmap([0.0, 1.0], list("ab"), vmax=0.5)
    assert figure.axes[-1].get_label() == "<colorbar>"
    assert paragraphs(figure)[0].patches[1].get_facecolor() == mpl.colormaps["viridis"](1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text_heatmap(np.ones(3), ["a"]), "1 tokens were given for 3 numbers"),
        (lambda: text_heatmap(np.ones((1, 2, 3)), ["a"]), r"need the shape \(tokens,\)"),
        (lambda: text_heatmap(np.ones(0), []), r"need the shape \(tokens,\)"),
        (lambda: text_heatmap(np.ones((2, 1)), ["a"], row_names=["x"]), "a list of 2 row_names"),
        (lambda: text_heatmap(np.ones(1), ["a"], vmin=2, vmax=1), "vmin must be below vmax"),
        (lambda: text_heatmap(np.ones(1), ["a"], width=0), "some inches wide, not 0"),
        (lambda: text_heatmap(np.ones((2, 1)), ["a"], plt.figure().subplots()), "need 2 axes"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
