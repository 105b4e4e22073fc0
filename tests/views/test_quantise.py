"""Eight bits a weight: how far what is shown may be from the truth."""

import numpy as np
import pytest

from interpviz.render.views.quantise import (
    LEVELS,
    causal_offset,
    decode,
    encode,
    error_bound,
    log_error_bound,
    packed,
    renormalised_error_bound,
    scales_of,
    thumbnail,
)


def heads(tools, sink=False):
    W = tools.attention(3, 4, 40).reshape(12, 40, 40)
    if sink:
        W = W * 0.02
        W[..., 0] += 0.98
    return W


@pytest.mark.parametrize("sink", [False, True])
def test_no_weight_is_off_by_more_than_its_bound(tools, sink):
    for W in heads(tools, sink):
        scale = W.max()
        off = np.abs(decode(encode(W, scale), scale) - W)
        assert (off <= error_bound(W, scale) + 1e-12).all()
        assert off.max() <= scale / 255 <= 0.004
        assert (off > error_bound(W, scale) / 4).any()


def test_the_bound_is_reached():
    # Just above the middle between two steps, where rounding errs the most.
    W = ((np.arange(LEVELS) + 0.501) / LEVELS) ** 2
    off = np.abs(decode(encode(W, 1.0), 1.0) - W)
    assert (off > 0.9 * error_bound(W, 1.0)).all()


@pytest.mark.parametrize("sink", [False, True])
def test_rows_without_special_tokens_keep_their_bound(tools, sink):
    special = np.arange(40) == 0
    for W in heads(tools, sink):
        plain, other = scales_of(W, special)
        scale = np.where(special, other, plain)
        shown = decode(encode(W, scale), scale)[:, ~special]
        shown /= shown.sum(1, keepdims=True)
        true = W[:, ~special] / W[:, ~special].sum(1, keepdims=True)
        bound = renormalised_error_bound(W, scale, ~special)
        assert (np.abs(shown - true) <= bound + 1e-12).all()
        # A scale of its own for special tokens is what keeps this useful.
        assert np.median(bound) < 0.02


def test_the_logarithmic_scale_keeps_its_bound(tools):
    for W in heads(tools):
        top = W.max()
        shown = decode(encode(W, top), top)
        low = top / 1000
        off = np.abs(np.log10(np.maximum(shown, low)) - np.log10(np.maximum(W, low)))
        assert (off <= log_error_bound(W, top, top) + 1e-12).all()
        assert off.max() < 0.02 * 3


@pytest.mark.parametrize("share", [0.5, 0.05, 0.003])
def test_a_logarithmic_scale_with_a_smaller_top_keeps_its_bound(share):
    low = share / 1000
    W = np.geomspace(low / 10, share, 2000)
    shown = decode(encode(W, 1.0), 1.0)
    off = np.abs(np.log10(np.clip(shown, low, share)) - np.log10(np.maximum(W, low)))
    bound = log_error_bound(W, 1.0, share)
    assert (off <= bound + 1e-12).all()
    worst = np.sqrt(low)
    stated = -2 * np.log10(1 - 1 / (510 * worst)) if 510 * worst > 1 else 3.0
    assert bound.max() == pytest.approx(min(stated, 3.0))
    # The bound of a scale that ends at the greatest weight would not do.
    assert off.max() > log_error_bound(W, 1.0, 1.0).max()


def test_scales_tell_special_keys_apart():
    W = np.array([[0.7, 0.2, 0.1], [0.5, 0.1, 0.4]])
    assert scales_of(W, np.array([True, False, False])) == (0.4, 0.7)
    assert scales_of(W, np.zeros(3, bool)) == (0.7, 0.0)


def test_a_head_of_zeros_stays_zero():
    zeros = np.zeros((3, 3))
    assert not decode(encode(zeros, 0.0), 0.0).any()


@pytest.mark.parametrize(("queries", "keys", "offset"), [(5, 5, 0), (3, 5, 2), (1, 4, 3)])
def test_causal_heads_leave_the_empty_triangle_out(tools, queries, keys, offset):
    W = tools.attention(1, 2, queries, keys, causal=True)[0]
    assert causal_offset(W) == offset
    codes = encode(W[0], 1.0)
    data = packed(codes, offset)
    assert len(data) == sum(row + offset + 1 for row in range(queries))
    rows = iter(data)
    for row in range(queries):
        assert [next(rows) for _ in range(row + offset + 1)] == codes[
            row, : row + offset + 1
        ].tolist()


def test_a_head_that_looks_ahead_is_not_causal(tools):
    assert causal_offset(tools.attention(1, 2, 5)[0]) is None
    assert causal_offset(tools.attention(1, 2, 5, 3)[0]) is None


def test_thumbnails_keep_the_greatest_of_each_field():
    W = np.zeros((50, 7))
    W[49, 3], W[10, 0] = 1.0, 0.25
    small = thumbnail(W, side=20)
    assert small.shape == (20, 7)
    assert small[19, 3] == 255
    assert small[10 * 20 // 50, 0] == 128
    assert np.count_nonzero(small) == 2
