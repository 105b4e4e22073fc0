"""In every figure that shows tokens, no text lies on another one or leaves the figure."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from interpviz.render.cross import cross_attention
from interpviz.render.head_flow import token_flow
from interpviz.render.heads import head_heatmap, heads_grid
from interpviz.render.labels import TokenLocator, label_axis
from interpviz.render.model_grid import all_heads_grid

WORDS = [
    "[CLS]",
    "attention",
    "##s",
    "$x$",
    "Wij",
    "of",
    "Donaudampfschifffahrt",
    "ÄÖÜ",
    "<b>",
    "W",
]


def weights(*shape, seed=0):
    rng = np.random.default_rng(seed)
    scores = np.exp(2 * rng.normal(size=shape))
    return scores / scores.sum(-1, keepdims=True)


def words(n):
    return [WORDS[k % len(WORDS)] for k in range(n)]


def visible_texts(figure):
    """The texts that a reader sees, with their boxes in pixels."""
    figure.canvas.draw()
    texts = list(figure.texts)
    for ax in [*figure.axes, *(child for parent in figure.axes for child in parent.child_axes)]:
        texts += [*ax.texts, ax.title]
        texts += ax.get_legend().get_texts() if ax.get_legend() else []
        for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
            texts += [axis.label, axis.offsetText, *_tick_labels(axis)]
    seen = [text for text in texts if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in seen]


def _tick_labels(axis):
    low, high = sorted(axis.get_view_interval())
    labels = axis.get_ticklabels()
    for tick in axis.get_major_ticks():
        if low <= tick.get_loc() <= high:
            yield from (label for label in (tick.label1, tick.label2) if label in labels)


def assert_apart(figure):
    """No two visible texts overlap and none leaves the figure; gives their strings."""
    texts = visible_texts(figure)
    for (one, a), (other, b) in combinations(texts, 2):
        # Half a pixel of touching is rounding.
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 0.5 or height <= 0.5, f"{one!r} lies on {other!r}"
    for text, box in texts:
        assert box.x0 >= -0.5, text
        assert box.y0 >= -0.5, text
        assert box.x1 <= figure.bbox.width + 0.5, text
        assert box.y1 <= figure.bbox.height + 0.5, text
    return [text for text, _ in texts]


FIGURES = {
    "heatmap": lambda n: head_heatmap(weights(n, n), words(n), title="Head 3, $x$_y"),
    "heatmap of two texts": lambda n: head_heatmap(
        weights(7, n), words(7), key_tokens=words(n), title="Seven"
    ),
    "grid": lambda n: heads_grid(weights(7, n, n), words(n)),
    "flow": lambda n: token_flow(weights(n, n), words(n), n // 2, title="Head 3"),
    "flow of heads": lambda n: token_flow(weights(12, n, n), words(n), -1, title="12 heads"),
    "cross": lambda n: cross_attention(weights(2, n, n), words(n), words(n), title="Alignment"),
    "cross, wide": lambda n: cross_attention(weights(5, n), words(5), words(n)),
    "cross, tall": lambda n: cross_attention(weights(n, 5), words(n), words(5)),
    "model": lambda n: all_heads_grid(
        weights(3, 12, n, n), title="Model", layer_names=[f"encoder.layer.{k}" for k in range(3)]
    ),
}


@pytest.mark.parametrize("n", [5, 20, 60, 200])
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_lies_on_another(name, n):
    assert assert_apart(FIGURES[name](n))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("heatmap", (3.0, 3.0)),
        ("heatmap", (3.6, 6.0)),
        ("flow", (4.0, 3.0)),
        ("cross", (5.0, 5.0)),
        ("cross", (5.0, 8.0)),
    ],
)
def test_a_small_figure_shows_fewer_labels(name, size):
    figure = FIGURES[name](60)
    many = len(assert_apart(figure))
    figure.set_size_inches(size)
    assert len(assert_apart(figure)) < many


@pytest.mark.parametrize("thinned", ["y", "none"])
def test_the_longest_label_has_room_whether_or_not_it_is_shown(thinned):
    texts = ["a", "b" * 16, *"cdefghijklmnop"]
    figure = head_heatmap(np.eye(16), texts, colorbar=False)
    if thinned == "y":
        figure.set_size_inches(3.0, 3.0)
        assert "b" * 16 not in assert_apart(figure)
    else:
        assert "b" * 16 in assert_apart(figure)
    ax = figure.axes[0]
    pixel = figure.dpi / 72
    assert ax.get_window_extent().x0 > 16 * 8 * 0.6 * pixel


def test_ticks_and_axes_of_the_caller():
    figure = head_heatmap(weights(60, 60), words(60))
    figure.axes[0].set_yticks([0, 30])
    figure.axes[0].set_xticks([])
    assert "[CLS]" in assert_apart(figure)
    figure.axes[0].set_axis_off()
    assert_apart(figure)


def test_the_check_sees_texts_that_overlap():
    figure = plt.figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.5, "other")
    with pytest.raises(AssertionError, match="lies on"):
        assert_apart(figure)
    figure = plt.figure()
    figure.text(0.99, 0.5, "too far")
    with pytest.raises(AssertionError, match="too far"):
        assert_apart(figure)


@pytest.mark.parametrize("count", [5, 12, 40, 128, 1200])
def test_numbers_beside_each_other_stay_apart(count):
    figure, ax = plt.subplots(figsize=(4, 2), layout="compressed")
    ax.set(xlim=(-0.1 * count, 1.1 * count), yticks=[])
    label_axis(ax.xaxis, [str(place) for place in range(count)], 8.0, upright=False)
    shown = assert_apart(figure)
    assert len(shown) >= min(count, 10)
    assert "0" in shown
    assert ax.get_xticklabels()[0].get_rotation() == 0


def test_the_first_positions_win_where_room_is_short():
    figure, ax = plt.subplots(figsize=(2, 2))
    ax.set_ylim(99.5, -0.5)
    label_axis(ax.yaxis, [str(place) for place in range(100)], 8.0, first=[51, 52])
    locator = ax.yaxis.get_major_locator()
    assert isinstance(locator, TokenLocator)
    ticks = locator()
    assert 51 in ticks
    assert 52 not in ticks
    assert np.diff(ticks).min() >= np.ceil(100 / locator._room())
    figure.set_size_inches(2, 20)
    assert 52 in locator()
