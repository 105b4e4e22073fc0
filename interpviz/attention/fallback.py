"""Attention out of a model's own output: what it carries, or what it can be asked for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from interpviz.errors import AttentionError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.kernels import Record

_KEYS = ("attentions", "encoder_attentions", "decoder_attentions")


def _not_in_output(why: str) -> AttentionError:
    return AttentionError(
        f"The model's output holds no attention weights{why}: capture them with register_hooks "
        "before running the model, or load the model with attn_implementation='eager' and run it "
        f"with output_attentions=True; see {troubleshooting('attention-weights-not-captured')}."
    )


def attentions_from_output(outputs: Any) -> list[Tensor]:
    """The self-attention weights that a model's output carries.

    Args:
        outputs: An output object of transformers, a dict, the tuple that
            `return_dict=False` gives, or a tuple of weights, one a layer. Of an
            encoder-decoder the encoder's layers come first, then the decoder's; cross-attention
            is left out and stays in `outputs.cross_attentions`.

    Returns:
        One tensor a layer, each of shape `(batch, heads, query, key)`.

    Raises:
        AttentionError: The output carries no weights, as with the default kernel.
    """
    if isinstance(outputs, Mapping):
        found = [w for key in _KEYS for w in (outputs.get(key) or ()) if w is not None]
    elif isinstance(outputs, (tuple, list)):
        found = _from_tuple(outputs)
    else:
        found = [w for key in _KEYS for w in (getattr(outputs, key, None) or ()) if w is not None]
    if found:
        return found
    empty = isinstance(outputs, Mapping) and any(outputs.get(key) is not None for key in _KEYS)
    raise _not_in_output(", because the kernel in use computes none" if empty else "")


def _from_tuple(outputs: tuple[Any, ...] | list[Any]) -> list[Tensor]:
    """The first run of four-dimensional tensors: hidden states have three dimensions."""
    for candidate in (outputs, *outputs):
        if isinstance(candidate, (tuple, list)):
            layers = [w for w in candidate if w is not None]
            if layers and all(getattr(w, "ndim", 0) == 4 for w in layers):
                return layers
    return []


def attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The attention modules of a model that must be asked for its weights.

    Args:
        model: Any module.

    Returns:
        The innermost modules with "Attention" in the name of their class, by dotted name; empty
        where the model's `forward` does not take `output_attentions`.
    """
    if "output_attentions" not in inspect.signature(model.forward).parameters:
        return {}
    named = {
        name: module
        for name, module in model.named_modules()
        if "Attention" in type(module).__name__ and name
    }
    return {
        name: module
        for name, module in named.items()
        if not any(other.startswith(f"{name}.") for other in named)
    }


def attach(model: nn.Module, records: dict[str, Record]) -> ExitStack:
    """Ask a model for its weights in every forward pass.

    Args:
        model: A model whose `forward` takes `output_attentions` and that ignores the attention
            interface.
        records: For each layer to capture, the function that takes its weights.

    Returns:
        A stack whose `close` removes the hooks.

    Raises:
        AttentionError: The model is set to a kernel that it was built for and that gives no
            weights.
    """
    names = list(attention_modules(model))
    configs = _configs(model)
    lent: list[list[Any]] = []
    signature = inspect.signature(model.forward)
    asked: list[tuple[Any, Any]] = []

    def ask(
        _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # Otherwise the masks are those of the fused kernel, which the eager code misreads.
        lent.append([c for c in configs if c._attn_implementation_internal == "sdpa"])
        for config in lent[-1]:
            config._attn_implementation_internal = "eager"
        bound = signature.bind(*args, **kwargs)
        wanted = bound.arguments.get("output_attentions"), bound.arguments.get("return_dict")
        asked.append(wanted)
        bound.arguments["output_attentions"] = True
        if "return_dict" in signature.parameters:
            bound.arguments["return_dict"] = True
        return bound.args, bound.kwargs

    def answer(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        for config in lent.pop() if lent else []:
            config._attn_implementation_internal = "sdpa"
        attentions, return_dict = asked.pop() if asked else (None, None)
        if output is None:  # the model raised
            return None
        layers = attentions_from_output(output)
        if len(layers) != len(names):
            raise AttentionError(
                f"{type(model).__name__} returned the weights of {len(layers)} layers but has "
                f"{len(names)} attention modules: they cannot be told apart, so use "
                "extract_attention_from_output on its output instead."
            )
        for name, weights in zip(names, layers, strict=True):
            if name in records:
                records[name](weights)
        return _as_asked(model, output, attentions, return_dict)

    undo = ExitStack()
    undo.callback(model.register_forward_pre_hook(ask, with_kwargs=True).remove)
    handle = model.register_forward_hook(answer, prepend=True, always_call=True)
    undo.callback(handle.remove)
    return undo


def _configs(model: nn.Module) -> list[Any]:
    """The configurations that tell which masks the model makes, each once."""
    found: dict[int, Any] = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        kernel = getattr(config, "_attn_implementation_internal", None)
        if kernel is not None:
            found[id(config)] = config
        if kernel not in (None, "eager", "sdpa"):
            raise AttentionError(
                f"{type(model).__name__} was loaded with attn_implementation={kernel!r}, which "
                "gives no weights and cannot be switched: load it with "
                "attn_implementation='eager'; see "
                f"{troubleshooting('attention-weights-not-captured')}."
            )
    return list(found.values())


def _as_asked(model: Any, output: Any, attentions: Any, return_dict: Any) -> Any:
    """The output as the caller would have had it without the capture."""
    config = getattr(model, "config", None)
    if attentions is None:
        attentions = getattr(config, "output_attentions", False)
    if return_dict is None:
        return_dict = getattr(config, "return_dict", True)
    if not attentions:
        kept = {k: v for k, v in output.items() if not k.endswith("attentions")}
        output = type(output)(**kept)
    return output if return_dict else output.to_tuple()
