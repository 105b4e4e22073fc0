"""Attention weights in 8 bits each, with how far they may then be off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVELS = 255
"""Steps between a weight of 0 and the greatest one."""

DECADES = 3
"""Powers of ten below the greatest weight that a logarithmic scale shows."""

Floats = NDArray[np.float64]


def scales_of(weights: NDArray[np.floating], special: NDArray[np.bool_]) -> tuple[float, float]:
    """The greatest weight of a head on plain keys, and that on special ones.

    Special tokens take most of the attention of many heads. With a scale of their own they leave
    the steps of the other keys fine, which matters once they are left out.

    Args:
        weights: Shape `(query, key)`, at least 0.
        special: Shape `(key,)`, True for special tokens.

    Returns:
        Two numbers, 0 where there are no such keys.
    """
    plain, others = weights[:, ~special], weights[:, special]
    return float(plain.max(initial=0.0)), float(others.max(initial=0.0))


def encode(weights: ArrayLike, scale: ArrayLike) -> NDArray[np.uint8]:
    """Round weights to `round(255 sqrt(weight / scale))`.

    The square root gives small weights, which most are, the finer steps.

    Args:
        weights: Values from 0 to `scale`.
        scale: What is stored as 255, broadcast to the weights; where it is 0, so are they.

    Returns:
        Codes, of the shape of the weights.
    """
    values, top = np.broadcast_arrays(np.asarray(weights, np.float64), np.asarray(scale, float))
    share = np.divide(values, top, out=np.zeros(values.shape), where=top > 0)
    return np.asarray(np.rint(LEVELS * np.sqrt(share)).clip(0, LEVELS), np.uint8)


def decode(codes: NDArray[np.uint8], scale: ArrayLike) -> Floats:
    """The weights that codes stand for, `scale (code / 255)^2`.

    Args:
        codes: What `encode` gave.
        scale: The same as for `encode`.
    """
    return np.asarray(np.asarray(scale, np.float64) * np.square(codes / LEVELS))


def error_bound(weights: ArrayLike, scale: ArrayLike) -> Floats:
    """How far a decoded weight may be from the true one.

    Rounding moves the square root by at most 1/510 of its range, so a weight a moves by at most
    `sqrt(a scale) / 255 + scale / 510^2`, and never by more than `scale / 255`: 0.004 where the
    greatest weight is 1, 0.0013 for a weight of 0.1.

    Args:
        weights: The true weights.
        scale: The same as for `encode`.

    Returns:
        The bound of each weight.
    """
    a, top = np.asarray(weights, np.float64), np.asarray(scale, np.float64)
    near = np.sqrt(a * top) / LEVELS + top / (2 * LEVELS) ** 2
    return np.minimum(near, top / LEVELS)


def renormalised_error_bound(
    weights: ArrayLike, scale: ArrayLike, kept: NDArray[np.bool_]
) -> Floats:
    """How far weights may be off once only some keys are left and rows add up to 1 again.

    With S the sum of the kept weights of a row, E the sum of their bounds e and p = a / S, the
    share p is off by at most `(e + p E) / (S - E)`. No share is off by more than 1, which is all
    that can be said where E reaches S.

    Args:
        weights: Shape `(query, key)`, the true weights.
        scale: The same as for `encode`.
        kept: Shape `(key,)`, True for keys that stay.

    Returns:
        Shape `(query, kept keys)`.
    """
    a = np.asarray(weights, np.float64)
    e = error_bound(a, scale)[:, kept]
    a = a[:, kept]
    total, wrong = a.sum(1, keepdims=True), e.sum(1, keepdims=True)
    sure = total > wrong
    share = np.divide(a, total, out=np.zeros_like(a), where=total > 0)
    left = np.where(sure, total - wrong, 1.0)
    return np.where(sure, np.minimum((e + share * wrong) / left, 1.0), 1.0)


def log_error_bound(weights: ArrayLike, scale: ArrayLike, top: float) -> Floats:
    """How far weights may be off on the logarithmic scale, in powers of ten.

    That scale ends three powers of ten below its `top`; smaller weights count as that end. With
    s = sqrt(weight / scale) the logarithm is off by at most `-2 log10(1 - 1 / (510 s))`, and by no
    more than the three powers. Where `top` is `scale` that is 0.0017 at the top and 0.056 at the
    lower end: 2 % of the length of the scale. Where it is smaller, s is as small as
    `sqrt(top / (1000 scale))`.

    Args:
        weights: The true weights.
        scale: The same as for `encode`; above 0.
        top: The weight at the upper end, above 0 and at most `scale`.

    Returns:
        The bound of each weight.
    """
    shown = np.maximum(np.asarray(weights, np.float64), top * 10.0**-DECADES)
    moved = 1 / (2 * LEVELS * np.sqrt(shown / np.asarray(scale, np.float64)))
    least = 10.0 ** (-DECADES / 2)
    return np.asarray(-2 * np.log10(np.maximum(1 - moved, least)))


def packed(codes: NDArray[np.uint8], offset: int | None) -> bytes:
    """The codes of a head as bytes, row after row.

    Args:
        codes: Shape `(query, key)`.
        offset: For a causal head the number of keys before the first query: row i then ends with
            key `i + offset`, behind which there are only zeros. None keeps whole rows.
    """
    if offset is None:
        return codes.tobytes()
    return b"".join(row[: place + offset + 1].tobytes() for place, row in enumerate(codes))


def causal_offset(weights: NDArray[np.floating]) -> int | None:
    """How many keys lie before the first query, if no query looks at a later key.

    Args:
        weights: Shape `(heads, query, key)`.

    Returns:
        The number, or None where some query looks at a later key or there are more queries than
        keys.
    """
    queries, keys = weights.shape[-2:]
    offset = keys - queries
    if offset < 0 or keys < 2:
        return None
    later = np.arange(keys) > np.arange(queries)[:, None] + offset
    return None if (weights * later).any() else offset


def thumbnail(weights: NDArray[np.floating], side: int = 20) -> NDArray[np.uint8]:
    """A head in small: the greatest weight of each field, in codes of its own greatest one.

    Args:
        weights: Shape `(query, key)`.
        side: Rows and columns at most.

    Returns:
        Shape `(up to side, up to side)`.
    """
    for axis in (0, 1):
        length = weights.shape[axis]
        starts = np.unique(np.arange(min(side, length)) * length // min(side, length))
        weights = np.maximum.reduceat(weights, starts, axis=axis)
    return encode(weights, float(weights.max(initial=0.0)))
