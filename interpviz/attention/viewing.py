"""Captured maps as an interactive view, with what is known of their heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interpviz.attention.classify import classify_heads
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.sequences import Sequences
from interpviz.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps
    from interpviz.render.views import AttentionView

__all__ = ["attention_view"]


def attention_view(
    maps: AttentionMaps,
    item: int = 0,
    *,
    layers: str | int | Sequence[str | int] | None = None,
    prompt_length: int | None = None,
    patterns: bool = True,
    **options: Any,
) -> AttentionView:
    """Show one sequence of captured maps as an interactive view.

    The view tells the entropy of each head (see
    [`HeadStatistics`][interpviz.attention.HeadStatistics]) and the pattern that it follows, as
    [`classify_heads`][interpviz.attention.classify_heads] finds it on this sequence alone. One
    short text proves little, so that many heads get no name; classify several texts at once and
    pass `head_info` for surer ones. Layers that differ in what their queries see are classified
    apart; cross-attention is not. Padding is left out.

    Args:
        maps: The maps.
        item: Which sequence of the batch.
        layers: Which layer or layers, by name or index; None for all. They keep the numbers that
            they have among those of the maps.
        prompt_length: For a text that the model wrote, the number of tokens that it was given, of
            an encoder-decoder those of the decoder, padding included: a slider then shows how the
            text grew. By default what the maps know of it.
        patterns: Whether to look for patterns, unless `head_info` tells of them.
        **options: `layer`, `head`, `title`, `alt`, `head_info`, `tokens` and others, as
            [`AttentionView`][interpviz.render.views.AttentionView] takes them. What `head_info`
            leaves out is found from the maps; a plain list of tokens is about their only text.

    Returns:
        The view: the last expression of a notebook cell, or `view.to_html(path)`.

    Raises:
        InputError: There is no such sequence, or the tokens do not fit the weights.
        LayerError: There is no such layer.
    """
    from interpviz.render.views import AttentionView

    chosen = _item(maps, item, layers)
    one = _without_padding(chosen)
    kinds = [one.kind_of(name) or "attention" for name in one.layer_names]
    texts, masks = _texts(one)
    tokens = options.pop("tokens", texts)
    if len(texts) == 1 and not isinstance(tokens, Mapping) and options.get("key_tokens") is None:
        tokens = dict.fromkeys(texts, tokens)
    if prompt_length is None and _has_grown(tokens):
        prompt_length = maps.prompt_length
    given = {
        "special_tokens": masks,
        "kind": kinds,
        "steps": _steps(chosen, prompt_length),
        "layer_numbers": [maps.layer_names.index(name) for name in one.layer_names],
        **options,
        "head_info": _heads(one, patterns, options.get("head_info") or {}),
    }
    weights = {name: layer[0].float().cpu().numpy() for name, layer in one.weights.items()}
    return AttentionView(weights, tokens, **given)


def _has_grown(tokens: Any) -> bool:
    """Whether a text that the model may have written is among these."""
    return not isinstance(tokens, Mapping) or not {"decoder", "queries"}.isdisjoint(tokens)


def _heads(maps: AttentionMaps, patterns: bool, told: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the heads, by column; what the caller tells comes first."""
    known: dict[str, Any] = {"number": _numbers(maps)}
    if "entropy" not in told:
        known["entropy"] = maps.statistics().column("entropy").numpy()
    if patterns and "pattern" not in told:
        known["pattern"], known["score"] = _patterns(maps)
    return {**known, **told}


def _steps(maps: AttentionMaps, prompt_length: int | None) -> int | None:
    """The length of the prompt of one sequence without its padding."""
    padding = maps._side(True).padding_mask
    if prompt_length is None or padding is None:
        return prompt_length
    return max(int(padding[0, :prompt_length].sum()), 1)


def _numbers(maps: AttentionMaps) -> NDArray[np.int64]:
    """The numbers of the heads in the model, `(layers, heads)`."""
    width = max(weights.shape[1] for weights in maps.weights.values())
    numbers = np.tile(np.arange(width), (len(maps), 1))
    for row, name in enumerate(maps.layer_names):
        kept = maps.heads.get(name, ())
        numbers[row, : len(kept)] = kept
    return numbers


def _item(
    maps: AttentionMaps, item: int, layers: str | int | Sequence[str | int] | None
) -> AttentionMaps:
    """One sequence, and some layers, of maps."""
    asked: Any = maps.layer_names if layers is None else layers
    if isinstance(asked, str | int | np.integer):
        asked = [asked]
    wanted = list(dict.fromkeys(map(maps.weights.name_of, asked)))
    if not wanted:
        raise InputError("There are no layers to show: capture the attention of some first.")
    sizes = {len(maps.weights[name]) for name in wanted}
    if len(sizes) > 1 or not -min(sizes) <= item < min(sizes):
        raise InputError(
            f"There is no sequence {item} in all of these layers: their batches are "
            f"{sorted(sizes)}."
        )
    batch = sizes.pop()
    item %= batch
    places = {name: place for place, name in enumerate(maps.layer_names)}
    side = _sequence(maps._side(False), item, batch)
    return replace(
        maps,
        weights=LayerWeights({name: maps.weights[name][item : item + 1] for name in wanted}),
        kinds=tuple(maps.kinds[places[name]] for name in wanted) if maps.kinds else (),
        decoder=None if maps.decoder is None else _sequence(maps.decoder, item, batch),
        visible={
            name: seen[item : item + 1] if len(seen) > 1 else seen
            for name, seen in maps.visible.items()
            if name in wanted
        },
        tokens=side.tokens,
        token_ids=side.token_ids,
        padding_mask=side.padding_mask,
        special_tokens_mask=side.special_tokens_mask,
        generated=None,
    )


