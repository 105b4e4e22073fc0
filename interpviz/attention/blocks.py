"""Attention in blocks of queries, each measured and dropped while its output is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from interpviz.attention.query_block import QueryBlock, visible_keys
from interpviz.attention.rows import take_weights
from interpviz.attention.shared import Room
from interpviz.attention.softmax import Hidden, Powers

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.calls import AttentionCall
    from interpviz.attention.rows import RowStatistics
    from interpviz.attention.scene import Scene
    from interpviz.attention.softmax import Softmax

# Weights at once: what stays in a processor's cache, or keeps a GPU busy.
_BLOCK_CPU, _BLOCK_GPU = 2**20, 2**25

# More queries at once would make more of a block lie beside the diagonal.
_HEIGHT = 256

# Queries side by side, where only some are measured.
_RUN = 32


def row_blocks(queries: int, size: int, measured: int | None) -> Iterator[slice]:
    """The queries in blocks: all, or runs spread evenly over them up to the last.

    Args:
        queries: How many queries there are.
        size: How many make a block.
        measured: How many to measure; None for all.
    """
    if measured is None or measured >= queries:
        for a in range(0, queries, size):
            yield slice(a, min(a + size, queries))
        return
    length = min(_RUN, measured)
    count = max(measured // length, 1)
    for n in range(1, count + 1):
        end = round(n * queries / count)
        yield slice(max(end - length, 0), end)


def _block_size(device: torch.device) -> int:
    return _BLOCK_CPU if device.type == "cpu" else _BLOCK_GPU


def eager_blocks(
    call: AttentionCall, statistics: RowStatistics, measured: int | None
) -> Tensor | None:
    """Run a layer's own eager function in blocks of queries, and measure its weights.

    Args:
        call: The call.
        statistics: Where the numbers go.
        measured: How many queries to measure; None for all.

    Returns:
        The layer's output, or None where not all queries ran.
    """
    batch, heads, queries, keys = statistics.scene.shape
    size = max(_block_size(call.query.device) // (batch * heads * keys), 8)
    everything = measured is None or measured >= queries
    outputs = []
    for rows in row_blocks(queries, size, measured):
        output, weights = call.eager(rows, values=everything)
        outputs.append(output)
        visible = call.visible(rows)
        if visible is not None:
            visible = visible.expand(-1, -1, rows.stop - rows.start, keys)
        take_weights(statistics, slice(0, batch), rows, weights, visible)
    return torch.cat(outputs, 1) if everything else None


def softmax_blocks(
    maths: Softmax, statistics: RowStatistics, measured: int | None
) -> Tensor | None:
    """Attend in blocks of queries and heads, and measure each while it is in the cache.

    Args:
        maths: What to compute.
        statistics: Where the numbers go.
        measured: How many queries to measure; None for all.

    Returns:
        The layer's output, or None where not all queries ran.
    """
    batch, heads, queries, keys = statistics.scene.shape
    device, everything = maths.query.device, measured is None or measured >= queries
    budget = _block_size(device)
    tallest = _HEIGHT if device.type == "cpu" else queries
    height = min(max(budget // keys, 16), tallest, queries if everything else _RUN)
    together = max(budget // (heads * queries * keys), 1)
    value = maths.value if everything else maths.value[..., :0]
    channels = value.shape[-1]
    # Laid out as layers return it.
    output = value.new_empty(batch, queries, heads, channels).transpose(1, 2)
    for i in range(0, batch, together):
        part = slice(i, min(i + together, batch))
        beside = _Beside(value[part], statistics.scene.shared.room)
        for rows in row_blocks(queries, height, measured):
            block, hidden = _block(maths, statistics, part, rows)
            width = block.keys.stop - block.keys.start
            step = max(budget // ((part.stop - part.start) * height * width), 1)
            if block.heads_differ:
                step = heads
            joined = beside.with_features(block)
            rows_of_heads = []
            for h in range(0, heads, step):
                some = slice(h, min(h + step, heads))
                attended = output[part, some, rows]
                rows_of_heads.append(
                    _measured(maths, block, some, hidden, joined[:, some], attended)
                )
            mass, kept, entropy, *found = (
                torch.cat(one, 1) for one in zip(*rows_of_heads, strict=True)
            )
            statistics.take(block, block.numbers(block.sums(*found), mass, kept, entropy))
    if not everything:
        return None
    return output.transpose(1, 2).contiguous().to(maths.call.query.dtype)


class _Beside:
    """Values with the features of a block beside them, so that one product sums over both.

    Args:
        value: Shape `(batch, heads, key, channel)`.
        room: Memory for both.
    """

    def __init__(self, value: Tensor, room: Room) -> None:
        self.value, self.room = value, room
        self._joined: Tensor | None = None

    def with_features(self, block: QueryBlock) -> Tensor:
        """Values, features and ones, for the keys of a block: `(batch, heads, key, n)`."""
        begin, count = self.value.shape[-1], block.features.shape[-1]
        if self._joined is None:
            # Ones, for the sum; products are fastest where the width is a multiple of eight.
            width = -(begin + count + 1) % 8 + begin + count + 1
            self._joined = self.room.of("joined", (*self.value.shape[:3], width), self.value)
            self._joined[..., :begin] = self.value
            self._joined[..., begin + count :] = 1
        joined = self._joined[:, :, block.keys]
        joined[..., begin : begin + count] = block.features[:, None]
        return joined


def _block(
    maths: Softmax, statistics: RowStatistics, batch: slice, rows: slice
) -> tuple[QueryBlock, Hidden | None]:
    """Some queries with the keys that any of them sees, and what is hidden among these."""
    if maths.call.mask is not None:
        return _new_block(maths, statistics.scene, batch, rows)
    known = statistics.scene.shared.blocks
    where = (
        batch.start,
        batch.stop,
        rows.start,
        rows.stop,
        maths.call.is_causal,
        maths.query.dtype,
    )
    if where not in known:
        known[where] = _new_block(maths, statistics.scene, batch, rows)
    block: tuple[QueryBlock, Hidden | None] = known[where]
    return block


def _new_block(
    maths: Softmax, scene: Scene, batch: slice, rows: slice
) -> tuple[QueryBlock, Hidden | None]:
    keys, hidden = scene.shape[3], None
    if maths.call.is_causal:
        # What a mask would tell, without making one.
        span, visible = slice(0, min(rows.stop, keys)), maths.call.visible(rows)
        assert visible is not None
        partly = slice(min(rows.start, span.stop - 1), span.stop)
    else:
        span, visible = slice(0, keys), maths.call.visible(rows)
        if visible is not None:
            visible = visible[batch] if len(visible) > 1 else visible
            visible = visible.expand(-1, -1, rows.stop - rows.start, keys)
            every = visible.flatten(0, 2)
            span = _extent(every.any(0))
            partly = _extent(~every[:, span].all(0))
    if visible is not None:
        visible = visible[..., span]
        hidden = Hidden.but(visible, partly, maths.query.dtype)
    visible = visible_keys(scene, batch, rows, span, visible)
    return QueryBlock(scene, batch, rows, span, visible), hidden


def _extent(columns: Tensor) -> slice:
    """From the first to the last column that is set; all where none is."""
    place = columns.nonzero()
    return slice(int(place[0]), int(place[-1]) + 1) if len(place) else slice(0, len(columns))


def _measured(
    maths: Softmax,
    block: QueryBlock,
    heads: slice,
    hidden: Hidden | None,
    joined: Tensor,
    output: Tensor,
) -> tuple[Tensor, ...]:
    """Attend for some heads.

    Args:
        maths: What to compute.
        block: Which sequences, queries and keys.
        heads: Which heads.
        hidden: What is hidden among these.
        joined: Values and features of the keys.
        output: Where to write what the heads make of the values.

    Returns:
        The sum of every row, what a sink leaves of it, its entropy, its sums of features, and what
        the block reads.
    """
    room, query = block.scene.shared.room, maths.query[block.batch, heads, block.rows]
    shape = *query.shape[:3], block.keys.stop - block.keys.start
    logits = maths.logits(
        block.batch, heads, block.rows, block.keys, hidden, out=room.of("logits", shape, query)
    )
    space = room.of("weights", shape, query)
    powers = Powers(logits, out=space, careful=maths.careful)
    space = room.of("products", (*shape[:3], joined.shape[-1]), query)
    products = torch.matmul(powers.weights, joined, out=space)
    channels, count = output.shape[-1], block.features.shape[-1]
    ends = channels, channels + count, channels + count + 1
    attended, featured, mass, _ = products.tensor_split(ends, -1)
    mass = mass.squeeze(-1).clone()
    if not maths.careful and not powers.are_exact(mass):
        maths.careful = True
        return _measured(maths, block, heads, hidden, joined, output)
    kept = maths.kept(powers, mass, heads)
    torch.mul(attended, (kept / mass)[..., None], out=output)
    read = block.read(powers.weights)
    return mass, kept, powers.entropy(mass), featured.clone(), *read
