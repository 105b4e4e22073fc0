"""Draw what a model's heads attend to: from its outputs, or captured while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from interpviz.attention.capture import AttentionCapture
from interpviz.attention.drawing import HeadDrawing
from interpviz.attention.fallback import attentions_from_output
from interpviz.attention.layers import attention_layers, unwrapped
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.padding import real_positions
from interpviz.attention.selection import heads_of_one, sequence_of
from interpviz.errors import AttentionError, troubleshooting
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from torch import Tensor, nn


class AttentionVisualizer:
    """Capture and draw the attention of any transformer.

    The drawing methods take weights from anywhere: from `attention_maps`, from a model's output,
    or made by hand. Weights are tensors of any floating type and device, or NumPy arrays, of shape
    `(heads, query, key)`, `(1, heads, query, key)`, or `(query, key)` for a single head. Tokens
    are one string a position, drawn without the marks of their tokenizer; where they are left out,
    positions are numbered. Every figure carries a sentence that says what is seen, as
    alternative text (`figure.get_label()`).

    Args:
        model: A transformers model, or any model that holds `nn.MultiheadAttention` or timm
            attention blocks. It is changed only between `register_hooks` and `remove_hooks`.

    Example:
        >>> visualizer = AttentionVisualizer(model)
        >>> with visualizer:
        ...     outputs = model(**tokenizer("A short text.", return_tensors="pt"))
        >>> figure = visualizer.visualize_all_heads(visualizer.attention_maps.weights[0])
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._capture: AttentionCapture | None = None
        self._maps: AttentionMaps | None = None

    @property
    def layer_names(self) -> list[str]:
        """The dotted names of all attention layers of the model.

        Raises:
            AttentionError: The model has no attention that can be captured.
        """
        return list(attention_layers(unwrapped(self.model)))

    @property
    def attention_maps(self) -> AttentionMaps:
        """What the registered layers looked at in the last forward pass of the model.

        It stays after `remove_hooks`.

        Raises:
            AttentionError: The model has not run since the hooks were registered.
        """
        maps = self._maps if self._capture is None else self._capture.maps
        if not maps:
            raise AttentionError(
                "No attention has been captured yet: run the model after register_hooks, or inside "
                "`with visualizer:`, with inputs that reach the registered layers; see "
                f"{troubleshooting('attention-weights-not-captured')}."
            )
        return maps

    def register_hooks(self, layer_names: Sequence[str | int] | str | None = None) -> None:
        """Capture attention in every forward pass of the model, until `remove_hooks`.

        Each pass of the whole model replaces `attention_maps`. Layers registered before are
        replaced too. Works with whatever attention kernel the model is set to; its output stays
        the same within float tolerance.

        Args:
            layer_names: Dotted names such as `"encoder.layer.11.attention"`: of an attention
                block, of the self-attention module in it, or of any part of the model that holds
                some. None for all.

        Raises:
            AttentionError: The model has no attention that can be captured.
            LayerError: A name means no attention layer; the nearest ones are named.
        """
        capture = AttentionCapture(self.model, layer_names)
        self.remove_hooks()
        self._capture, self._maps = capture, None

    def remove_hooks(self) -> None:
        """Give the model back as it was before `register_hooks`; the captured maps stay."""
        if self._capture is not None:
            self._capture.remove()
            self._maps, self._capture = self._capture.maps, None

    def __enter__(self) -> Self:
        if self._capture is None:
            self.register_hooks()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove_hooks()

    def extract_attention_from_output(self, outputs: Any) -> list[Tensor]:
        """The self-attention weights that a model's output carries.

        Args:
            outputs: What the model returned with `output_attentions=True`: an output object, a
                dict, or a tuple. Of an encoder-decoder the encoder's layers come first, then the
                decoder's; cross-attention stays in `outputs.cross_attentions`.

        Returns:
            One tensor a layer, each of shape `(batch, heads, query, key)`, values in [0, 1].

        Raises:
            AttentionError: The output carries no weights, as with the default kernel of
                transformers.
        """
        return attentions_from_output(outputs)

    def visualize_attention_head(
        self,
        attention_weights: Any,
        tokens: Sequence[str] | None = None,
        head_idx: int = 0,
        *,
        ax: Axes | None = None,
        cmap: str | Colormap = ATTENTION_CMAP,
        raw_tokens: bool = False,
        key_tokens: Sequence[str] | None = None,
    ) -> Figure:
        """Draw one head as a heat map: row by row what each token attends to.

        Args:
            attention_weights: The weights of one layer, `(heads, query, key)`.
            tokens: One token a position.
            head_idx: Which head, counted from 0 or, negative, from the end.
            ax: Where to draw; a new figure if left out.
            cmap: Colour map.
            raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
            key_tokens: The tokens of the keys, where they are others (cross-attention).

        Returns:
            The figure that was drawn on.

        Raises:
            InputError: The tokens do not match the weights, or there is no such head.
        """
        drawing = self._drawing(attention_weights, tokens, key_tokens, raw_tokens)
        return drawing.head(head_idx, ax, cmap)

    def visualize_all_heads(
        self,
        attention_weights: Any,
        tokens: Sequence[str] | None = None,
        *,
        cmap: str | Colormap = ATTENTION_CMAP,
        raw_tokens: bool = False,
        key_tokens: Sequence[str] | None = None,
    ) -> Figure:
        """Draw all heads of a layer in a grid, on one scale of colours.

        Args:
            attention_weights: The weights of one layer, `(heads, query, key)`.
            tokens: One token a position.
            cmap: Colour map.
            raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
            key_tokens: The tokens of the keys, where they are others (cross-attention).

        Returns:
            A new figure.

        Raises:
            InputError: The tokens do not match the weights.
        """
        return self._drawing(attention_weights, tokens, key_tokens, raw_tokens).grid(cmap)

    def visualize_layer_attention(
        self,
        layer_name: str | int,
        tokens: Sequence[str] | None = None,
        *,
        batch_index: int | None = None,
        ax: Axes | None = None,
        cmap: str | Colormap = ATTENTION_CMAP,
        raw_tokens: bool = False,
        key_tokens: Sequence[str] | None = None,
    ) -> Figure:
        """Draw a captured layer as one heat map: the mean over its heads.

        The mean shows what a layer does as a whole and hides what single heads do; for these,
        pass `attention_maps.weights[layer_name]` to `visualize_all_heads`. Padding, which the
        masks of the model tell, is left out; weights passed to other methods are drawn whole.

        Args:
            layer_name: The layer, by its name, by the block that holds it, or by its place among
                the captured layers.
            tokens: One token a position, padding included.
            batch_index: Which sequence of the batch, needed where there are several.
            ax: Where to draw; a new figure if left out.
            cmap: Colour map.
            raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
            key_tokens: The tokens of the keys, where they are others (cross-attention).

        Returns:
            The figure that was drawn on.

        Raises:
            AttentionError: The model has not run since the hooks were registered.
            LayerError: The layer was not captured.
            InputError: The tokens do not match the weights, or the batch holds several sequences
                and none is chosen.
        """
        maps = self.attention_maps
        name = maps.weights.name_of(layer_name)
        heads = sequence_of(maps.weights[name], batch_index, name)
        real = real_positions(maps, name, batch_index or 0)
        return self._drawing(heads, tokens, key_tokens, raw_tokens, real).mean(name, ax, cmap)

    def plot_attention_flow(
        self,
        attention_weights: Any,
        tokens: Sequence[str] | None = None,
        query_idx: int = 0,
        *,
        head_idx: int | None = None,
        ax: Axes | None = None,
        raw_tokens: bool = False,
        key_tokens: Sequence[str] | None = None,
    ) -> Figure:
        """Draw what one token attends to, as curves from it to the keys.

        Args:
            attention_weights: The weights of one layer, `(heads, query, key)`.
            tokens: One token a position.
            query_idx: Which token attends, counted from 0 or, negative, from the end.
            head_idx: Which head; None draws all heads, each in its own colour.
            ax: Where to draw; a new figure if left out.
            raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
            key_tokens: The tokens of the keys, where they are others (cross-attention).

        Returns:
            The figure that was drawn on.

        Raises:
            InputError: The tokens do not match the weights, or there is no such query or head.
        """
        drawing = self._drawing(attention_weights, tokens, key_tokens, raw_tokens)
        return drawing.flow(query_idx, head_idx, ax)

    def _drawing(
        self,
        attention_weights: Any,
        tokens: Sequence[str] | None,
        key_tokens: Sequence[str] | None,
        raw_tokens: bool = False,
        real: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> HeadDrawing:
        """Heads with a token for each query and key, at those that are real."""
        heads = heads_of_one(attention_weights)
        queries, keys = heads.shape[1:]
        if tokens is None:
            places = self._default_tokens(keys)
            # With a cache there are fewer queries than keys, and they are the last positions.
            tokens = places[-queries:] if queries <= keys else self._default_tokens(queries)
            key_tokens = places if key_tokens is None else key_tokens
        rows, columns = list(tokens), list(tokens if key_tokens is None else key_tokens)
        # Tokens that do not fit are told from all positions, real or not.
        if real is not None and (len(rows), len(columns)) == (queries, keys):
            heads = heads[:, real[0]][..., real[1]]
            rows, columns = list(compress(rows, real[0])), list(compress(columns, real[1]))
        return HeadDrawing(heads, rows, columns, self._mask(heads), raw_tokens)

    def _default_tokens(self, count: int) -> list[str]:
        return [str(place) for place in range(count)]

    def _mask(self, heads: np.ndarray) -> np.ndarray | None:  # noqa: ARG002 - for subclasses
        """Which cells are drawn; None for all."""
        return None
