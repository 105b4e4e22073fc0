"""The statistics of captured maps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.attaching import later_weights
from interpviz.attention.rows import RowStatistics, take_weights
from interpviz.attention.scene import Scene
from interpviz.attention.sequences import as_mask
from interpviz.attention.shared import Shared
from interpviz.attention.table import HeadStatistics, as_table
from interpviz.attention.visibility import as_weights
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps
    from interpviz.attention.sequences import Sequences

# Weights at once, so that no step needs memory of the size of a whole map.
_BLOCK = 2**22


def head_statistics(
    maps: AttentionMaps,
    causal: bool | None = None,
    *,
    window: int = 3,
    sinks: int = 1,
    padding_mask: Any = None,
    special_tokens_mask: Any = None,
) -> HeadStatistics:
    """Numbers for every head of captured maps, in one table.

    Args:
        maps: The maps.
        causal: Whether later keys are invisible; None for what the masks of the model say, or
            where these are not known for what the layer is, or for a layer of unknown kind for
            whether it has any weight on later keys.
        window: How far a local head looks to each side, at least 0.
        sinks: How many first tokens count as sinks, at least 1.
        padding_mask: 1 for real tokens and 0 for padding, shape `(position,)` or `(batch,
            position)`, of an encoder-decoder the encoder's; that of the maps if left out.
        special_tokens_mask: 1 for special tokens, likewise.

    Returns:
        The table, whose columns are explained at
        [`HeadStatistics`][interpviz.attention.HeadStatistics].

    Raises:
        InputError: There are no maps, a mask does not fit, `window` or `sinks` is too small, or
            the weights hold negative or infinite values.
    """
    check_options(window, sinks)
    if not maps:
        raise InputError("There are no maps to measure: capture the attention of some layers.")
    masks = {"padding_mask": padding_mask, "special_tokens_mask": special_tokens_mask}
    given = {name: as_mask(mask) for name, mask in masks.items() if mask is not None}
    if given:
        maps = _with_masks(maps, given)
    found: dict[str, dict[str, Tensor]] = {}
    for name, layer in maps.weights.items():
        kind = maps.kind_of(name)
        sides = maps.queries_of(name), maps.keys_of(name)
        scene = scene_of(layer.shape, layer.device, kind, *sides, window=window, sinks=sinks)
        hides = causal
        if causal is None and name not in maps.visible:
            hides = kind == "decoder" or (kind is None and not later_weights(layer))
        found[name] = _measured(as_weights(layer), scene, maps.visible.get(name), bool(hides))
    kinds = {name: maps.kind_of(name) for name in found}
    return as_table(found, kinds, window=window, sinks=sinks, heads=maps.heads)


def _with_masks(maps: AttentionMaps, given: dict[str, Tensor | None]) -> AttentionMaps:
    """Maps with masks given by the user, which must fit at least one layer."""
    lengths = {
        (len(weights), weights.shape[3])
        for name, weights in maps.weights.items()
        if maps.decoder is None or maps.kind_of(name) != "decoder"
    }
    for name, mask in given.items():
        assert mask is not None
        if not any(mask.shape[0] in (1, b) and mask.shape[1] == n for b, n in lengths):
            raise InputError(
                f"A {name} of shape {tuple(mask.shape)} fits none of the layers, whose batches and "
                f"keys are {sorted(lengths)}."
            )
    return replace(maps, **given)  # type: ignore[arg-type]


def check_options(window: int, sinks: int) -> None:
    """Refuse windows and sinks that mean nothing.

    Args:
        window: How far a local head looks to each side.
        sinks: How many first tokens count as sinks.

    Raises:
        InputError: One of them is too small.
    """
    if window < 0 or sinks < 1:
        raise InputError(f"window must be at least 0 and sinks 1, not {window} and {sinks}.")


def scene_of(
    shape: Any,
    device: torch.device,
    kind: str | None,
    queries: Sequences,
    keys: Sequences,
    *,
    window: int,
    sinks: int,
    shared: Shared | None = None,
) -> Scene:
    """What the queries of a layer look over.

    Args:
        shape: Batch, heads, queries and keys.
        device: Where the weights are.
        kind: What the layer is.
        queries: The sequences of its queries.
        keys: The sequences of its keys.
        window: How far a local head looks to each side.
        sinks: How many first tokens count as sinks.
        shared: What is known of sequences of this kind and length.
    """
    batch, heads, rows, columns = (int(size) for size in shape)

    def fitting(mask: Tensor | None, length: int) -> Tensor | None:
        # Inputs may be of another length than what layers see, as with pictures beside text.
        fits = mask is not None and mask.shape[1] == length and mask.shape[0] in (1, batch)
        return mask.to(device) if mask is not None and fits else None

    same = kind != "cross"
    real = fitting(keys.padding_mask, columns)
    real_queries = fitting(queries.padding_mask, rows)
    if same:
        real_queries = None if real is None or rows > columns else real[:, columns - rows :]
    return Scene(
        (batch, heads, rows, columns),
        device,
        max(columns - rows, 0) if same else None,
        None if real_queries is None else real_queries.expand(batch, -1),
        None if real is None else real.expand(batch, -1),
        fitting(keys.special_tokens_mask, columns),
        fitting(keys.ids(), columns) if same else None,
        window,
        sinks,
        Shared() if shared is None else shared,
    )


def _measured(
    weights: Tensor, scene: Scene, visible: Tensor | None, causal: bool
) -> dict[str, Tensor]:
    """The statistics of one layer's weights."""
    statistics = RowStatistics(scene)
    batch, heads, queries, keys = scene.shape
    size = max(_BLOCK // (heads * keys), 1)
    together = max(size // queries, 1)
    for i in range(0, batch, together):
        sequences = slice(i, min(i + together, batch))
        for a in range(0, queries, size):
            rows = slice(a, min(a + size, queries))
            seen = None
            if visible is not None:
                seen = visible[sequences] if len(visible) > 1 else visible
                seen = seen if seen.shape[2] == 1 else seen[:, :, rows]
                seen = seen.to(weights.device).expand(-1, -1, rows.stop - rows.start, keys)
            if causal:
                place = torch.arange(rows.start, rows.stop, device=weights.device)
                later = torch.arange(keys, device=weights.device) > place[:, None] + keys - queries
                seen = ~later[None, None] if seen is None else seen & ~later
            take_weights(statistics, sequences, rows, weights[sequences, :, rows], seen)
    return statistics.by_head()


__all__ = ["check_options", "head_statistics", "scene_of"]
