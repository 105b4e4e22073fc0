"""Attention flow: how much of each input token can reach a token through the layers at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interpviz.attention.mixing import HeadFusion, LayerStack, mixing_matrices
from interpviz.attention.visibility import Array
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# The solver counts in 32-bit integers, and no source sends more than 1.
_SCALE = 2**30


def max_flow(
    maps: LayerStack,
    sources: Sequence[int] | int | None = None,
    *,
    head_fusion: HeadFusion = "mean",
    residual: float = 0.5,
    causal: bool = False,
    padding_mask: Array | None = None,
) -> Tensor:
    r"""The maximum flow from each token of the last layer to each input token.

    The tokens of every layer are nodes. From token i of layer l to token j of layer l - 1 leads an
    edge with the capacity

    `A'(l)(i, j), the rows of (residual I + (1 - residual) A(l)) divided by their sums`

    and the value of (i, j) is the maximum flow from token i at the top to token j at the bottom.
    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020. Rows are not scaled
    to sum to 1 afterwards, as in the authors' program: `flow / flow.sum(-1, keepdim=True)` does so.
    Every value is at least that of [`rollout`][interpviz.attention.rollout], which is one
    way to send the flow, and at most the sum of column j of A'(1).

    Each pair is solved exactly with SciPy's compiled Dinic, for capacities rounded down to
    multiples of 2^-30. A value is therefore at most `layers * tokens^2 * 2^-30` too small: below
    2.3e-5 for 6 layers of 64 tokens. The time grows with `layers * tokens^4`, so name the
    `sources` that matter where there are many tokens.

    Args:
        maps: Self-attention of one stack of layers, the one nearest the input first: what
            `capture_attention` gives, a list of one `(batch, heads, query, key)` a layer, or a
            tensor `(layers, batch, heads, query, key)`.
        sources: The tokens at the top to start from, counted from 0 or, negative, from the end;
            None for all.
        head_fusion: How the heads of a layer become one: their mean, maximum or minimum.
        residual: The share of the residual connection, in [0, 1].
        causal: Whether later keys are invisible, whatever their weights are.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`. Padded
            keys get nothing, and the rows of padded queries hold 1 at themselves. That of `maps`
            if left out.

    Returns:
        Shape `(batch, query, key)`, with a query for each source in their order; float32, in
        [0, 1], on the weights' device.

    Raises:
        InputError: The weights are no stack of self-attention of one size, a source does not
            exist, an option is out of range, or SciPy is missing.

    Example:
        >>> flow = max_flow(capture_attention(model, inputs), sources=[0])
        >>> flow.shape
        torch.Size([1, 1, 17])
    """
    mixing = mixing_matrices(
        maps,
        head_fusion=head_fusion,
        residual=residual,
        causal=causal,
        padding_mask=padding_mask,
    )
    rows = _rows(sources, mixing.shape[-1])
    capacities = np.floor(mixing.double().cpu().numpy() * _SCALE).astype(np.int32)
    flows = np.stack([_flows(one, rows) for one in capacities.swapaxes(0, 1)])
    return torch.from_numpy(flows / _SCALE).to(mixing)


def _rows(sources: Sequence[int] | int | None, tokens: int) -> list[int]:
    if sources is None:
        return list(range(tokens))
    wanted = [sources] if isinstance(sources, int | np.integer) else list(sources)
    wrong = [source for source in wanted if not -tokens <= source < tokens]
    if wrong or not wanted:
        raise InputError(
            f"Sources are tokens 0 to {tokens - 1}, at least one of them, not {wrong or wanted}."
        )
    return [source % tokens for source in wanted]


def _flows(capacities: np.ndarray, rows: list[int]) -> np.ndarray:
    """The flows of one sequence.

    Args:
        capacities: Shape `(layers, query, key)`, int32, the layer nearest the input first.
        rows: The queries at the top to start from.

    Returns:
        Shape `(len(rows), key)`, int64.
    """
    top, bottom = capacities[-1][rows], capacities[0]
    if len(capacities) == 1:
        return np.asarray(top, dtype=np.int64)
    solve = _solver(capacities[1:-1][::-1])
    reached = (top > 0).astype(float)
    for layer in capacities[-2::-1]:
        reached = ((reached @ (layer > 0)) > 0).astype(float)
    flows = np.zeros(top.shape, dtype=np.int64)
    for row, key in np.argwhere(reached):
        flows[row, key] = solve(top[row], bottom[:, key])
    return flows


def _solver(inner: np.ndarray) -> Callable[[np.ndarray, np.ndarray], int]:
    """The maximum flow through the layers between the first and the last.

    Only the edges at the source and at the sink change from pair to pair, so the graph is built
    once. Its nodes are the tokens between two layers, from the top down, then source and sink.

    Args:
        inner: Shape `(layers - 2, query, key)`, int32, the layer nearest the top first.

    Returns:
        A function that takes the capacities from the source and those into the sink.
    """
    maximum_flow, csr_array = _scipy()
    depth, tokens = len(inner), inner.shape[-1]
    source = (depth + 1) * tokens
    level, query, key = np.nonzero(inner)
    rows = np.concatenate([level * tokens + query, np.arange(source - tokens, source + 1)])
    edges = np.bincount(rows, minlength=source + 2)
    edges[source] = tokens
    columns = [(level + 1) * tokens + key, np.full(tokens, source + 1), np.arange(tokens)]
    data = np.concatenate([inner[level, query, key], np.zeros(2 * tokens, dtype=np.int32)])
    starts = np.concatenate([[0], np.cumsum(edges)]).astype(np.int32)
    graph = csr_array(
        (data, np.concatenate(columns).astype(np.int32), starts), shape=(source + 2, source + 2)
    )

    def solve(out_of_source: np.ndarray, into_sink: np.ndarray) -> int:
        graph.data[-2 * tokens : -tokens] = into_sink
        graph.data[-tokens:] = out_of_source
        return int(maximum_flow(graph, source, source + 1).flow_value)

    return solve


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_flow
    except ImportError as error:
        raise InputError(
            'The maximum flow needs SciPy: pip install "interpviz[models]", or use rollout instead.'
        ) from error
    return maximum_flow, csr_array
