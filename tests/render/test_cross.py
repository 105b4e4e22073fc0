"""Cross-attention: the weights, the strongest link of each row, and what is left out."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.render.cross import cross_attention

SOURCE = ["▁the", "▁cat", "▁$leeps", "</s>"]
TARGET = ["▁die", "▁Katze", "</s>"]


def weights(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


def names(axis):
    return [label.get_text() for label in axis.get_ticklabels() if label.get_visible()]


def rings(ax):
    """The places of the rings, by row and column."""
    return [(int(row), int(column)) for column, row in ax.collections[0].get_offsets()]


def test_the_mean_of_heads_and_its_strongest_links():
    heads = weights(5, 3, 4)
    figure = cross_attention(torch.tensor(heads), TARGET, SOURCE)
    figure.canvas.draw()
    ax, bar = figure.axes
    mean = heads.mean(axis=0)
    np.testing.assert_allclose(ax.images[0].get_array(), mean, rtol=1e-6)
    assert bar.get_xlabel() == "attention weight,\nmean of 5 heads"
    best = [max(range(4), key=lambda key, row=row: mean[row, key]) for row in range(3)]
    assert rings(ax) == list(enumerate(best))
    texts = ["the", "cat", r"\$leeps", "</s>"]
    assert names(ax.xaxis) == texts
    assert names(ax.yaxis) == ["die", "Katze", "</s>"]
    expected = [f"{texts[key]}  {mean[row, key]:.2f}" for row, key in enumerate(best)]
    assert names(ax.child_axes[0].yaxis) == expected


def test_one_head_is_no_mean():
    head = weights(3, 4)
    figure = cross_attention(head, TARGET, SOURCE, vmax=2.0)
    assert figure.axes[1].get_xlabel() == "attention weight"
    assert figure.axes[0].images[0].get_clim() == (0, 2)


def test_what_is_hidden_is_no_strongest_link():
    head = np.array([[0.1, 0.2, 0.0, 0.7], [0.0, 0.0, 0.0, 1.0], [np.nan, 0.3, 0.1, 0.6]])
    mask = np.ones((3, 4), dtype=bool)
    mask[:, -1] = False
    figure = cross_attention(head, TARGET, SOURCE, mask=mask)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert rings(ax) == [(0, 1), (2, 1)]
    assert names(ax.child_axes[0].yaxis) == ["cat  0.20", "", "cat  0.30"]
    hidden = ~mask
    hidden[2, 0] = True
    np.testing.assert_array_equal(ax.images[0].get_array().mask, hidden)


def test_the_links_are_thinned_with_the_rows():
    figure = cross_attention(weights(200, 20), [f"q{k}" for k in range(200)], ["k"] * 20)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert len(ax.get_yticks()) < 200
    np.testing.assert_array_equal(ax.get_yticks(), ax.child_axes[0].get_yticks())


@pytest.mark.parametrize(("queries", "keys"), [(6, 8), (40, 60), (1, 200), (200, 1), (200, 200)])
def test_a_cell_is_a_square_unless_one_text_is_much_longer(queries, keys):
    figure = cross_attention(weights(queries, keys), ["q"] * queries, ["k"] * keys)
    aspect = figure.axes[0].get_aspect()
    assert (aspect == pytest.approx(1)) == (max(queries, keys) < 10 * min(queries, keys))
    assert figure.get_figwidth() <= 10


def test_all_hidden():
    figure = cross_attention(np.zeros((3, 4)), TARGET, SOURCE, mask=np.zeros((3, 4), dtype=bool))
    figure.canvas.draw()
    assert rings(figure.axes[0]) == []


def test_own_axes_and_raw_tokens():
    figure, axes = plt.subplots(1, 2, layout="constrained")
    assert cross_attention(weights(3, 4), TARGET, SOURCE, axes[0], raw_tokens=True) is figure
    figure.canvas.draw()
    assert names(axes[0].yaxis)[0] == "▁die"
    parent = plt.figure(layout="constrained")
    inner = parent.subfigures(1, 2)[0].subplots()
    assert cross_attention(weights(3, 4), TARGET, SOURCE, inner) is parent


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cross_attention(np.ones((3, 4)), TARGET, TARGET), "3 tokens .* with 4 keys"),
        (lambda: cross_attention(np.ones((2, 4)), TARGET, SOURCE), "3 tokens .* with 2 queries"),
        (lambda: cross_attention(np.ones(4), TARGET, SOURCE), "need the shape"),
        (
            lambda: cross_attention(np.ones((3, 4)), TARGET, SOURCE, mask=np.ones((4, 3))),
            r"A mask of shape \(4, 3\)",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
