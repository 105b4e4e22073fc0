"""Heads of a model switched off for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from interpviz.attention.layers import chosen_layers, unwrapped
from interpviz.attention.modules import is_multihead
from interpviz.attention.selection import head_index
from interpviz.errors import AttentionError, InputError

if TYPE_CHECKING:
    from torch import Tensor

_COUNTS = ("num_heads", "num_attention_heads", "n_heads", "n_head")

# The layer that takes all heads' results side by side, in the words of transformers and timm.
_PROJECTIONS = (
    "o_proj",
    "out_proj",
    "out_lin",
    "c_proj",
    "proj",
    "projection",
    "projection_layer",
    "linear_out",
    "dense",
    "Wo",
    "wo",
    "o",
    "output",
)
_QUERIES = ("query", "query_proj")


@contextmanager
def ablate_heads(
    model: nn.Module,
    heads: Mapping[str | int, Sequence[int] | int] | Sequence[tuple[str | int, int]],
) -> Iterator[nn.Module]:
    """Switch attention heads off, until the block ends.

    What a head computed is set to zero where it enters the output projection of its layer, in
    every forward pass inside the block; the projection's bias and all other heads stay. With
    grouped heads (Llama) a head is one of the queries' heads. Parameters are not changed,
    gradients flow through the other heads, and blocks can be nested. The removal of single heads
    as a measure of what they do: Michel, Levy and Neubig, "Are Sixteen Heads Really Better than
    One?", NeurIPS 2019.

    Args:
        model: A transformers model, or any model that holds `nn.MultiheadAttention` or timm
            attention blocks.
        heads: For each layer the heads to switch off, counted from 0 or, negative, from the end.
            Layers are dotted names, names of blocks (all attention layers inside are meant), or
            indices, as for `capture_attention`. Or a list of pairs of layer and head, such as
            `classify_heads(maps).of("induction")` of maps that hold all layers. Nothing is
            switched off where it is empty.

    Yields:
        The model, of a compiled or parallel one the module inside, which is the one to run: what
        was compiled before ignores the change.

    Raises:
        AttentionError: The model has no attention that can be captured, or a layer keeps its heads
            where they cannot be switched off.
        InputError: There is no such head, or the heads are given in another form.
        LayerError: A name or an index means no attention layer.

    Example:
        >>> with ablate_heads(model, {0: [2, 5], "encoder.layer.3": [0]}) as ablated:
        ...     output = ablated(**inputs)
        >>> with ablate_heads(model, [(0, 2), (0, 5)]) as ablated:
        ...     output = ablated(**inputs)
    """
    inner = unwrapped(model)
    keep: dict[str, Tensor] = {}
    modules: dict[str, nn.Module] = {}
    for layer, given in _by_layer(heads).items():
        for name, module in chosen_layers(inner, layer).items():
            count = head_count(name, module)
            modules[name] = module
            mask = keep.setdefault(name, torch.ones(1, count, dtype=torch.bool))
            for head in given:
                mask[0, head_index(head, count)] = False
    with ExitStack() as undo:
        undo.push(plain_attention(inner))
        for name, module in modules.items():
            undo.push(mask_heads(name, module, keep[name]))
        yield inner


def _by_layer(heads: Any) -> Mapping[str | int, Sequence[int]]:
    """The heads to switch off by layer, from a mapping or from pairs."""
    if isinstance(heads, Mapping):
        return {k: some if isinstance(some, Sequence) else [some] for k, some in heads.items()}
    found: dict[str | int, list[int]] = {}
    pairs = heads if isinstance(heads, Sequence) and not isinstance(heads, str) else [heads]
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise InputError(
                f"The heads are a mapping from layers to heads, or a list of pairs (layer, head), "
                f"but here is {pair!r}."
            )
        found.setdefault(pair[0], []).append(pair[1])
    return found


def head_count(name: str, module: nn.Module) -> int:
    """How many heads a layer has, of the queries where keys have fewer.

    Args:
        name: The layer's name, for the message.
        module: An attention layer.

    Raises:
        AttentionError: It does not say.
    """
    holders = (module, getattr(module, "config", None))
    for holder in holders:
        for attribute in _COUNTS:
            count = getattr(holder, attribute, None)
            if isinstance(count, int) and count > 0:
                return count
    raise _cannot(name, module)


def mask_heads(name: str, module: nn.Module, keep: Tensor) -> ExitStack:
    """Set heads to zero where they enter a layer's output projection.

    Args:
        name: The layer's name, for messages.
        module: An attention layer.
        keep: False for the heads that are off: shape `(1, heads)`, or `(variants, heads)` where the
            batch consists of as many equal parts, one after the other.

    Returns:
        A stack whose `close` removes the hooks.

    Raises:
        AttentionError: The layer keeps its heads where they cannot be reached.
    """

    def masked(context: Tensor) -> Tensor:
        return _masked(name, module, context, keep.to(context.device))

    undo = ExitStack()
    projection = next(
        (p for n in _PROJECTIONS if (p := getattr(module, n, None)) is not None), None
    )
    if is_multihead(module):
        return _mask_multihead(module, masked)
    if isinstance(projection, nn.Module):
        handle = projection.register_forward_pre_hook(
            lambda _module, args: (masked(args[0]), *args[1:])
        )
    elif any(isinstance(getattr(module, n, None), nn.Module) for n in _QUERIES):
        handle = module.register_forward_hook(
            lambda _module, _args, output: (
                masked(output)
                if isinstance(output, torch.Tensor)
                else (masked(output[0]), *output[1:])
            )
        )
    else:
        raise _cannot(name, module)
    undo.callback(handle.remove)
    return undo


def plain_attention(model: nn.Module) -> ExitStack:
    """Keep `nn.TransformerEncoder` off the fast path, which passes by the hooks of its layers.

    Args:
        model: The model whose forward passes are meant.

    Returns:
        A stack whose `close` removes the hooks.
    """
    before: list[bool] = []

    def switch_off(_module: nn.Module, _args: tuple[Any, ...]) -> None:
        before.append(torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)

    def restore(_module: nn.Module, _args: tuple[Any, ...], _output: Any) -> None:
        if before:
            torch.backends.mha.set_fastpath_enabled(before.pop())

    undo = ExitStack()
    undo.callback(model.register_forward_pre_hook(switch_off, prepend=True).remove)
    undo.callback(model.register_forward_hook(restore, always_call=True).remove)
    return undo


def _masked(name: str, module: nn.Module, context: Tensor, keep: Tensor) -> Tensor:
    """The heads' results, side by side in the last dimension, with some of them zero."""
    variants, heads = keep.shape
    if context.shape[-1] % heads or len(context) % variants:
        raise _cannot(name, module)
    parts = context.reshape(*context.shape[:-1], heads, -1)
    if variants > 1:
        keep = keep.repeat_interleave(len(context) // variants, 0)
    else:
        keep = keep.expand(len(context), heads)
    keep = keep.reshape(len(context), *(1,) * (context.dim() - 2), heads, 1)
    return torch.where(keep, parts, 0.0).reshape(context.shape)


def _mask_multihead(module: nn.Module, masked: Callable[[Tensor], Tensor]) -> ExitStack:
    """The same for PyTorch's own attention, which never calls its projection as a module.

    During the call the projection is the identity, so that what comes out is what the heads
    computed; the projection follows afterwards.
    """
    projection: Any = module.out_proj
    lent: list[tuple[Any, Any]] = []

    def lend(_module: nn.Module, _args: tuple[Any, ...]) -> None:
        weight, bias = projection._parameters["weight"], projection._parameters["bias"]
        lent.append((weight, bias))
        projection._parameters["weight"] = torch.eye(len(weight)).to(weight)
        projection._parameters["bias"] = None if bias is None else torch.zeros_like(bias)

    def finish(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        if not lent:
            return None
        weight, bias = lent.pop()
        projection._parameters["weight"], projection._parameters["bias"] = weight, bias
        if output is None:  # the layer raised
            return None
        return F.linear(masked(output[0]), weight, bias), *output[1:]

    undo = ExitStack()
    undo.callback(module.register_forward_pre_hook(lend).remove)
    # The hooks of nested blocks must give the projection back in the reverse order.
    handle = module.register_forward_hook(finish, prepend=True, always_call=True)
    undo.callback(handle.remove)
    return undo


def _cannot(name: str, module: nn.Module) -> AttentionError:
    return AttentionError(
        f"The heads of '{name}' ({type(module).__name__}) cannot be switched off one by one: its "
        "output projection, or the place of the heads before it, is not known; choose other layers."
    )
