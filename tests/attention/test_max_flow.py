"""Maximum flow against Edmonds and Karp's algorithm in plain Python, and closed forms."""

import sys
from collections import deque
from itertools import pairwise

import numpy as np
import pytest
import torch

from interpviz.attention.flow import max_flow
from interpviz.attention.mixing import mixing_matrices, rollout
from interpviz.errors import InputError


def random_weights(layers, tokens, sharpness, batch=1, heads=1):
    generator = torch.Generator().manual_seed(layers * tokens)
    values = torch.randn(layers, batch, heads, tokens, tokens, generator=generator)
    return (sharpness * values).softmax(-1)


def capacities_of(weights, **options):
    options = {
        "head_fusion": "mean",
        "residual": 0.5,
        "causal": False,
        "padding_mask": None,
    } | options
    return mixing_matrices(weights, **options).double().numpy()


def shortest_path(capacity, source, sink):
    parents, queue = {source: source}, deque([source])
    while queue and sink not in parents:
        node = queue.popleft()
        for other in range(len(capacity)):
            if other not in parents and capacity[node, other] > 1e-12:
                parents[other] = node
                queue.append(other)
    if sink not in parents:
        return None
    path = [sink]
    while path[-1] != source:
        path.append(parents[path[-1]])
    return path[::-1]


def edmonds_karp(layers, query, key):
    """The flow from a token at the top to one at the bottom of `(layers, n, n)`."""
    depth, n, _ = layers.shape
    capacity = np.zeros(((depth + 1) * n, (depth + 1) * n))
    for level in range(depth):
        above, below = (level + 1) * n, level * n
        capacity[above : above + n, below : below + n] = layers[level]
    total, source = 0.0, depth * n + query
    while path := shortest_path(capacity, source, key):
        sent = min(capacity[a, b] for a, b in pairwise(path))
        for a, b in pairwise(path):
            capacity[a, b] -= sent
            capacity[b, a] += sent
        total += sent
    return total


@pytest.mark.parametrize("sharpness", [1, 6])
@pytest.mark.parametrize(("layers", "tokens"), [(1, 4), (2, 4), (3, 4), (5, 3)])
def test_flows_are_those_of_edmonds_and_karp(layers, tokens, sharpness):
    weights = random_weights(layers, tokens, sharpness, batch=2, heads=2)
    got = max_flow(weights)
    exact = capacities_of(weights)
    for sequence in range(2):
        expected = [
            [edmonds_karp(exact[:, sequence], query, key) for key in range(tokens)]
            for query in range(tokens)
        ]
        np.testing.assert_allclose(got[sequence], expected, atol=1e-6)


def test_causal_and_padded_flows():
    weights = random_weights(3, 4, 4)
    exact = capacities_of(weights, causal=True)[:, 0]
    expected = [[edmonds_karp(exact, query, key) for key in range(4)] for query in range(4)]
    got = max_flow(weights, causal=True)[0]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert not got.triu(1).any()
    padded = max_flow(weights, padding_mask=[1, 1, 1, 0])[0]
    assert torch.equal(padded[3], torch.tensor([0.0, 0, 0, 1]))
    torch.testing.assert_close(padded[:3, :3], max_flow(weights[..., :3, :3])[0])


def test_closed_forms():
    weights = random_weights(2, 6, 3)
    below, above = torch.from_numpy(capacities_of(weights)[:, 0]).float()
    expected = torch.minimum(above[:, :, None], below[None]).sum(1)
    torch.testing.assert_close(max_flow(weights)[0], expected, atol=1e-6, rtol=0)
    one = random_weights(1, 6, 3)
    torch.testing.assert_close(max_flow(one), rollout(one), atol=1e-6, rtol=0)


def test_a_flow_is_never_below_rollout_nor_above_what_the_first_layer_lets_in():
    weights = random_weights(4, 8, 5)
    flow = max_flow(weights)
    assert bool((flow >= rollout(weights) - 1e-6).all())
    into = torch.from_numpy(capacities_of(weights)[0]).sum(1, keepdim=True).float()
    assert bool((flow <= into.clamp(max=1) + 1e-6).all())


def test_chosen_sources_are_rows_of_all():
    weights = random_weights(3, 5, 3, batch=2)
    everything = max_flow(weights)
    assert torch.equal(max_flow(weights, [4, 0]), everything[:, [4, 0]])
    assert torch.equal(max_flow(weights, -1), everything[:, 4:])
    for wrong in ([5], [], [-6]):
        with pytest.raises(InputError, match="tokens 0 to 4"):
            max_flow(weights, wrong)


def test_without_scipy_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse.csgraph", None)
    with pytest.raises(InputError, match="interpviz\\[models\\]"):
        max_flow(random_weights(3, 4, 1))
