"""Masks against their definitions written out, and the score's closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interpviz.attention import (
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    pattern_score,
    synthetic_attention,
)
from interpviz.errors import InputError


def slow(n, rule):
    return np.array([[rule(i, j) for j in range(n)] for i in range(n)])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), window=st.integers(0, 5), dilation=st.integers(1, 4))
def test_masks_are_their_definitions(n, window, dilation):
    chosen = {0, n - 1}
    for got, rule in (
        (local_mask(n, window), lambda i, j: abs(i - j) <= window),
        (causal_mask(n), lambda i, j: j <= i),
        (global_mask(n, sorted(chosen)), lambda i, j: i in chosen or j in chosen),
        (
            dilated_mask(n, window, dilation),
            lambda i, j: abs(i - j) <= window * dilation and (i - j) % dilation == 0,
        ),
    ):
        assert got.dtype == bool
        assert np.array_equal(got, slow(n, rule))


def test_dilation_one_is_local():
    assert np.array_equal(dilated_mask(9, 2, 1), local_mask(9, 2))


def test_synthetic_attention():
    A = synthetic_attention(causal_mask(4))
    np.testing.assert_allclose(A.sum(axis=1), 1)
    np.testing.assert_allclose(A[2], [1 / 3, 1 / 3, 1 / 3, 0])
    assert synthetic_attention(np.zeros((2, 3), bool)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "mask", [local_mask(10, 1), global_mask(10, [0, 4]), causal_mask(10), dilated_mask(10, 2, 3)]
)
def test_a_head_scores_one_on_its_own_pattern_and_zero_when_even(mask):
    assert pattern_score(synthetic_attention(mask), mask) == pytest.approx(1, abs=1e-6)
    even = np.full((10, 10), 0.1)
    assert pattern_score(even, mask) == pytest.approx(0, abs=1e-6)
    assert pattern_score(synthetic_attention(~mask), mask) < 0


def test_score_by_hand():
    A = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    # Share inside 0.7, even share 0.5: (0.7 - 0.5) / (1 - 0.5).
    assert pattern_score(A, torch.eye(2)) == pytest.approx(0.4, abs=1e-6)
    assert pattern_score(A * 0.3, torch.eye(2)) == pytest.approx(0.4, abs=1e-6)


def test_causality_is_no_merit():
    n = 8
    even = synthetic_attention(causal_mask(n))
    assert pattern_score(even, local_mask(n, 2), causal=True) == pytest.approx(0, abs=1e-6)
    assert pattern_score(even, local_mask(n, 2)) > 0
    assert np.isnan(pattern_score(even, causal_mask(n), causal=True))


def test_score_of_a_batch_with_padding():
    A = torch.full((2, 3, 6, 6), 1 / 6)
    A[1, 1] = 0
    A[1, 1, :4, :4] = torch.eye(4)
    padding = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])
    score = pattern_score(A, local_mask(6, 0), padding_mask=padding)
    assert score.shape == (2, 3)
    assert score[1, 1] == pytest.approx(1, abs=1e-6)
    assert score[1, 0] == pytest.approx(0, abs=1e-6)
    assert isinstance(pattern_score(A.numpy(), local_mask(6, 0)), np.ndarray)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: local_mask(0, 1), "at least one position"),
        (lambda: local_mask(3, -1), "at least 0 positions on each side"),
        (lambda: global_mask(3, [3]), "Position 3 is outside of the 3 positions"),
        (lambda: dilated_mask(3, 1, 0), "A dilation needs to be at least 1"),
        (lambda: synthetic_attention(np.ones(3)), r"needs the shape \(query, key\)"),
        (lambda: pattern_score(np.eye(3), np.eye(2)), r"needs the shape \(3, 3\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
