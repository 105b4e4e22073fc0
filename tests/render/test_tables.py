"""Numbers over layers and heads, patterns and patches: what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.render import layer_head_heatmap, pattern_mask
from interpviz.render.patches import patch_map


def test_layer_head_heatmap():
    values = torch.rand(6, 12)
    values[2, 3] = torch.nan
    figure = layer_head_heatmap(values, label="entropy", title="a_$b$", vmin=0, vmax=1)
    ax, bar = figure.axes
    drawn = ax.images[0].get_array()
    assert drawn.mask[2, 3]
    assert drawn.mask.sum() == 1
    np.testing.assert_allclose(drawn.filled(0), values.nan_to_num())
    assert ax.images[0].get_clim() == (0, 1)
    assert bar.get_ylabel() == "entropy"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("head", "layer")
    assert all(tick == int(tick) for tick in [*ax.get_xticks(), *ax.get_yticks()])


def test_marked_heads_are_framed_by_a_light_and_a_dark_line():
    figure = layer_head_heatmap(np.eye(3, 4), mark=[(0, 3), torch.tensor([2, 1]).numpy()])
    frames = figure.axes[0].patches
    assert [frame.get_xy() for frame in frames] == [(2.5, -0.5)] * 2 + [(0.5, 1.5)] * 2
    brightness = [sum(frame.get_edgecolor()[:3]) for frame in frames]
    assert brightness == [3, 0, 3, 0]
    assert frames[0].get_linewidth() > frames[1].get_linewidth()
    assert not frames[0].get_fill()
    assert not layer_head_heatmap(np.eye(2), mark=[]).axes[0].patches


def test_own_axes():
    figure, axes = plt.subplots(1, 3)
    assert layer_head_heatmap(np.eye(2), axes[0]) is figure
    assert pattern_mask(np.eye(2), axes[1]) is figure
    assert patch_map(np.eye(2), axes[2]) is figure


@pytest.mark.parametrize("n", [4, 64])
def test_pattern_mask(n):
    mask = np.tri(n, dtype=bool)
    figure = pattern_mask(mask, title="causal")
    drawn = figure.axes[0].images[0].get_array()
    assert np.array_equal(drawn.mask, ~mask)
    assert figure.axes[0].get_title() == "causal"


def test_patch_map():
    figure = patch_map(np.arange(6).reshape(2, 3), mark=(1, 2), image=np.zeros((20, 30)))
    ax = figure.axes[0]
    assert len(ax.images) == 2
    assert np.array_equal(ax.images[1].get_array(), [[0, 1, 2], [3, 4, 5]])
    assert ax.patches[0].get_xy() == (1.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layer_head_heatmap(np.ones(3)), r"need the shape \(layers, heads\)"),
        (lambda: layer_head_heatmap(np.eye(2), mark=[(2, 0)]), r"no head \(2, 0\) to mark: .* 1\)"),
        (lambda: layer_head_heatmap(np.eye(2), mark=[(0, -1)]), r"no head \(0, -1\) to mark"),
        (lambda: layer_head_heatmap(np.eye(2), mark=[(0, 1.0)]), "a pair of layer and head"),
        (lambda: layer_head_heatmap(np.eye(2), mark=[(0,)]), "a pair of layer and head"),
        (lambda: layer_head_heatmap(np.eye(2), mark=(0, 1)), "a pair of layer and head"),
        (lambda: pattern_mask(np.ones(3)), r"needs the shape \(query, key\)"),
        (lambda: patch_map(np.ones(3)), r"need the shape \(rows, columns\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
