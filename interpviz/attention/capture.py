"""Attention weights out of any model, which is given back unchanged."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.described import described, is_encoder_decoder
from interpviz.attention.inputs import arguments as _arguments
from interpviz.attention.layers import chosen_layers, unwrapped
from interpviz.attention.passes import Heads, Passes
from interpviz.attention.sequences import Tokens, sequences_of
from interpviz.errors import AttentionError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.maps import AttentionMaps

__all__ = ["AttentionCapture", "capture_attention"]


class AttentionCapture:
    """A running capture: each forward pass of the model gives new maps, until `remove`.

    Weights are those that the layer used. In training mode dropout has therefore been applied to
    them; call `model.eval()` first to see them without. The output of the model stays what it was
    within float tolerance, except at padded positions, where it means nothing: fused kernels treat
    a query that sees no key in another way, and `nn.TransformerEncoder` fills padding with zeros
    only on its fast path, which computes no weights. A capture that nobody holds any more is
    removed.

    Args:
        model: A transformers model, or one that holds `nn.MultiheadAttention` or timm attention.
        layers: Dotted names of attention layers or of blocks that hold some, indices, or None for
            all.
        keep_graph: Whether the weights stay in the graph of the pass, so that scores can be
            differentiated for them.
        heads: Which heads to keep, counted from 0 or, negative, from the end: of all layers, or by
            layer name or index; None keeps all.

    Raises:
        AttentionError: The model has no attention that can be captured.
        LayerError: A name or an index means no attention layer.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str | int] | str | int | None = None,
        *,
        keep_graph: bool = False,
        heads: Heads = None,
    ) -> None:
        self.keep_graph = keep_graph
        self.model = unwrapped(model)
        self.layers = chosen_layers(self.model, layers)
        # The model's hooks hold the passes and not this object, which can so be given up.
        self._passes = Passes(list(self.layers), keep_graph, heads)
        with ExitStack() as undo:
            self._passes.attach(self.model, self.layers, undo)
            self._undo = weakref.finalize(self, undo.pop_all().close)
        self._undo.atexit = False

    @property
    def maps(self) -> AttentionMaps | None:
        """What the layers looked at in the last forward pass; None before the first one."""
        return self._passes.maps

    def remove(self) -> None:
        """Give the model back as it was. The maps stay."""
        self._undo()

    @property
    def passes(self) -> list[AttentionMaps]:
        """The maps of all passes since `keep_passes`, and of layers that ran outside of any."""
        return self._passes.finished()

    def keep_passes(self) -> None:
        """Keep the maps of every pass from now on, in `passes`."""
        self._passes.all = []


def capture_attention(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    layers: Sequence[str | int] | str | int | None = None,
    tokens: Tokens | Any = None,
    *,
    heads: Heads = None,
    generate: Mapping[str, Any] | None = None,
    decoder_tokens: Tokens | Any = None,
    special_tokens_mask: Any = None,
) -> AttentionMaps:
    """Run a model once and return what its attention layers looked at.

    Works whatever attention kernel the model is set to, and leaves the model as it was, also after
    an exception. The pass runs without gradients. The training flag is not touched: in training
    mode dropout is applied to the weights, so call `model.eval()` first.

    Args:
        model: A transformers model, or any model that holds `nn.MultiheadAttention` or timm
            attention blocks.
        inputs: What the model takes: a mapping of arguments (a tokenizer's result), one tensor, or
            a tuple of positional arguments. Tensors are moved to the model's device, and floating
            ones to its type. An `attention_mask` tells what is padding.
        layers: Which attention layers to keep: dotted names, names of blocks that hold some, or
            indices; None keeps all.
        tokens: The tokens of the sequence, or of each sequence of the batch, to be kept beside
            the weights; of an encoder-decoder those of the encoder. Or the tokenizer, which then
            names them. What a fast tokenizer returns as inputs knows its tokens by itself.
        heads: Which heads to keep, counted from 0 or, negative, from the end: of all layers, or by
            layer name or index; None keeps all.
        generate: Arguments for `model.generate`, for example `{"max_new_tokens": 20}`: the model
            then writes on, and the maps of the prompt and of each step are joined into one lower
            triangle over prompt and new tokens. The last new token has no row, since the model
            never read it; `maps.generated` holds all new tokens with their log-probabilities, and
            `maps.prompt_length` tells where they begin. Keys that a step no longer held (a sliding
            window) get 0. Several beams and drafts of an assistant are refused. The logits of all
            steps, `(batch, vocabulary)` each, are held until the text is written.
        decoder_tokens: The tokens of the decoder of an encoder-decoder, or the tokenizer.
        special_tokens_mask: 1 for tokens that the tokenizer added, shape `(position,)` or
            `(batch, position)`, where the inputs do not say it themselves.

    Returns:
        The weights by layer, each of shape `(batch, heads, query, key)`, with values in [0, 1].

    Raises:
        AttentionError: The model has no attention that can be captured, none ran, or the model
            cannot generate.
        LayerError: A name or an index means no attention layer.
        InputError: The model cannot take the inputs, tokens or a mask do not fit them, or there is
            no such head.

    Example:
        >>> maps = capture_attention(model, tokenizer("A short text.", return_tensors="pt"))
        >>> maps.weights[0].shape
        torch.Size([1, 12, 6, 6])
    """
    main = sequences_of(inputs, tokens, special_tokens_mask)
    decoder = sequences_of(inputs, decoder_tokens, decoder=True)
    if generate is not None:
        from interpviz.attention.generation import generated_maps

        namer = decoder_tokens if hasattr(decoder_tokens, "convert_ids_to_tokens") else tokens
        return generated_maps(
            model,
            inputs,
            generate,
            layers=layers,
            heads=heads,
            main=main,
            decoder=decoder,
            tokenizer=namer,
        )
    capture = AttentionCapture(model, layers, heads=heads)
    try:
        args, kwargs = _arguments(capture.model, inputs)
        with torch.no_grad():
            capture.model(*args, **kwargs)
    finally:
        capture.remove()
    if not capture.maps:
        raise AttentionError(
            f"None of the chosen layers of {type(capture.model).__name__} ran for these inputs; "
            f"see {troubleshooting('attention-weights-not-captured')}."
        )
    return described(capture.maps, main, decoder, is_encoder_decoder(capture.model))
