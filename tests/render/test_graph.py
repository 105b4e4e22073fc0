"""Attention as a graph: which edges are drawn, how strong, and labels that never overlap."""

from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from interpviz.attention import rollout
from interpviz.errors import InputError
from interpviz.render import attention_graph
from interpviz.render.edges import MOST


def layers(count, n, seed=0, causal=False):
    rng = np.random.default_rng(seed)
    weights = np.exp(2 * rng.normal(size=(count, n, n)))
    if causal:
        weights *= np.tri(n)
    return weights / weights.sum(-1, keepdims=True)


def tokens(n):
    words = ["[CLS]", "attention", "##s", "$x$", "of", "the", "transformer", "Wij"]
    return [words[k % len(words)] for k in range(n)]


def labels(axis):
    if axis.figure.stale:
        axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    # Matplotlib keeps ticks beyond the ends of an axis, which are not drawn.
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    found = [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [label for label in found if label.get_visible() and label.get_text()]


def assert_readable(figure):
    figure.canvas.draw()
    count = 0
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            boxes = [label.get_window_extent() for label in labels(axis)]
            count += len(boxes)
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))
            for box in boxes:
                assert box.x0 >= -1
                assert box.y0 >= -1
                assert box.x1 <= figure.bbox.width + 1
                assert box.y1 <= figure.bbox.height + 1
    legend = figure.axes[0].get_legend()
    if legend is not None:
        box = legend.get_window_extent()
        assert box.y0 >= -1
        assert box.y1 <= figure.axes[0].get_window_extent().y0 + 1
    return count


def collection(figure, name):
    return next(c for c in figure.axes[0].collections if c.get_label() == name)


def drawn(figure, name="attention"):
    """The drawn edges as `{(layer, query, key): (width, alpha)}`."""
    lines = collection(figure, name)
    out = {}
    paths = lines.get_paths()
    for path, width, colour in zip(
        paths,
        np.resize(lines.get_linewidths(), len(paths)),
        np.resize(lines.get_colors(), (len(paths), 4)),
        strict=True,
    ):
        (x0, key), (x1, query) = path.vertices
        assert x1 - x0 == 1
        out[int(x0 + 0.5), int(query), int(key)] = (width, colour[3])
    return out


def strengths(weights, query, residual):
    """By the sum over every single path from the query, in plain loops."""
    count, n = weights.shape[:2]
    mixed = [residual * np.eye(n) + (1 - residual) * w for w in weights]
    mixed = [m / m.sum(-1, keepdims=True) for m in mixed]
    held = np.zeros((count + 1, n))
    held[count, query] = 1
    for length in range(1, count + 1):
        for path in product(range(n), repeat=length):
            share, at = 1.0, query
            for step, key in enumerate(path):
                share *= mixed[count - 1 - step][at, key]
                at = key
            held[count - length, at] += share
    return held, mixed


@pytest.mark.parametrize("query", [None, -1])
@pytest.mark.parametrize(("n", "count"), [(1, 1), (5, 2), (60, 12), (200, 30)])
def test_graph_is_readable_at_every_size(n, count, query):
    figure = attention_graph(
        layers(count, n), tokens(n), query_idx=query, residual=0.5, title="$a$_b"
    )
    assert assert_readable(figure) >= min(2 * n, 60) + min(count, 5)
    assert len(drawn(figure)) <= MOST


def test_names_of_layers():
    names = [f"encoder.layer.{k}.attention" for k in range(30)]
    figure = attention_graph(layers(30, 5), tokens(5), layer_names=names)
    assert_readable(figure)
    assert labels(figure.axes[0].xaxis)[0].get_text() == names[0][:15] + "…"


def test_the_strongest_edges_of_each_token_are_drawn():
    weights = layers(3, 6)
    edges = drawn(attention_graph(weights, tokens(6), strongest=2, threshold=0.0))
    expected = {
        (layer, query, int(key))
        for layer in range(3)
        for query in range(6)
        for key in np.argsort(-weights[layer, query])[:2]
    }
    assert set(edges) == expected
    order = sorted(edges, key=lambda edge: weights[edge])
    for column in (0, 1):
        assert np.all(np.diff([edges[edge][column] for edge in order]) > 0)


def test_threshold_and_all_edges():
    weights = layers(2, 5)
    edges = drawn(attention_graph(weights, tokens(5), strongest=None, threshold=0.3))
    assert set(edges) == {tuple(map(int, edge)) for edge in np.argwhere(weights >= 0.3)}
    every = drawn(attention_graph(weights, tokens(5), strongest=None, threshold=0.0))
    assert len(every) == 50
    clear = drawn(attention_graph(weights, tokens(5), strongest=None))
    assert len(clear) == (weights >= weights.max() / 50).sum()


