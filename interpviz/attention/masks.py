"""Attention patterns as masks: which query sees which key, and how many entries that is.

A mask is a plain boolean array, so patterns combine as arrays do: `local_mask(n, 3) |
global_mask(n, [0])` is both, `strided_mask(n, 4) & causal_mask(n)` the past of one, `~mask` what
is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from interpviz.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mask: TypeAlias = "NDArray[np.bool_]"

__all__ = [
    "Mask",
    "MaskCost",
    "block_mask",
    "causal_mask",
    "dilated_mask",
    "global_mask",
    "local_mask",
    "mask_cost",
    "mask_growth",
    "random_mask",
    "strided_mask",
    "synthetic_attention",
]


def _offsets(n: int) -> NDArray[np.int_]:
    """Query minus key, for every pair of positions."""
    if n < 1:
        raise InputError(f"A mask needs at least one position, not {n}.")
    place = np.arange(n)
    return place[:, None] - place[None, :]


def local_mask(n: int, window: int) -> Mask:
    """Each query sees the keys at most `window` positions away: |i - j| <= window.

    The sliding window of Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer",
    2020 (arXiv:2004.05150), with `window` positions on each side.

    Args:
        n: Number of positions.
        window: Positions visible on each side, at least 0.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1 or `window` below 0.
    """
    if window < 0:
        raise InputError(f"A window needs at least 0 positions on each side, not {window}.")
    return np.asarray(np.abs(_offsets(n)) <= window)


def causal_mask(n: int) -> Mask:
    """Each query sees itself and what came before it: j <= i.

    The mask of a decoder: Vaswani et al., "Attention Is All You Need", NeurIPS 2017.

    Args:
        n: Number of positions.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1.
    """
    return np.asarray(_offsets(n) >= 0)


def global_mask(n: int, tokens: Sequence[int]) -> Mask:
    """Chosen tokens see all and are seen by all: i in G or j in G.

    The global attention of Beltagy, Peters and Cohan, "Longformer: The Long-Document
    Transformer", 2020 (arXiv:2004.05150).

    Args:
        n: Number of positions.
        tokens: The positions of the global tokens G, each from 0 to `n - 1`.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1, or a position lies outside.
    """
    chosen = np.zeros(len(_offsets(n)), dtype=bool)
    for token in tokens:
        if not 0 <= token < n:
            raise InputError(f"Position {token} is outside of the {n} positions, 0 to {n - 1}.")
        chosen[token] = True
    return np.asarray(chosen[:, None] | chosen[None, :])


def dilated_mask(n: int, window: int, dilation: int) -> Mask:
    """A window with gaps: |i - j| <= window * dilation and (i - j) mod dilation = 0.

    The dilated sliding window of Beltagy, Peters and Cohan, "Longformer: The Long-Document
    Transformer", 2020 (arXiv:2004.05150).

    Args:
        n: Number of positions.
        window: Visible positions on each side, at least 0.
        dilation: The step between visible positions, at least 1; 1 is the local mask.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` or `dilation` is below 1, or `window` below 0.
    """
    if dilation < 1:
        raise InputError(f"A dilation needs to be at least 1, not {dilation}.")
    return np.asarray(local_mask(n, window * dilation) & (_offsets(n) % dilation == 0))


def strided_mask(n: int, stride: int) -> Mask:
    """Each query sees every `stride`-th key, counted from itself: (i - j) mod stride = 0.

    The long-range half of the strided attention of Child, Gray, Radford and Sutskever,
    "Generating Long Sequences with Sparse Transformers", 2019 (arXiv:1904.10509). The paper joins
    it with a window and looks at the past only:
    `(local_mask(n, stride) | strided_mask(n, stride)) & causal_mask(n)`. With a stride near the
    square root of n that keeps about n * sqrt(n) entries.

    Args:
        n: Number of positions.
        stride: The step between visible positions, at least 1; 1 shows everything.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` or `stride` is below 1.
    """
    if stride < 1:
        raise InputError(f"A stride needs to be at least 1, not {stride}.")
    return np.asarray(_offsets(n) % stride == 0)


def block_mask(n: int, size: int, summary: int = 0) -> Mask:
    """Each query sees the keys of its own block: floor(i / size) = floor(j / size).

    With `summary` above 0 the last positions of every block are seen by all queries too: j mod
    size >= size - summary. That is the fixed attention of Child, Gray, Radford and Sutskever,
    "Generating Long Sequences with Sparse Transformers", 2019 (arXiv:1904.10509), where it looks
    at the past only: `block_mask(n, size, summary) & causal_mask(n)`.

    Args:
        n: Number of positions.
        size: Positions in a block, at least 1; the last block may be shorter.
        summary: Positions at the end of each block that every query sees, from 0 to `size`.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` or `size` is below 1, or `summary` lies outside of 0 to `size`.
    """
    if size < 1:
        raise InputError(f"A block needs at least one position, not {size}.")
    if not 0 <= summary <= size:
        raise InputError(f"A block of {size} has 0 to {size} summary positions, not {summary}.")
    place = np.arange(len(_offsets(n)))
    block = place // size
    return np.asarray((block[:, None] == block) | (place % size >= size - summary))


def random_mask(n: int, keys_per_query: int, seed: int = 0) -> Mask:
    """Each query sees as many keys, drawn at random without repeats.

    The random attention of Zaheer et al., "Big Bird: Transformers for Longer Sequences", NeurIPS
    2020 (arXiv:2007.14062), position by position. The paper joins it with a window and global
    tokens: `random_mask(n, 3) | local_mask(n, 1) | global_mask(n, [0])`.

    Args:
        n: Number of positions.
        keys_per_query: Visible keys of each query, from 0 to `n`.
        seed: Starts the draw; the same seed gives the same mask. NumPy's global state is not used.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1, or there are not as many keys.
    """
    draws = np.random.default_rng(seed).random(_offsets(n).shape)
    if not 0 <= keys_per_query <= n:
        raise InputError(f"A query can see 0 to {n} of {n} keys, not {keys_per_query}.")
    return np.asarray(draws.argsort(axis=1).argsort(axis=1) < keys_per_query)


def synthetic_attention(mask: Mask) -> NDArray[np.float64]:
    """The weights of a head that follows a mask exactly and knows nothing else.

    Args:
        mask: Shape `(query, key)`, True where visible.

    Returns:
        Shape `(query, key)`: each row is uniform over its visible keys and sums to 1; a row that
        sees nothing is 0.

    Raises:
        InputError: The mask does not have two dimensions.
    """
    seen = np.asarray(mask, dtype=bool)
    if seen.ndim != 2:
        raise InputError(f"A mask needs the shape (query, key), not {seen.shape}.")
    return np.asarray(seen / np.maximum(seen.sum(axis=1, keepdims=True), 1))


@dataclass(frozen=True)
class MaskCost:
    """How many query-key pairs a mask keeps: what sparse attention has to compute.

    Attributes:
        entries: Visible pairs.
        share: The same as a share of all pairs, in [0, 1].
        most: The most keys that one query sees.
    """

    entries: int
    share: float
    most: int

    def __str__(self) -> str:
        return f"{self.entries} entries, {self.share:.1%} of all"


def mask_cost(mask: Mask) -> MaskCost:
    """Count the entries that a mask keeps.

    One mask does not tell how its cost grows with the length of the text: see `mask_growth`.

    Args:
        mask: Shape `(query, key)`, True where visible.

    Raises:
        InputError: The mask does not have two dimensions, or is empty.
    """
    seen = np.asarray(mask, dtype=bool)
    if seen.ndim != 2 or 0 in seen.shape:
        raise InputError(f"A mask needs the shape (query, key), not {seen.shape}.")
    return MaskCost(int(seen.sum()), float(seen.mean()), int(seen.sum(axis=1).max()))


def mask_growth(build: Callable[[int], Mask], n: int = 512) -> float:
    """How the entries of a pattern grow with the length: the g of entries ~ length to the g.

    It is measured, not derived: `log2(entries at 2n / entries at n)`. 1 is linear, as for a window
    of fixed width, 2 is quadratic, as for full attention. Terms of lower order still show at a
    small `n`.

    Args:
        build: Makes the mask for a number of positions, for example
            `lambda n: local_mask(n, 4) | global_mask(n, [0])`.
        n: The length at which growth is measured, at least 1.

    Raises:
        InputError: The pattern has no entries at `n` or at `2n`.
    """
    fewer, more = (mask_cost(build(length)).entries for length in (n, 2 * n))
    if not fewer or not more:
        raise InputError(f"The growth of a pattern without entries at {n} positions has no value.")
    return log2(more / fewer)
