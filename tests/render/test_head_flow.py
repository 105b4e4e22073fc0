"""Flows: the links drawn, their weights, and the tokens that are always named."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from interpviz.errors import InputError
from interpviz.render import token_flow

TOKENS = ["[CLS]", "the", "##s", "$x$"]


def heads(count, queries, keys=None, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(keys or queries), size=(count, queries))


def labels(figure, side):
    """The names of the queries (side 0) or of the keys (side 1)."""
    figure.canvas.draw()
    axis = figure.axes[side].yaxis
    return [label.get_text() for label in axis.get_ticklabels() if label.get_visible()]


def test_every_link_is_drawn_with_its_weight():
    weights = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.1, 0.3, 0.6]])
    figure = token_flow(weights, ["a", "b", "c"], 0, strongest=2)
    lines = figure.axes[0].collections[0]
    ends = [(path.vertices[0, 1], path.vertices[-1, 1]) for path in lines.get_paths()]
    assert ends == [(0, 0), (0, 1), (0, 2)]
    widths, alphas = lines.get_linewidths(), lines.get_colors()[:, 3]
    assert np.all(np.diff(widths) < 0)
    assert np.all(np.diff(alphas) < 0)
    assert labels(figure, 1) == ["a  0.70", "b  0.20", "c"]
    assert len(token_flow(weights, list("abc"), 1).axes[0].collections[0].get_paths()) == 1


def test_several_heads():
    weights = heads(3, 4)
    figure = token_flow(weights, TOKENS, -1)
    ax = figure.axes[0]
    assert len(ax.collections) == 3
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Head 0", "Head 1", "Head 2"]
    mean = weights.mean(0)[-1]
    assert f"{mean.max():.2f}" in labels(figure, 1)[mean.argmax()]


def test_keys_of_another_text():
    figure = token_flow(heads(1, 4, 2), TOKENS, 0, strongest=0, key_tokens=["x", "y"])
    assert labels(figure, 0) == ["[CLS]", "the", "s", r"\$x\$"]
    assert labels(figure, 1) == ["x", "y"]


def test_the_mask_hides_links():
    figure = token_flow(np.full((4, 4), 0.25), TOKENS, 1, mask=np.tri(4, dtype=bool))
    assert len(figure.axes[0].collections[0].get_paths()) == 2


def test_the_query_and_the_strongest_keys_are_always_named():
    weights = np.full((200, 200), 1e-4)
    weights[101, 133] = 0.9
    figure = token_flow(weights, [f"t{k}" for k in range(200)], 101)
    assert "t101" in labels(figure, 0)
    assert "t133  0.90" in labels(figure, 1)


def test_own_axes():
    figure, ax = plt.subplots()
    assert token_flow(np.eye(4), TOKENS, 0, ax) is figure


@pytest.mark.parametrize("query", [4, -5])
def test_there_is_no_such_query(query):
    with pytest.raises(InputError, match=f"There is no query {query}"):
        token_flow(np.eye(4), TOKENS, query)
