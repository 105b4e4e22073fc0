"""Hooks on the attention layers of a model, each by the way that gives its weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from interpviz.attention import fallback, kernels, modules

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.kernels import Record, Stream

# How transformers names what the keys of cross-attention are made from.
_OTHER_STATES = ("key_value_states", "encoder_hidden_states", "cross_attention_states", "kv_states")


class Crossings:
    """Which layers look at another sequence than their own, known from their latest call."""

    def __init__(self) -> None:
        self._crossing: dict[str, bool] = {}

    def watch(self, name: str, module: nn.Module) -> ExitStack:
        """Follow the calls of a layer.

        Args:
            name: The layer's dotted name.
            module: The layer.

        Returns:
            A stack whose `close` removes the hook.
        """
        signature = inspect.signature(module.forward)
        crossing = self._crossing
        multihead = modules.is_multihead(module)

        def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = signature.bind_partial(*args, **kwargs).arguments
            given = {**given, **given.get("kwargs", {})}
            if multihead:
                crossing[name] = given.get("query") is not given.get("key")
            else:
                crossing[name] = any(given.get(other) is not None for other in _OTHER_STATES)

        undo = ExitStack()
        undo.callback(module.register_forward_pre_hook(note, with_kwargs=True).remove)
        return undo

    def kind(self, name: str, queries: int, visible: Tensor | None, causal: bool | None) -> str:
        """What a layer is: `"encoder"`, `"decoder"` or `"cross"`.

        Args:
            name: The layer's dotted name.
            queries: How many queries it has.
            visible: What its masks show, `(..., query, key)`, if they are known.
            causal: What it says of itself.
        """
        if self._crossing.get(name, False):
            return "cross"
        if causal is None and visible is not None and queries > 1:
            offset = visible.shape[-1] - queries
            causal = not bool(visible.triu(offset + 1).any())
        return "decoder" if causal else "encoder"


def later_weights(weights: Tensor) -> bool:
    """Whether any query puts weight on a later key.

    Args:
        weights: Shape `(..., query, key)`.
    """
    queries, keys = weights.shape[-2:]
    return bool(weights.triu(keys - queries + 1).any())


def attach_layers(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    records: Mapping[str, Record],
    streams: Mapping[str, Stream] | None = None,
) -> ExitStack:
    """Have the weights of layers recorded in every pass of a model.

    Args:
        model: The model.
        layers: The layers by dotted name.
        records: For each layer the function that takes its weights.
        streams: For each layer a function that takes its calls instead, where the layer uses
            transformers' attention interface.

    Returns:
        A stack whose `close` gives the model back as it was.

    Raises:
        AttentionError: The model is set to a kernel that gives no weights and cannot be switched.
    """
    recorded: dict[nn.Module, Record] = {}
    streamed: dict[nn.Module, Stream] = {}
    asked: dict[str, Record] = {}
    by_output = fallback.attention_modules(model)
    with ExitStack() as undo:
        for name, module in layers.items():
            if kernels.uses_interface(module):
                if streams is not None:
                    streamed[module] = streams[name]
                else:
                    recorded[module] = records[name]
            elif modules.is_multihead(module) or modules.is_timm(module):
                undo.push(modules.attach(module, records[name]))
            elif name not in by_output:
                undo.push(modules.attach_named(name, module, records[name]))
            else:
                causal = getattr(module, "is_causal", None)
                asked[name] = partial(records[name], causal=causal)
        if recorded or streamed:
            undo.push(kernels.attach(model, recorded, streamed))
        if asked:
            undo.push(fallback.attach(model, asked))
        return undo.pop_all()
