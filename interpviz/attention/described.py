"""Captured maps with what is known of the sequences, checked against the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from interpviz.attention.sequences import Sequences

if TYPE_CHECKING:
    from interpviz.attention.maps import AttentionMaps


def described(
    maps: AttentionMaps, main: Sequences, decoder: Sequences, encoder_decoder: bool
) -> AttentionMaps:
    """Put what is known of the sequences beside the weights.

    Args:
        maps: The maps.
        main: The sequences, of an encoder-decoder those of the encoder.
        decoder: Those of the decoder.
        encoder_decoder: Whether there is one.

    Raises:
        InputError: Tokens or a mask given by the user do not fit the weights.
    """
    second = _fitted(maps, decoder, ("cross",), ("decoder",)) if encoder_decoder else None
    own = ("encoder", "cross") if encoder_decoder else ("encoder", "decoder")
    first = _fitted(maps, main, (), own)
    return replace(
        maps,
        tokens=first.tokens,
        token_ids=first.token_ids,
        padding_mask=first.padding_mask,
        special_tokens_mask=first.special_tokens_mask,
        decoder=second,
    )


def _fitted(
    maps: AttentionMaps, known: Sequences, rows: tuple[str, ...], columns: tuple[str, ...]
) -> Sequences:
    """What is known of sequences, checked against all layers that look from or at them."""
    fitted = known
    for kind, weights in zip(maps.kinds, maps.weights.values(), strict=True):
        if kind in columns:
            fitted = fitted.fitted(weights.shape[0], weights.shape[3], "keys")
        if kind in rows and "decoder" not in maps.kinds:
            fitted = fitted.fitted(weights.shape[0], weights.shape[2], "queries")
    return fitted


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether a model reads one sequence with an encoder and writes another with a decoder.

    Args:
        model: Any module.
    """
    config = getattr(model, "config", None)
    if config is not None:
        return bool(getattr(config, "is_encoder_decoder", False))
    return any(isinstance(module, nn.TransformerDecoder) for module in model.modules())
