"""Matrices beside each other: scales, bars, layout and labels."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.text import Text

from interpviz.errors import InputError
from interpviz.render import compare_attention


def matrices(count, queries, keys=None, seed=0):
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.normal(size=(count, queries, keys or queries)) * 2)
    weights /= weights.sum(-1, keepdims=True)
    return {f"matrix number {k}, mean of all heads": w * (k + 1) for k, w in enumerate(weights)}


def tokens(n):
    words = ["[CLS]", "attention", "##s", "$x$", "of", "the", "transformer", "Wij"]
    return [words[k % len(words)] for k in range(n)]


def panels(figure):
    return [ax for ax in figure.axes if ax.images]


def bars(figure):
    inside = [child for ax in figure.axes for child in ax.child_axes]
    return [ax for ax in [*figure.axes, *inside] if ax.get_label() == "<colorbar>"]


def labels(axis):
    found = [label for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)]
    return [label for label in found if label.get_visible() and label.get_text()]


def assert_readable(figure):
    """No label or title lies on another one, or leaves the figure."""
    figure.canvas.draw()
    for ax in panels(figure):
        for axis in (ax.xaxis, ax.yaxis):
            boxes = [label.get_window_extent() for label in labels(axis)]
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    named = [ax.title for ax in panels(figure)]
    outer = [t for t in texts if t in figure.texts]
    words = [label for ax in bars(figure) for label in (*labels(ax.yaxis), ax.yaxis.label)]
    for ax in panels(figure):
        words += [*labels(ax.xaxis), *labels(ax.yaxis)]
    boxes = {id(t): t.get_window_extent() for t in (*named, *outer, *words)}
    for box in boxes.values():
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.width + 1
        assert box.y1 <= figure.bbox.height + 1
    alone = [boxes[id(t)] for t in (*named, *outer)]
    assert not any(a.overlaps(b) for a, b in combinations(alone, 2))
    pictures = [ax.get_window_extent() for ax in panels(figure)]
    for box in boxes.values():
        assert not any(box.shrunk(0.9, 0.9).overlaps(picture) for picture in pictures)


@pytest.mark.parametrize(
    ("n", "count", "difference", "shared"),
    [
        (1, 2, True, True),
        (5, 2, True, True),
        (5, 2, True, False),
        (12, 3, True, True),
        (12, 3, True, False),
        (20, 4, False, True),
        (60, 2, True, True),
        (60, 2, False, False),
        (200, 2, True, True),
    ],
)
def test_comparison_is_readable_at_every_length(n, count, difference, shared):
    named = matrices(count, n)
    figure = compare_attention(
        named, tokens(n), difference=difference, shared=shared, title="$a$_b"
    )
    drawn = panels(figure)
    assert len(drawn) == count + difference
    for ax, (name, matrix) in zip(drawn, named.items(), strict=False):
        assert ax.get_title().replace("\n", " ") == name
        np.testing.assert_allclose(ax.images[0].get_array(), matrix)
    assert len(bars(figure)) == (1 if shared else count) + difference
    assert_readable(figure)
    columns = {round(ax.get_window_extent().x0) for ax in drawn}
    assert len({ax.get_subplotspec().colspan.start for ax in drawn}) == (1 if n > 28 else 2)
    assert len(columns) <= 2
    assert figure.get_figwidth() <= 10


def test_scales():
    named = matrices(2, 4)
    first, second = named.values()
    shared = compare_attention(named, tokens(4))
    top = max(first.max(), second.max())
    assert [ax.images[0].get_clim() for ax in panels(shared)] == [(0, top), (0, top)]
    own = compare_attention(named, tokens(4), shared=False)
    limits = [ax.images[0].get_clim() for ax in panels(own)]
    assert limits == [(0, first.max()), (0, second.max())]
    fixed = compare_attention(named, tokens(4), vmax=0.25)
    assert panels(fixed)[1].images[0].get_clim() == (0, 0.25)


@pytest.mark.parametrize("shared", [True, False])
def test_the_difference_is_centred_at_zero(shared):
    named = matrices(3, 4)
    first, second, _ = named.values()
    last = panels(compare_attention(named, tokens(4), difference=True, shared=shared))[-1]
    np.testing.assert_allclose(last.images[0].get_array(), first - second)
    greatest = np.abs(first - second).max()
    assert last.images[0].get_clim() == (-greatest, greatest)
    assert last.images[0].get_cmap().name == "RdBu_r"
    names = list(named)
    assert last.get_title().replace("\n", " ") == f"{names[0]} minus {names[1]}"
    same = compare_attention({"a": first, "b": first}, tokens(4), difference=True)
    assert panels(same)[-1].images[0].get_clim() == (-1, 1)


def test_labels_stand_at_the_outer_edge_only():
    figure = compare_attention(matrices(4, 5), tokens(5))
    figure.canvas.draw()
    left = [bool(labels(ax.yaxis)) for ax in panels(figure)]
    below = [bool(labels(ax.xaxis)) for ax in panels(figure)]
    assert left == [True, False, True, False]
    assert below == [False, False, True, True]
    odd = compare_attention(matrices(3, 5), tokens(5))
    odd.canvas.draw()
    assert [bool(labels(ax.xaxis)) for ax in panels(odd)] == [False, True, True]


def test_columns_and_one_matrix():
    stacked = panels(compare_attention(matrices(2, 5), tokens(5), columns=1))
    assert [ax.get_subplotspec().rowspan.start for ax in stacked] == [0, 1]
    assert len(panels(compare_attention(matrices(1, 5), tokens(5)))) == 1


@pytest.mark.parametrize(("queries", "keys"), [(1, 40), (2, 12), (12, 2)])
def test_keys_may_be_others(queries, keys):
    figure = compare_attention(
        matrices(2, queries, keys), tokens(queries), key_tokens=tokens(keys), difference=True
    )
    assert_readable(figure)


def test_nan_is_blank():
    matrix = np.eye(3)
    matrix[0, 1] = np.nan
    cells = panels(compare_attention({"a": matrix}, tokens(3)))[0].images[0].get_array()
    assert np.array_equal(cells.mask, np.isnan(matrix))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_attention({}, []), "Attention is compared by name"),
        (lambda: compare_attention([np.eye(2)], ["a", "b"]), "Attention is compared by name"),
        (lambda: compare_attention({"r": np.ones((1, 2, 2))}, ["a", "b"]), r"'r' has the shape"),
        (lambda: compare_attention({"r": np.eye(3)}, ["a"]), "1 tokens were given"),
        (lambda: compare_attention({"r": np.eye(1)}, ["a"], difference=True), "needs two matrices"),
        (lambda: compare_attention({"r": np.eye(1)}, ["a"], columns=3), "1 or 2 columns, not 3"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
