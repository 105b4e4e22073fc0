"""Rollout against plain loops in float64, and against closed forms."""

import math

import numpy as np
import pytest
import torch

from interpviz.attention import AttentionMaps, LayerWeights, capture_attention
from interpviz.attention.mixing import rollout
from interpviz.errors import InputError


def random_weights(layers=3, batch=2, heads=2, tokens=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(layers, batch, heads, tokens, tokens, generator=generator).softmax(-1)


def fused_row(heads, fusion):
    fuse = {"mean": np.mean, "max": np.max, "min": np.min}[fusion]
    return fuse(heads, axis=0)


def slow_rollout(weights, fusion="mean", discard=0.0, residual=0.5, visible=None):
    """One sequence, `(layers, heads, n, n)`, float64."""
    _, _, n, _ = weights.shape
    visible = np.ones((n, n), dtype=bool) if visible is None else visible
    product, products = np.eye(n), []
    for layer in weights:
        step = np.zeros((n, n))
        for i in range(n):
            row = fused_row(layer[:, i], fusion)
            seen = [j for j in range(n) if visible[i, j]]
            weak = sorted(seen, key=lambda j, row=row: (row[j], j))
            dropped = weak[: math.floor(round(discard * len(seen), 6))]
            for j in seen:
                if j not in dropped:
                    step[i, j] = (1 - residual) * row[j]
            step[i, i] += residual
            step[i] = step[i] / step[i].sum() if step[i].sum() > 0 else np.eye(n)[i]
        product = step @ product
        products.append(product)
    return np.stack(products)


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize(("discard", "residual"), [(0.0, 0.5), (0.6, 0.5), (0.3, 0.0), (0.0, 0.2)])
def test_rollout_is_that_of_plain_loops(fusion, discard, residual):
    weights = random_weights()
    got = rollout(weights, head_fusion=fusion, discard=discard, residual=residual, all_layers=True)
    assert got.shape == (3, 2, 5, 5)
    for sequence in range(2):
        expected = slow_rollout(weights[:, sequence].double().numpy(), fusion, discard, residual)
        np.testing.assert_allclose(got[:, sequence], expected, atol=1e-6)
    last = rollout(weights, head_fusion=fusion, discard=discard, residual=residual)
    assert torch.equal(last, got[-1])


def test_padding_gets_nothing_and_is_the_same_as_a_shorter_sequence():
    weights = random_weights(tokens=6)
    short = weights[:, :1, :, :4, :4]
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6])
    got = rollout(weights, padding_mask=mask)
    # The rows of the shorter sequence do not sum to 1, as with an attention sink.
    np.testing.assert_allclose(got[0, :4, :4], rollout(short)[0], atol=1e-6)
    assert not got[0, :4, 4:].any()
    assert torch.equal(got[0, 4:], torch.eye(6)[4:])
    torch.testing.assert_close(got.sum(-1), torch.ones(2, 6))


def test_captured_maps_tell_their_padding():
    weights = random_weights(tokens=6)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6]).bool()
    layers = {str(place): layer for place, layer in enumerate(weights)}
    maps = AttentionMaps(LayerWeights(layers), padding_mask=mask)
    assert torch.equal(rollout(maps), rollout(weights, padding_mask=mask))
    assert not torch.equal(rollout(maps), rollout(weights))
    everyone = torch.ones_like(mask)
    assert torch.equal(rollout(maps, padding_mask=everyone), rollout(weights))


def test_causal_hides_later_keys():
    weights = random_weights()
    got = rollout(weights, causal=True, discard=0.5)
    lower = np.tril(np.ones((5, 5), dtype=bool))
    for sequence in range(2):
        values = weights[:, sequence].double().numpy()
        expected = slow_rollout(values, discard=0.5, visible=lower)[-1]
        np.testing.assert_allclose(got[sequence], expected, atol=1e-6)


def test_a_share_drops_as_many_keys_as_it_says():
    weights = torch.arange(1.0, 101).repeat(1, 1, 100, 1)
    kept = rollout([weights / weights.sum(-1, keepdim=True)], discard=0.29, residual=0.0)
    assert int((kept[0, 0] == 0).sum()) == 29


def test_closed_forms():
    weights = random_weights()
    assert torch.equal(rollout(weights, residual=1.0), torch.eye(5).expand(2, 5, 5))
    product = weights.mean(2)
    torch.testing.assert_close(rollout(weights, residual=0.0), product[2] @ product[1] @ product[0])
    uniform = torch.full((2, 1, 1, 4, 4), 0.25)
    expected = 0.25 * torch.eye(4) + 0.75 * 0.25  # (I/2 + U/2)^2 with U U = U
    torch.testing.assert_close(rollout(uniform), expected.expand(1, 4, 4))


def test_maps_mappings_and_lists_mean_the_same(tiny):
    maps = capture_attention(tiny.bert(), tiny.text_inputs())
    stacked = torch.stack(list(maps.weights.values()))
    expected = rollout(stacked)
    assert torch.equal(rollout(maps), rollout(stacked, padding_mask=maps.padding_mask))
    assert torch.equal(rollout(maps.weights), expected)
    assert torch.equal(rollout([w.numpy() for w in maps.weights.values()]), expected)


def test_what_cannot_be_chained_is_refused(tiny):
    inputs = {**tiny.text_inputs(), "decoder_input_ids": torch.ones(2, 5, dtype=torch.long)}
    model = tiny.t5()
    with pytest.raises(InputError, match="layers='encoder'"):
        rollout(capture_attention(model, inputs))
    assert rollout(capture_attention(model, inputs, layers="encoder")).shape == (2, 9, 9)
    with pytest.raises(InputError, match="batch, heads, query, key"):
        rollout([torch.ones(3, 3)])
    with pytest.raises(InputError, match="no layers"):
        rollout([])


@pytest.mark.parametrize(
    "options", [{"head_fusion": "median"}, {"discard": 1.0}, {"discard": -0.1}, {"residual": 1.5}]
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        rollout(random_weights(), **options)
