"""Closed forms, and a plain float64 evaluation of the definitions."""

import math

import numpy as np
import pytest
import torch

from interpviz.attention import (
    attention_distance,
    attention_entropy,
    causal_mask,
    synthetic_attention,
)
from interpviz.errors import InputError


def softmax(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def slow_entropy(head, visible):
    rows = []
    for row, seen in zip(head, visible, strict=True):
        n, total = int(seen.sum()), float(row[seen].sum())
        if n < 2 or total == 0:
            continue
        shares = [float(a) / total for a in row[seen]]
        rows.append(-sum(p * math.log(p) for p in shares if p > 0) / math.log(n))
    return sum(rows) / len(rows) if rows else math.nan


def slow_distance(head, visible):
    above = sum(head[i, j] * abs(i - j) for i, j in np.argwhere(visible))
    return above / sum(head[i, j] for i, j in np.argwhere(visible))


def test_entropy_of_known_heads():
    uniform = torch.full((8, 8), 1 / 8)
    assert attention_entropy(uniform) == pytest.approx(1, abs=1e-6)
    assert attention_entropy(torch.eye(8)) == 0
    causal = synthetic_attention(causal_mask(8))
    assert attention_entropy(causal, causal=True) == pytest.approx(1, abs=1e-6)
    # Without the mask the hidden keys count as a choice, so the head seems less even.
    assert attention_entropy(causal) < 0.9
    two = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    assert attention_entropy(two) == pytest.approx(0.5, abs=1e-6)


def test_distance_of_known_heads():
    assert attention_distance(torch.eye(8)) == 0
    previous = torch.diag(torch.ones(7), -1)
    assert attention_distance(previous) == pytest.approx(1)
    uniform = torch.full((4, 4), 0.25)
    assert attention_distance(uniform) == pytest.approx(1.25)  # (6 * 1 + 4 * 2 + 2 * 3) / 16


def test_rows_need_not_sum_to_one():
    A = softmax(3, 7, 7)
    scaled = A * torch.linspace(0.3, 0.9, 7)[:, None]
    torch.testing.assert_close(attention_entropy(scaled), attention_entropy(A))
    torch.testing.assert_close(attention_distance(A * 0.4), attention_distance(A))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_against_float64(causal, masked):
    A = softmax(2, 3, 9, 9, seed=1)
    V = torch.rand(9, 9, generator=torch.Generator().manual_seed(2)) > 0.3 if masked else None
    padding = torch.ones(2, 9, dtype=torch.long)
    padding[1, 6:] = 0
    got = [
        f(A, mask=V, causal=causal, padding_mask=padding)
        for f in (attention_entropy, attention_distance)
    ]
    assert got[0].shape == got[1].shape == (2, 3)
    for b in range(2):
        real = padding[b].bool().numpy()
        visible = real[:, None] & real[None]
        visible &= np.tri(9, dtype=bool) if causal else True
        visible &= V.numpy() if masked else True
        for h in range(3):
            head = A[b, h].double().numpy()
            assert got[0][b, h] == pytest.approx(slow_entropy(head, visible), abs=2e-6)
            assert got[1][b, h] == pytest.approx(slow_distance(head, visible), abs=2e-6)


def test_fully_masked_and_lonely_rows_are_left_out():
    A = torch.full((3, 3), 1 / 3)
    V = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0]]).bool()
    assert attention_entropy(A, mask=V) == pytest.approx(1, abs=1e-6)
    assert torch.isnan(attention_entropy(A, mask=V & False))
    assert torch.isnan(attention_distance(A, mask=V & False))
    assert torch.isnan(attention_entropy(torch.ones(1, 1), causal=True))


def test_a_cache_shifts_the_queries():
    A = softmax(6, 6) * torch.ones(6, 6).tril()
    torch.testing.assert_close(
        attention_distance(A[None, -2:], causal=True), attention_distance(A[None, -2:])
    )
    last = torch.zeros(1, 6)
    last[0, 5] = 1
    assert attention_distance(last) == 0
    assert attention_entropy(torch.full((1, 6), 1 / 6), causal=True) == pytest.approx(1, abs=1e-6)
    assert attention_distance(torch.eye(3)[:, :2]) == 0


def test_distance_on_a_grid():
    # Two rows of three patches behind a class token, each looking at the first patch.
    A = torch.zeros(7, 7)
    A[:, 1] = 1
    A[0] = 1 / 7
    expected = (0 + 1 + 2 + 1 + math.sqrt(2) + math.sqrt(5)) / 6
    assert attention_distance(A, grid=(2, 3)) == pytest.approx(expected)
    assert attention_distance(torch.eye(7), grid=(2, 3)) == 0
    with pytest.raises(InputError, match="grid of 3 x 3 has 9 patches"):
        attention_distance(A, grid=(3, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_same_kind_and_shape(dtype):
    A = softmax(2, 3, 5, 5)
    for function in (attention_entropy, attention_distance):
        tensor = function(A.to(dtype))
        array = function(A.numpy())
        assert isinstance(tensor, torch.Tensor)
        assert isinstance(array, np.ndarray)
        assert array.shape == tensor.shape == (2, 3)
        assert array.dtype == np.float32
        assert tensor.dtype == torch.float32
        np.testing.assert_allclose(tensor, array, atol=2e-2)


def test_errors():
    A = softmax(2, 5, 5)
    with pytest.raises(InputError, match=r"need the shape \(..., query, key\)"):
        attention_entropy(torch.ones(3))
    with pytest.raises(InputError, match="NaN or infinite"):
        attention_entropy(A * torch.nan)
    with pytest.raises(InputError, match=r"A mask of shape \(4, 4\) does not fit"):
        attention_entropy(A, mask=torch.ones(4, 4))
    with pytest.raises(InputError, match=r"A padding mask of shape \(2, 5, 5\)"):
        attention_distance(A, padding_mask=torch.ones(2, 5, 5))
    with pytest.raises(InputError, match="padding mask of shape"):
        attention_distance(A, padding_mask=torch.ones(4))


def test_padding_of_a_cross_attention_hides_keys_only():
    A = torch.full((2, 3, 4), 0.25)
    padding = torch.tensor([1, 1, 0, 0])
    assert attention_entropy(A, padding_mask=padding).tolist() == pytest.approx([1, 1], abs=1e-6)
