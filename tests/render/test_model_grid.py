"""All heads on one page: each thumbnail in its place, made smaller without losing a link."""

import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.render.model_grid import CELLS, all_heads_grid


def weights(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


def thumbnail(figure, layer, head):
    """The cells around the data position of a head, without the blank lines around them."""
    image = figure.axes[0].images[0]
    picture = image.get_array()
    left, right, bottom, top = image.get_extent()
    rows, columns = round(bottom - top), round(right - left)
    high, wide = picture.shape[0] // rows, picture.shape[1] // columns
    tile = picture[layer * high : (layer + 1) * high, head * wide : (head + 1) * wide]
    seen = ~tile.mask
    return tile[seen.any(axis=1)][:, seen.any(axis=0)]


def pooled(head, block):
    """The greatest weight of each block of cells, one after the other."""
    rows, columns = (-(-side // block) for side in head.shape)
    out = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            part = head[row * block : (row + 1) * block, column * block : (column + 1) * block]
            out[row, column] = part.max()
    return out


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (64, 64), (130, 130), (70, 200)])
def test_every_head_is_in_its_place(queries, keys):
    values = weights(3, 4, queries, keys)
    figure = all_heads_grid(values)
    block = -(-max(queries, keys) // CELLS)
    for layer in range(3):
        for head in range(4):
            expected = pooled(values[layer, head], block)
            cells = thumbnail(figure, layer, head)
            grow = cells.shape[0] // expected.shape[0]
            assert cells.shape == (expected.shape[0] * grow, expected.shape[1] * grow)
            np.testing.assert_allclose(cells[::grow, ::grow], expected, rtol=1e-6)
            np.testing.assert_allclose(cells[grow - 1 :: grow, grow - 1 :: grow], expected, 1e-6)


def test_the_place_of_a_thumbnail_is_its_layer_and_head():
    values = np.zeros((2, 3, 4, 4))
    values[1, 2] = 1.0
    figure = all_heads_grid(values)
    image = figure.axes[0].images[0]
    left, right, bottom, top = image.get_extent()
    rows, columns = np.nonzero(image.get_array().filled(0.0))
    height, width = image.get_array().shape
    assert np.mean(columns + 0.5) / width * (right - left) + left == pytest.approx(2)
    assert np.mean(rows + 0.5) / height * (bottom - top) + top == pytest.approx(1)


def test_a_diagonal_of_one_token_is_seen_in_every_block_of_a_long_text():
    figure = all_heads_grid(np.eye(1000)[None, None])
    assert np.all(np.diag(thumbnail(figure, 0, 0)) == 1)


@pytest.mark.parametrize("n", [6, 150])
def test_hidden_cells_are_blank_and_do_not_count(n):
    values = np.full((1, 2, n, n), 0.1)
    values[0, 0, 0, -1] = 0.9
    mask = np.tri(n, dtype=bool)
    values[0, 1, -1, 0] = np.nan
    picture = all_heads_grid(values, mask=torch.tensor(mask)).axes[0].images[0]
    assert picture.get_clim() == (0, pytest.approx(0.1))
    block = -(-n // CELLS)
    drawn = pooled(mask, block).sum() * 2
    if block == 1:
        drawn -= 1
    grow = max(1, CELLS // -(-n // block))
    assert picture.get_array().count() == drawn * grow**2


def test_the_colours_follow_the_square_root_of_the_weights():
    values = np.full((1, 1, 2, 2), 0.25)
    values[0, 0, 0, 0] = 1.0
    norm = all_heads_grid(values).axes[0].images[0].norm
    assert norm(0.25) == pytest.approx(0.5)
    assert norm(1.0) == 1
    assert all_heads_grid(values, power=1.0).axes[0].images[0].norm(0.25) == pytest.approx(0.25)
    assert all_heads_grid(values, vmax=4.0).axes[0].images[0].norm(1.0) == pytest.approx(0.5)


def test_each_head_on_its_own_scale():
    values = np.stack([weights(8, 8), weights(8, 8, seed=1) / 50])[None]
    figure = all_heads_grid(values, per_head=True)
    for head in range(2):
        expected = values[0, head] / np.quantile(values[0, head], 0.99)
        cells = thumbnail(figure, 0, head)
        np.testing.assert_allclose(cells[::8, ::8], expected, rtol=1e-5)
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert all_heads_grid(np.zeros((1, 1, 2, 2)), per_head=True)


def test_the_scale_is_named():
    def label(figure):
        return figure.axes[1].get_xlabel()

    short, long = weights(1, 2, 4, 4), weights(1, 2, 130, 130)
    assert label(all_heads_grid(short)) == "attention weight, square-root scale"
    assert label(all_heads_grid(short, power=1.0)) == "attention weight, linear scale"
    assert "to the power 0.25" in label(all_heads_grid(short, power=0.25))
    assert label(all_heads_grid(long)).endswith("greatest of each 3 × 3 tokens")
    assert "99th percentile" in label(all_heads_grid(short, per_head=True))


def test_tensors_and_layers_of_other_numbers_of_heads():
    values = weights(2, 3, 4, 4).astype(np.float32)
    whole = all_heads_grid(torch.tensor(values)).axes[0].images[0].get_array()
    layers = all_heads_grid(list(torch.tensor(values))).axes[0].images[0].get_array()
    np.testing.assert_array_equal(whole.filled(-1), layers.filled(-1))
    pruned = all_heads_grid([values[0], values[1, :1]])
    assert thumbnail(pruned, 1, 0).count()
    assert not thumbnail(pruned, 1, 1).count()


def test_names_are_literal():
    figure = all_heads_grid(weights(2, 2, 3, 3), layer_names=["a$_b$", "c"], head_names=["x", "y"])
    figure.canvas.draw()
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == [r"a\$_b\$", "c"]
    shown = [t.get_text() for t in ax.get_xticklabels() if t.get_visible()]
    assert shown == ["x", "y"]


def test_a_large_model_is_one_picture_on_a_page():
    figure = all_heads_grid(np.full((40, 32, 4, 4), 0.25))
    assert len(figure.axes) == 2
    assert len(figure.axes[0].images) == 1
    assert figure.get_figwidth() <= 10
    assert figure.get_figheight() <= 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: all_heads_grid(np.ones((2, 3, 3))), r"shape \(layers, heads, query, key\)"),
        (lambda: all_heads_grid([]), "have the shapes"),
        (lambda: all_heads_grid(np.ones((1, 0, 3, 3))), "have the shapes"),
        (lambda: all_heads_grid([np.ones((2, 3, 3)), np.ones((2, 4, 4))]), "layers differ in"),
        (lambda: all_heads_grid(np.ones((1, 1, 2, 2)), mask=np.eye(3)), r"mask of shape \(3, 3\)"),
        (lambda: all_heads_grid(np.ones((1, 1, 2, 2)), layer_names=["a", "b"]), "2 names .* layer"),
        (lambda: all_heads_grid(np.ones((1, 1, 2, 2)), head_names=[]), "0 names .* heads"),
        (lambda: all_heads_grid(np.ones((1, 1, 2, 2)), power=0.0), "power .* positive"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
