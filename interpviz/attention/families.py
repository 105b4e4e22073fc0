"""Visualizers that know one family of transformers: encoders, decoders, vision transformers."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.attention import fallback, kernels
from interpviz.attention.drawing import query_index
from interpviz.attention.layers import unwrapped
from interpviz.attention.selection import head_index
from interpviz.attention.visualizer import AttentionVisualizer
from interpviz.errors import AttentionError, InputError
from interpviz.render.patches import patch_map
from interpviz.render.style import ATTENTION_CMAP, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from torch import nn

    from interpviz.attention.maps import AttentionMaps


def _directions(model: nn.Module) -> set[bool]:
    """Whether the attention modules say that they are causal: {True}, {False}, both or none."""
    whole = unwrapped(model)
    using = [module for module in whole.modules() if kernels.uses_interface(module)]
    told = [getattr(module, "is_causal", None) for module in using]
    if not using:
        asked = fallback.attention_modules(whole)
        # There the flag says that a mask is made where none is given, and never that none is.
        told = [getattr(module, "is_causal", None) or None for module in asked.values()]
    return {causal for causal in told if isinstance(causal, bool)}


def _is_causal(model: nn.Module) -> AttentionError:
    name = type(unwrapped(model)).__name__
    return AttentionError(f"{name} looks at earlier tokens only: use GPTAttentionVisualizer.")


class BERTAttentionVisualizer(AttentionVisualizer):
    """Capture and draw the attention of encoders in which every token sees every other.

    Args:
        model: A BERT-like model (BERT, RoBERTa, DistilBERT, ALBERT, MiniLM, ...), or any model
            with `nn.MultiheadAttention`.

    Raises:
        AttentionError: Every attention layer of the model says that it looks at earlier tokens
            only.
    """

    def __init__(self, model: nn.Module) -> None:
        if _directions(model) == {True}:
            raise _is_causal(model)
        super().__init__(model)

    @property
    def attention_maps(self) -> AttentionMaps:
        """What the registered layers looked at in the last forward pass of the model.

        It stays after `remove_hooks`.

        Raises:
            AttentionError: The model has not run since the hooks were registered, or no token of
                any layer sees a later one: some causal models show it only when they run.
        """
        maps = super().attention_maps
        if set(maps.kinds) - {"cross"} == {"decoder"}:
            raise _is_causal(self.model)
        return maps


class GPTAttentionVisualizer(AttentionVisualizer):
    """Capture and draw the attention of decoders, in which a token sees itself and earlier ones.

    Heat maps show the lower triangle and leave the upper one blank, so that a weight of zero can be
    told from a key that is out of sight; curves lead to earlier tokens only.

    Args:
        model: A GPT-like model (GPT-2, Llama, Mistral, Qwen, SmolLM, ...), or any causal model
            with `nn.MultiheadAttention`.

    Raises:
        AttentionError: No attention layer of the model is causal.
    """

    def __init__(self, model: nn.Module) -> None:
        if _directions(model) == {False}:
            raise AttentionError(
                f"The tokens of {type(model).__name__} see later ones too: use "
                "BERTAttentionVisualizer, or AttentionVisualizer for any model."
            )
        super().__init__(model)

    def _mask(self, heads: np.ndarray) -> np.ndarray:
        queries, keys = heads.shape[1:]
        # With a cache there are fewer queries than keys, and they are the last positions.
        mask = np.tri(queries, keys, max(keys - queries, 0), dtype=bool)
        # A padded query sees nothing at all, which eager attention turns into an even row.
        even = np.ptp(heads, axis=-1, keepdims=True) < 1e-6
        later = float(np.where(mask | even, 0.0, heads).max())
        if later > 1e-3:
            raise InputError(
                f"These weights are not causal: a query puts {later:.2f} on a later key; use "
                "AttentionVisualizer."
            )
        return mask


class ViTAttentionVisualizer(AttentionVisualizer):
    """Capture and draw the attention of vision transformers, also on the grid of patches.

    Tokens can be left out: patches are named by row and column, tokens before them `[CLS]` and
    `[1]`, `[2]`, ...

    Args:
        model: A vision transformer of transformers, timm or torchvision, with one token a patch
            and global attention.
    """

    def visualize_patch_attention(
        self,
        attention_weights: Any,
        query_idx: int = 0,
        head_idx: int | None = None,
        *,
        image: Any = None,
        grid: tuple[int, int] | None = None,
        ax: Axes | None = None,
        cmap: str | Colormap = ATTENTION_CMAP,
    ) -> Figure:
        """Draw what one token attends to, on the grid of patches.

        Args:
            attention_weights: The weights of one layer, `(heads, query, key)`.
            query_idx: Which token attends, by its place among all tokens: 0 is the class token
                where the model has one.
            head_idx: Which head; None draws the mean over heads.
            image: The picture as the model saw it, drawn beneath: a NumPy array of shape
                `(h, w, 3)` or `(h, w)`, or a PIL image.
            grid: Height and width of the image in patches; needed where it is not square.
            ax: Where to draw; a new figure if left out.
            cmap: Colour map.

        Returns:
            The figure that was drawn on.

        Raises:
            InputError: There is no such query or head, one is not given by a whole number, or the
                grid does not fit the weights.
        """
        drawing = self._drawing(attention_weights, None, None)
        heads, tokens = drawing.heads, drawing.tokens
        query = query_index(query_idx, len(tokens))
        head = None if head_idx is None else head_index(head_idx, len(heads))
        height, width = grid or _square_grid(heads.shape[2])
        if not 0 < height * width <= heads.shape[2]:
            raise InputError(
                f"A grid of {height} x {width} has {height * width} patches, but the weights have "
                f"{heads.shape[2]} keys."
            )
        row = (heads.mean(axis=0) if head is None else heads[head])[query]
        before = len(row) - height * width
        patches = row[before:].reshape(height, width)
        place = divmod(query - before, width) if query >= before else None
        who = "class token" if query == 0 and place is None else f"token {query}"
        who = who if place is None else f"patch {place[0]},{place[1]}"
        which = f"mean of {len(heads)} heads" if head is None else f"head {head}"
        figure = patch_map(
            patches,
            ax,
            title=f"Attention of the {who}, {which}",
            cmap=cmap,
            image=image,
            mark=place,
        )
        top = divmod(int(patches.argmax()), width)
        return describe(
            figure,
            f"Attention of the {who} on a grid of {height} by {width} patches, {which}: most to "
            f"row {top[0]}, column {top[1]}, with {patches[top]:.3f}.",
        )

    def _default_tokens(self, count: int) -> list[str]:
        try:
            height, width = _square_grid(count)
        except InputError:
            return super()._default_tokens(count)
        before = count - height * width
        extra = ["[CLS]", *(f"[{place}]" for place in range(1, before))][:before]
        return extra + [f"{row},{column}" for row in range(height) for column in range(width)]


def _square_grid(keys: int) -> tuple[int, int]:
    """The square grid of patches in a row of keys, behind the usual numbers of other tokens."""
    # A class token first of all; then none, with a distillation token, with four registers.
    for before in (1, 0, 2, 5):
        side = isqrt(max(keys - before, 0))
        if side and side * side == keys - before:
            return side, side
    raise InputError(
        f"{keys} keys are no square of patches with a class token or registers before it: pass "
        "grid=(height, width)."
    )
