"""Attention weights out of any model, which is given back unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention import fallback, kernels, modules
from interpviz.attention.layers import chosen_layers, unwrapped
from interpviz.attention.maps import AttentionMaps, LayerWeights, as_token_lists
from interpviz.device import placement
from interpviz.errors import AttentionError, InputError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["AttentionCapture", "capture_attention"]


class AttentionCapture:
    """A running capture: each forward pass of the model gives new maps, until `remove`.

    Weights are those that the layer used. In training mode dropout has therefore been applied to
    them; call `model.eval()` first to see them without. The output of the model stays what it was
    within float tolerance, except at padded positions, where it means nothing: fused kernels treat
    a query that sees no key in another way, and `nn.TransformerEncoder` fills padding with zeros
    only on its fast path, which computes no weights.

    Args:
        model: A transformers model, or one that holds `nn.MultiheadAttention` or timm attention.
        layers: Dotted names of attention layers or of blocks that hold some, indices, or None for
            all.

    Raises:
        AttentionError: The model has no attention that can be captured.
        LayerError: A name or an index means no attention layer.
    """

    def __init__(
        self, model: nn.Module, layers: Sequence[str | int] | str | int | None = None
    ) -> None:
        self.model = unwrapped(model)
        self.layers = chosen_layers(self.model, layers)
        self.maps: AttentionMaps | None = None
        self._runs: dict[str, list[Tensor]] | None = None
        self._fastpath: list[bool] = []
        self._undo = ExitStack()
        with ExitStack() as undo:
            self._attach(undo)
            self._undo = undo.pop_all()

    def remove(self) -> None:
        """Give the model back as it was. The maps stay."""
        self._undo.close()

    def _attach(self, undo: ExitStack) -> None:
        # The outermost hooks come first, so that a pass is open before any layer records.
        before = self.model.register_forward_pre_hook(self._begin, prepend=True)
        undo.callback(before.remove)
        interface: dict[nn.Module, kernels.Record] = {}
        asked: dict[str, Callable[[Tensor], None]] = {}
        for name, module in self.layers.items():
            record = self._recorder(name)
            if kernels.uses_interface(module):
                interface[module] = record
            elif modules.is_multihead(module) or modules.is_timm(module):
                undo.push(modules.attach(module, record))
            else:
                asked[name] = record
        if interface:
            undo.push(kernels.attach(self.model, interface))
        if asked:
            undo.push(fallback.attach(self.model, asked))
        after = self.model.register_forward_hook(self._end, always_call=True)
        undo.callback(after.remove)

    def _recorder(self, name: str) -> Callable[[Tensor], None]:
        def record(weights: Tensor) -> None:
            # Layers also run outside a pass, when gradient checkpointing computes them again.
            if self._runs is not None:
                self._runs.setdefault(name, []).append(weights.detach())

        return record

    def _begin(self, _module: nn.Module, _args: tuple[Any, ...]) -> None:
        self._runs = {}
        self.maps = None
        # The fast path of nn.TransformerEncoder packs sequences into a form without weights.
        self._fastpath.append(torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)

    def _end(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        if self._fastpath:
            torch.backends.mha.set_fastpath_enabled(self._fastpath.pop())
        runs, self._runs = self._runs, None
        if output is None or runs is None:  # the model raised
            return
        weights: dict[str, Tensor] = {}
        for name in self.layers:
            calls = runs.get(name, [])
            names = [name] if len(calls) == 1 else [f"{name}[{n}]" for n in range(len(calls))]
            weights.update(zip(names, calls, strict=True))
        self.maps = AttentionMaps(LayerWeights(weights))


def capture_attention(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    layers: Sequence[str | int] | str | int | None = None,
    tokens: Sequence[str] | Sequence[Sequence[str]] | None = None,
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
            ones to its type.
        layers: Which attention layers to keep: dotted names, names of blocks that hold some, or
            indices; None keeps all.
        tokens: The tokens of the sequence, or of each sequence of the batch, to be kept beside
            the weights.

    Returns:
        The weights by layer, each of shape `(batch, heads, query, key)`, with values in [0, 1].

    Raises:
        AttentionError: The model has no attention that can be captured, or none ran.
        LayerError: A name or an index means no attention layer.

    Example:
        >>> maps = capture_attention(model, tokenizer("A short text.", return_tensors="pt"))
        >>> maps.weights[0].shape
        torch.Size([1, 12, 6, 6])
    """
    capture = AttentionCapture(model, layers)
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
    return AttentionMaps(capture.maps.weights, as_token_lists(tokens))


def _arguments(model: nn.Module, inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments, where the model lives."""
    device, dtype = placement(model)

    def placed(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(device, dtype) if value.is_floating_point() else value.to(device)

    if isinstance(inputs, str):
        raise InputError(
            "The inputs are text, but a model takes token ids: pass "
            'tokenizer(text, return_tensors="pt").'
        )
    if isinstance(inputs, Mapping):
        return [], {name: placed(value) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        return [placed(value) for value in inputs], {}
    return [placed(inputs)], {}