@pytest.mark.parametrize("residual", [0.0, 0.5])
def test_paths_hold_the_product_of_their_weights(residual):
    weights = layers(3, 4)
    held, mixed = strengths(weights, 2, residual)
    figure = attention_graph(
        weights, list("abcd"), query_idx=2, residual=residual, strongest=None, threshold=0.0
    )
    edges = drawn(figure)
    off = {
        (layer, query, key): held[layer + 1, query]
        * mixed[layer][query, key]
        * ((1 - residual) * weights[layer, query, key])
        / ((1 - residual) * weights[layer, query, key] + residual * (query == key))
        for layer in range(3)
        for query in range(4)
        for key in range(4)
        if held[layer + 1, query] > 0
    }
    assert set(edges) == set(off)
    greatest = max(off.values())
    widths = {edge: 0.5 + 4.0 * share / greatest for edge, share in off.items()}
    for edge, (width, alpha) in edges.items():
        assert width == pytest.approx(widths[edge])
        assert alpha == pytest.approx(0.25 + 0.7 * off[edge] / greatest)
    shown = [label.get_text() for label in labels(figure.axes[0].yaxis)]
    expected = [f"{token}  {value:.2f}" for token, value in zip("abcd", held[0], strict=True)]
    assert shown == expected


@pytest.mark.parametrize("causal", [False, True])
def test_what_is_written_at_the_inputs_is_rollout(causal):
    weights = layers(4, 7, causal=causal) * np.linspace(0.4, 1, 7)[:, None]
    weights[1, 5] = 0
    rolled = rollout(torch.tensor(weights)[:, None, None], causal=causal)[0, 6]
    figure = attention_graph(torch.tensor(weights), tokens(7), query_idx=-1, residual=0.5)
    texts = [label.get_text().split("  ") for label in labels(figure.axes[0].yaxis)]
    assert len(texts) == 7
    for place, (_, *value) in enumerate(texts):
        if value:
            assert value == [f"{float(rolled[place]):.2f}"]
    assert sum(len(text) == 2 for text in texts) >= 4


def test_every_edge_of_a_path_leads_to_the_query():
    figure = attention_graph(layers(6, 12), tokens(12), query_idx=3, residual=0.5, strongest=2)
    edges = set(drawn(figure)) | set(drawn(figure, "residual connection"))
    reached = {(6, 3)}
    for layer, query, key in sorted(edges, reverse=True):
        assert (layer + 1, query) in reached
        reached.add((layer, key))
    assert len(edges) > 12


def test_residual_connections_are_grey_and_optional():
    assert not drawn(attention_graph(layers(2, 3), list("abc")), "residual connection")
    figure = attention_graph(layers(2, 3), list("abc"), residual=0.5)
    grey = drawn(figure, "residual connection")
    assert set(grey) == {(layer, token, token) for layer in range(2) for token in range(3)}
    colour = collection(figure, "residual connection").get_colors()[0][:3]
    assert len(set(colour)) == 1
    assert "residual connection" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_the_query_and_its_strongest_inputs_are_always_named():
    weights = np.tile(np.full((200, 200), 1e-4), (2, 1, 1))
    weights[:, :, 133] = 0.9
    figure = attention_graph(weights, [f"t{k}" for k in range(200)], query_idx=101)
    assert "t101" in [label.get_text() for label in labels(figure.axes[1].yaxis)]
    assert any(label.get_text().startswith("t133  0.9") for label in labels(figure.axes[0].yaxis))


def test_lists_nan_and_own_axes():
    weights = [torch.eye(3), torch.eye(3)]
    weights[1][0, 0] = float("nan")
    figure, ax = plt.subplots()
    assert attention_graph(weights, list("abc"), ax) is figure
    assert set(drawn(figure)) == {(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 1), (1, 2, 2)}
    nothing = attention_graph(np.zeros((2, 3, 3)), list("abc"), query_idx=0)
    assert not drawn(nothing)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attention_graph(layers(2, 3), ["a"]), "1 tokens were given for weights with 3"),
        (lambda: attention_graph(np.eye(3), list("abc")), r"the shape \(layers, query, key\)"),
        (lambda: attention_graph(np.ones((2, 3, 4)), list("abc")), "self-attention of the shape"),
        (lambda: attention_graph([np.eye(2), np.eye(3)], ["a", "b"]), "The layers differ in shape"),
        (lambda: attention_graph(-layers(2, 3), list("abc")), "at least 0, but some are negative"),
        (lambda: attention_graph(layers(2, 3), list("abc"), query_idx=3), "There is no query 3"),
        (lambda: attention_graph(layers(2, 3), list("abc"), strongest=0), "at least 1, not 0"),
        (lambda: attention_graph(layers(2, 3), list("abc"), residual=2.0), "from 0 to 1, not 2"),
        (
            lambda: attention_graph(layers(2, 3), list("abc"), layer_names=["a"]),
            "2 layers need as many layer_names, not 1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
