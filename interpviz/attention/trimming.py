"""Attention between the tokens of a text alone, without those that a tokenizer added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpviz.attention.generated import counted_anew
from interpviz.attention.layer_weights import LayerWeights
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps
    from interpviz.attention.sequences import Sequences


def without_special_tokens(maps: AttentionMaps) -> AttentionMaps:
    """Drop rows and columns of special tokens and of padding.

    Args:
        maps: The maps, whose special tokens are known.

    Raises:
        InputError: It is not known which tokens are special, or the layers do not look over whole
            sequences.
    """
    if maps.special_tokens_mask is None:
        raise InputError(
            "It is not known which tokens are special: pass what a tokenizer returns with "
            "return_special_tokens_mask=True as inputs, or special_tokens_mask to "
            "capture_attention."
        )
    sides: dict[int, tuple[Sequences, Tensor] | None] = {}

    def trimmed(side: Sequences) -> tuple[Sequences, Tensor] | None:
        known = side.special_tokens_mask is not None
        return side.without_special() if known else None

    main = maps.keys_of(0) if maps.decoder is None else maps._side(False)
    sides[False], sides[True] = trimmed(main), trimmed(maps._side(True))
    weights, visible = {}, {}
    for name, layer in maps.weights.items():
        kind = maps.kind_of(name)
        rows, columns = sides[kind in ("decoder", "cross")], sides[kind == "decoder"]
        weights[name] = _picked(name, layer, rows, columns)
        if name in maps.visible:
            seen = maps.visible[name].expand(len(layer), -1, *layer.shape[-2:])
            visible[name] = _picked(name, seen, rows, columns).bool()
    kept = sides[False]
    assert kept is not None
    decoder = sides[True]
    generated = maps.generated
    if (side := decoder if maps.decoder is not None else kept) is not None:
        sequences, place = side
        assert sequences.padding_mask is not None
        generated = counted_anew(generated, place, sequences.padding_mask)
    return replace(
        maps,
        weights=LayerWeights(weights),
        tokens=kept[0].tokens,
        token_ids=kept[0].token_ids,
        padding_mask=kept[0].padding_mask,
        special_tokens_mask=kept[0].special_tokens_mask,
        decoder=decoder[0] if maps.decoder is not None and decoder is not None else maps.decoder,
        visible=visible,
        generated=generated,
    )


def _picked(
    name: str,
    weights: Tensor,
    rows: tuple[Sequences, Tensor] | None,
    columns: tuple[Sequences, Tensor] | None,
) -> Tensor:
    """Weights at some rows and columns, zero where these are padded."""
    for dim, side in ((2, rows), (3, columns)):
        if side is None:
            continue
        sequences, place = side
        assert sequences.special_tokens_mask is not None
        assert sequences.padding_mask is not None
        if len(weights) != len(place) or weights.shape[dim] <= int(place.max()):
            raise InputError(
                f"Layer '{name}' has weights of shape {tuple(weights.shape)}, which are not those "
                f"of {len(place)} whole sequences: special tokens cannot be left out of them."
            )
        shape = [len(place), 1, 1, 1]
        shape[dim] = place.shape[1]
        where, real = place.view(shape).to(weights.device), sequences.padding_mask.view(shape)
        sizes = list(weights.shape)
        sizes[dim] = place.shape[1]
        weights = weights.gather(dim, where.expand(sizes)) * real.to(weights.device)
    return weights