def _sequence(side: Sequences, item: int, batch: int) -> Sequences:
    """One of several sequences, where they are those of the batch."""

    def one(rows: Any) -> Any:
        if rows is None or len(rows) not in (1, batch):
            return None
        place = item if len(rows) == batch else 0
        return rows[place : place + 1]

    return Sequences(
        one(side.tokens), one(side.token_ids), one(side.padding_mask), one(side.special_tokens_mask)
    )


def _without_padding(maps: AttentionMaps) -> AttentionMaps:
    """The maps of one sequence at its real tokens."""
    weights, visible = {}, {}
    for name, layer in maps.weights.items():
        real = maps.keys_of(name).padding_mask
        columns = _places(real, layer.shape[3])
        if maps.kind_of(name) == "cross":
            rows = _places(maps.queries_of(name).padding_mask, layer.shape[2])
        else:
            # With a cache the queries are the last positions.
            first = layer.shape[3] - layer.shape[2]
            rows = columns[columns >= first] - first
        weights[name] = layer[:, :, rows.to(layer.device)][..., columns.to(layer.device)]
        if name in maps.visible:
            seen = maps.visible[name].expand(-1, -1, *layer.shape[2:])
            visible[name] = seen[:, :, rows.to(seen.device)][..., columns.to(seen.device)]
    side = _real(maps._side(False))
    return replace(
        maps,
        weights=LayerWeights(weights),
        visible=visible,
        tokens=side.tokens,
        token_ids=side.token_ids,
        padding_mask=side.padding_mask,
        special_tokens_mask=side.special_tokens_mask,
        decoder=None if maps.decoder is None else _real(maps.decoder),
    )


def _places(real: Tensor | None, length: int) -> Tensor:
    if real is None or real.shape[1] != length:
        return torch.arange(length)
    return real[0].nonzero()[:, 0]


def _real(side: Sequences) -> Sequences:
    if side.padding_mask is None:
        return side
    places = _places(side.padding_mask, side.padding_mask.shape[1])

    def kept(rows: Tensor | None) -> Tensor | None:
        return None if rows is None else rows[:, places.to(rows.device)]

    tokens = side.tokens
    if tokens is not None and len(tokens[0]) == side.padding_mask.shape[1]:
        tokens = [[tokens[0][place] for place in places.tolist()]]
    return Sequences(
        tokens, kept(side.token_ids), kept(side.padding_mask), kept(side.special_tokens_mask)
    )


def _texts(maps: AttentionMaps) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Tokens and masks of special ones by the names that the view has for them."""
    texts: dict[str, list[str]] = {}
    masks: dict[str, Any] = {}
    for name, layer in maps.weights.items():
        kind = maps.kind_of(name)
        rows, columns = layer.shape[2:]
        sides = ("decoder", "encoder") if kind == "cross" else (str(kind), str(kind))
        if kind is None or (kind != "cross" and rows != columns):
            sides = ("queries", "queries" if rows == columns else "keys")
        for side, known, length in (
            (sides[1], maps.keys_of(name), columns),
            (sides[0], maps.queries_of(name), rows),
        ):
            tokens = known.tokens[0] if known.tokens else None
            mask = None if known.special_tokens_mask is None else known.special_tokens_mask[0]
            texts.setdefault(side, _last(tokens, length, [str(i) for i in range(length)]))
            if mask is not None:
                masks.setdefault(side, np.array(_last(mask.tolist(), length, [False] * length)))
    return texts, masks


def _last(known: list[Any] | None, length: int, other: list[Any]) -> list[Any]:
    """The last ones of what is known of positions; something else where that is too short."""
    if known is None or len(known) < length:
        return other
    return known[len(known) - length :]


def _patterns(maps: AttentionMaps) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Names and scores of heads, `(layers, heads)`; empty names where nothing was looked for."""
    width = max(weights.shape[1] for weights in maps.weights.values())
    names = np.full((len(maps), width), "", dtype="U20")
    scores = np.full((len(maps), width), np.nan, dtype=np.float32)
    for together in _alike(maps):
        first = together[0]
        seen = maps.visible.get(first)
        side = maps.keys_of(first)
        mask = None if seen is None or seen.shape[1] > 1 else seen
        layers = {name: maps.weights[name] for name in together}
        try:
            found = classify_heads([*layers.values()], side.tokens, mask=mask)
        except InputError:
            # A text of one token, or tokens of another length than the weights.
            continue
        for row, name in enumerate(together):
            place = maps.layer_names.index(name)
            names[place, : found.names.shape[1]] = found.names[row]
            scores[place, : found.names.shape[1]] = found.scores[row]
    return names, scores


def _alike(maps: AttentionMaps) -> list[list[str]]:
    """Layers of self-attention that can be classified together."""
    groups: dict[Any, list[str]] = {}
    for name, weights in maps.weights.items():
        if maps.kind_of(name) == "cross" or weights.shape[2] != weights.shape[3]:
            continue
        seen = maps.visible.get(name)
        key = None if seen is None else (tuple(seen.shape), seen.cpu().numpy().tobytes())
        groups.setdefault((maps.kind_of(name), tuple(weights.shape), key), []).append(name)
    return list(groups.values())
