"""Heat maps and grids: the numbers drawn, and labels that never overlap."""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from interpviz.errors import InputError
from interpviz.render import head_heatmap, heads_grid


def heads(count, queries, keys=None, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, queries, keys or queries)) * 2
    weights = np.exp(scores)
    return weights / weights.sum(-1, keepdims=True)


def tokens(n):
    words = ["[CLS]", "attention", "##s", "$x$", "of", "the", "transformer", "Wij"]
    return [words[k % len(words)] for k in range(n)]


def drawn_labels(ax, which):
    """The tick labels of an axis that can be seen, with their boxes."""
    if ax.figure.stale:
        ax.figure.canvas.draw()
    axis = getattr(ax, f"{which}axis")
    out = []
    for tick in axis.get_major_ticks():
        for label in (tick.label1, tick.label2):
            if label.get_visible() and label.get_text():
                out.append((label, label.get_window_extent()))
    return out


def assert_readable(figure):
    """No label lies on another one or leaves the figure."""
    figure.canvas.draw()
    count = 0
    for ax in figure.axes:
        if ax.get_label() == "<colorbar>":
            continue
        for which in "xy":
            boxes = [box for _, box in drawn_labels(ax, which)]
            count += len(boxes)
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))
            for box in boxes:
                assert box.x0 >= -1
                assert box.y0 >= -1
                assert box.x1 <= figure.bbox.width + 1
                assert box.y1 <= figure.bbox.height + 1
        for label in (ax.xaxis.label, ax.yaxis.label):
            if label.get_text():
                box = label.get_window_extent()
                assert box.x0 >= -1
                assert box.y0 >= -1
    return count


@pytest.mark.parametrize("n", [1, 12, 80])
def test_heatmap_is_readable_at_every_length(n):
    weights = heads(1, n)[0]
    figure = head_heatmap(weights, tokens(n), title="$a$_b")
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), weights)
    assert assert_readable(figure) >= min(2 * n, 60)


@pytest.mark.parametrize("n", [40])
def test_grid_is_readable_at_every_length(n):
    weights = heads(12, n)
    figure = heads_grid(weights, tokens(n), title="Layer")
    assert assert_readable(figure) >= min(7 * n, 60)
    for head in range(12):
        ax = figure.axes[head]
        np.testing.assert_allclose(ax.images[0].get_array(), weights[head])
        assert ax.images[0].get_clim() == (0, weights.max())
        assert ax.get_title() == f"Head {head}"


def test_labels_are_thinned_again_when_the_figure_changes():
    figure = head_heatmap(heads(1, 30)[0], tokens(30))
    many = len(drawn_labels(figure.axes[0], "y"))
    figure.set_size_inches(3, 2.5)
    assert_readable(figure)
    assert len(drawn_labels(figure.axes[0], "y")) < many == 30


def test_labels_are_clean_literal_or_raw():
    shown = [t.get_text() for t, _ in drawn_labels(head_heatmap(np.eye(4), tokens(4)).axes[0], "y")]
    assert shown == ["[CLS]", "attention", "s", r"\$x\$"]
    raw = head_heatmap(np.eye(4), tokens(4), raw_tokens=True)
    assert [t.get_text() for t, _ in drawn_labels(raw.axes[0], "y")][2] == "##s"
    long = head_heatmap(np.eye(1), ["x" * 40], raw_tokens=True)
    assert drawn_labels(long.axes[0], "y")[0][0].get_text() == "x" * 15 + "…"


def test_a_control_character_is_shown_by_its_code():
    figure = head_heatmap(np.eye(3), ["a\tb", "\x07", "\ud800"], raw_tokens=True)
    shown = [t.get_text() for t, _ in drawn_labels(figure.axes[0], "y")]
    assert shown == [r"a\tb", r"\x07", r"\ud800"]


def test_a_grid_is_no_wider_than_a_page():
    assert heads_grid(heads(32, 4), tokens(4)).get_figwidth() <= 10.5


def test_mask_and_nan_are_blank():
    weights = heads(1, 4)[0]
    weights[0, 0] = np.nan
    mask = np.tri(4, dtype=bool)
    drawn = head_heatmap(weights, tokens(4), mask=mask).axes[0].images[0].get_array()
    hidden = ~mask
    hidden[0, 0] = True
    assert np.array_equal(drawn.mask, hidden)


def test_own_axes_and_no_colorbar():
    figure, ax = plt.subplots()
    assert head_heatmap(np.eye(3), tokens(3), ax, colorbar=False) is figure
    assert [ax.get_label() for ax in figure.axes].count("<colorbar>") == 0
    parent = plt.figure()
    inner = parent.subfigures(1, 2)[0].subplots()
    assert head_heatmap(np.eye(3), tokens(3), inner) is parent


def test_scale():
    figure = head_heatmap(heads(1, 3)[0], tokens(3), vmax=1.0)
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert head_heatmap(np.zeros((2, 2)), tokens(2)).axes[0].images[0].get_clim() == (0, 1)


def test_an_unfinished_row_of_the_grid():
    figure = heads_grid(heads(7, 5), tokens(5))
    axes = figure.axes
    assert not axes[7].axison
    assert drawn_labels(axes[3], "x")
    assert not drawn_labels(axes[2], "x")


@pytest.mark.parametrize(
    ("count", "places"), [(1, 1), (6, 6), (9, 9), (12, 12), (20, 20), (23, 24)]
)
def test_the_grid_leaves_few_places_empty(count, places):
    assert len(heads_grid(heads(count, 3), tokens(3)).axes) == places + 1


def test_colours_follow_the_style():
    with mpl.rc_context({"text.color": "red", "axes.labelcolor": "red", "xtick.color": "red"}):
        figure = head_heatmap(np.eye(3), tokens(3), title="t")
        figure.canvas.draw()
    ax = figure.axes[0]
    assert ax.title.get_color() == ax.xaxis.label.get_color() == "red"
    assert drawn_labels(ax, "x")[0][0].get_color() == "red"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: head_heatmap(np.eye(3), ["a"]), "1 tokens were given for weights with 3 queries"),
        (lambda: head_heatmap(np.ones((2, 3)), ["a", "b"]), "2 tokens .* with 3 keys"),
        (lambda: head_heatmap(heads(2, 3), tokens(3)), "One head has the shape"),
        (lambda: heads_grid(np.ones(3), tokens(3)), r"need the shape \(heads, query, key\)"),
        (lambda: head_heatmap(np.eye(3), tokens(3), mask=np.eye(2)), r"A mask of shape \(2, 2\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
