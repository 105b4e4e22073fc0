"""Non-negative matrix factorisation, on any device and the same in every run."""

from __future__ import annotations

import torch
from torch import Tensor


def factorize(
    values: Tensor, k: int, *, sweeps: int = 500, tolerance: float = 1e-4
) -> tuple[Tensor, Tensor]:
    """Write a non-negative matrix as a product of two: `V = W @ H` as nearly as can be.

    The squared error is lowered by hierarchical alternating least squares: each column of W, then
    each row of H, is put at its best value with all else held, and cut at zero (Cichocki and Phan,
    2009). The start is NNDSVD (Boutsidis and Gallopoulos, 2008), which draws nothing, so the
    result is the same in every run. The error never grows; the minimum it comes to is a local one.

    Args:
        values: Tensor `(M, C)`, float64, zero or above.
        k: How many factors, at most M and C.
        sweeps: How many times all columns and rows are updated at most.
        tolerance: It ends where a sweep lowers the squared error by no more than this share of
            itself.

    Returns:
        W `(M, k)` and H `(k, C)`, zero or above. Rows of H have length 1, or are zero where fewer
        than k factors leave no error.
    """
    left, right = _nndsvd(values, k)
    total = values.square().sum()
    before = total
    for _ in range(sweeps):
        product, gram = values @ right.T, right @ right.T
        left = _improved(left, product, gram)
        error = total - 2 * (left * product).sum() + ((left.T @ left) * gram).sum()
        error = error.clamp(min=0)
        right = _improved(right.T, values.T @ left, left.T @ left).T
        if before - error <= tolerance * before:
            break
        before = error
    length = right.norm(dim=1)
    return left * length, right / torch.where(length > 0, length, 1.0)[:, None]


def _improved(factor: Tensor, product: Tensor, gram: Tensor) -> Tensor:
    """One sweep over the columns of a factor `(M, k)`, the other one held."""
    factor = factor.clone()
    for j, strength in enumerate(gram.diagonal().tolist()):
        if strength > 0:
            step = (product[:, j] - factor @ gram[:, j]) / strength
            factor[:, j] = (factor[:, j] + step).clamp(min=0)
    return factor


def _nndsvd(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    columns, strengths, rows = _leading_singular(values, k)
    left, right = torch.zeros_like(columns), torch.zeros_like(rows)
    for j in range(k):
        u, v = columns[:, j], rows[j]
        # A singular pair of mixed signs is told by its larger half; the first has one sign.
        halves = [(u.clamp(min=0), v.clamp(min=0)), ((-u).clamp(min=0), (-v).clamp(min=0))]
        sizes = [(a.norm() * b.norm()).item() for a, b in halves]
        u, v = halves[sizes.index(max(sizes))]
        if max(sizes) > 0:
            root = (strengths[j] * max(sizes)).sqrt()
            left[:, j], right[j] = root * u / u.norm(), root * v / v.norm()
    return left, right


def _leading_singular(values: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    # The smaller of the two Gram matrices has the same singular vectors.
    if len(values) < values.shape[1]:
        rows, strengths, columns = _leading_singular(values.T, k)
        return columns.T, strengths, rows.T
    squares, vectors = torch.linalg.eigh(values.T @ values)
    strengths = squares[-k:].flip(0).clamp(min=0).sqrt()
    rows = vectors[:, -k:].flip(1).T
    # Below this a strength is rounding, and its direction means nothing.
    real = strengths > strengths[0] * torch.finfo(values.dtype).eps ** 0.5
    columns = values @ rows.T / torch.where(real, strengths, 1.0) * real
    return columns, strengths * real, rows
