"""Masks against their definitions written out, and the score's closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interpviz.attention import (
    block_mask,
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    mask_cost,
    mask_growth,
    pattern_score,
    random_mask,
    strided_mask,
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
        (strided_mask(n, dilation), lambda i, j: (i - j) % dilation == 0),
        (block_mask(n, dilation), lambda i, j: i // dilation == j // dilation),
        (
            block_mask(n, dilation, min(window, dilation)),
            lambda i, j: (
                i // dilation == j // dilation or j % dilation >= dilation - min(window, dilation)
            ),
        ),
    ):
        assert got.dtype == bool
        assert np.array_equal(got, slow(n, rule))


def test_random_keys():
    mask = random_mask(40, 3, seed=5)
    assert mask.dtype == bool
    assert mask.sum(axis=1).tolist() == [3] * 40
    assert np.array_equal(mask, random_mask(40, 3, seed=5))
    assert not np.array_equal(mask, random_mask(40, 3, seed=6))
    # Every key is as likely as another: 4000 draws of 3 of 10, within five standard deviations.
    hits = np.concatenate([random_mask(10, 3, seed) for seed in range(400)]).mean(axis=0)
    assert np.abs(hits - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 4000)
    assert random_mask(4, 4).all()
    assert not random_mask(4, 0).any()


def test_masks_combine():
    n = 16
    both = local_mask(n, 1) | global_mask(n, [0])
    assert np.array_equal(both, slow(n, lambda i, j: abs(i - j) <= 1 or i == 0 or j == 0))
    past = (local_mask(n, 4) | strided_mask(n, 4)) & causal_mask(n)
    rule = slow(n, lambda i, j: j <= i and (i - j <= 4 or (i - j) % 4 == 0))
    assert np.array_equal(past, rule)
    assert pattern_score(synthetic_attention(both), both) == pytest.approx(1, abs=1e-6)


def test_cost():
    cost = mask_cost(local_mask(10, 1))
    assert (cost.entries, cost.share, cost.most) == (28, pytest.approx(0.28), 3)
    assert str(cost) == "28 entries, 28.0% of all"
    assert mask_cost(random_mask(10, 2)).entries == 20
    assert mask_cost(causal_mask(10)).entries == 55


@pytest.mark.parametrize(
    ("build", "exponent"),
    [
        (lambda n: local_mask(n, 2), 1),
        (lambda n: local_mask(n, 2) | global_mask(n, [0]), 1),
        (lambda n: random_mask(n, 3), 1),
        (lambda n: block_mask(n, 8), 1),
        (causal_mask, 2),
        (lambda n: strided_mask(n, 4), 2),
        # Blocks of the square root of n: 16 of 16, then 22 of 22 and a shorter one.
        (lambda n: block_mask(n, int(n**0.5)), 1.5),
    ],
)
def test_growth(build, exponent):
    assert mask_growth(build, 256) == pytest.approx(exponent, abs=0.06)


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
        (lambda: strided_mask(3, 0), "A stride needs to be at least 1"),
        (lambda: block_mask(3, 0), "A block needs at least one position"),
        (lambda: block_mask(9, 3, 4), "A block of 3 has 0 to 3 summary positions, not 4"),
        (lambda: random_mask(3, 4), "A query can see 0 to 3 of 3 keys, not 4"),
        (lambda: random_mask(0, 0), "at least one position"),
        (lambda: mask_cost(np.ones(3)), r"needs the shape \(query, key\)"),
        (lambda: mask_growth(lambda n: random_mask(n, 0)), "without entries"),
        (lambda: synthetic_attention(np.ones(3)), r"needs the shape \(query, key\)"),
        (lambda: pattern_score(np.eye(3), np.eye(2)), r"needs the shape \(3, 3\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
