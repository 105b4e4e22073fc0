"""What attention heads read and hand on, and where a model keeps its attention blocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.errors import LayerError

_VALUES = ("v_proj", "value", "v")
_OUTPUTS = ("o_proj", "out_proj", "proj", "output")
_COUNTS = ("num_heads", "num_attention_heads", "n_heads")


@dataclass
class HeadRecord:
    """One call of an attention module.

    Attributes:
        values: What each key hands on `(N, keys, heads, width)`.
        context: The tensor of the graph behind the heads `(N, queries, ...)`.
        back: What turns a gradient for `context` into one for the heads' joined outputs.
    """

    values: list[Tensor] = field(default_factory=list)
    context: list[Tensor] = field(default_factory=list)
    back: Tensor | None = None

    def gradient(self, score: Tensor) -> Tensor:
        """A score's gradient for the attention weights `(N, heads, queries, keys)`.

        A head hands on `weights @ values`, so the gradient for its weights is the gradient for
        what it hands on, times the values: the weights themselves are never needed, and any
        attention kernel may compute them.

        Args:
            score: One score an image, in whose graph the call is.
        """
        [slope] = torch.autograd.grad(score.sum(), self.context)
        if self.back is not None:
            slope = slope @ self.back
        [values] = self.values
        slope = slope.reshape(*slope.shape[:2], *values.shape[2:])
        return torch.einsum("nqhd,nkhd->nhqk", slope, values)


def is_attention(module: nn.Module) -> bool:
    """Whether a module is attention whose heads can be read."""
    if isinstance(module, nn.MultiheadAttention):
        return bool(module._qkv_same_embed_dim)
    joined = isinstance(getattr(module, "qkv", None), nn.Linear)
    values = joined or _child(module, _VALUES) is not None
    # Windows cut the picture up, so their tokens are not those of the block.
    windowed = "window" in type(module).__name__.lower()
    return values and _child(module, _OUTPUTS) is not None and not windowed


def attention_blocks(model: nn.Module) -> list[nn.Module]:
    """The transformer blocks of a model's image encoder, or none.

    Args:
        model: A model whose blocks stand in one container, each with one attention module. Where
            there are several such containers, as in two-tower models, the one beside the first
            convolution, which cuts the image into patches, is meant.
    """
    modules = dict(model.named_modules())
    found: dict[str, list[nn.Module]] = {}
    for name, module in modules.items():
        if is_attention(module) and "." in name:
            path = name.split(".")
            # The block is the part of the name below the container that counts its blocks.
            depth = next((i for i, part in enumerate(path) if _numbered(part)), None)
            if depth is not None:
                block = modules[".".join(path[: depth + 1])]
                blocks = found.setdefault(".".join(path[:depth]), [])
                if block not in blocks:
                    blocks.append(block)
    convolutions = [n for n, m in modules.items() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    if not found or not convolutions:
        return []
    nearest = max(found, key=lambda name: _shared_path(name, convolutions[0]))
    return found[nearest] if _one_width(found[nearest]) else []


def _one_width(blocks: Sequence[nn.Module]) -> bool:
    widths = {
        next(m.out_features for m in reversed(list(block.modules())) if isinstance(m, nn.Linear))
        for block in blocks
    }
    return len(widths) == 1


def _numbered(part: str) -> bool:
    return part.rsplit("_", 1)[-1].isdigit()


def _shared_path(first: str, second: str) -> int:
    pairs = zip(first.split("."), second.split("."), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _child(module: nn.Module, names: Sequence[str]) -> nn.Linear | None:
    children = (getattr(module, name, None) for name in names)
    return next((child for child in children if isinstance(child, nn.Linear)), None)


def _head_count(module: nn.Module) -> int:
    for owner in (module, getattr(module, "config", None)):
        for name in _COUNTS:
            count = getattr(owner, name, None)
            if isinstance(count, int):
                return count
    raise LayerError(
        f"The number of heads of {type(module).__name__} is not known: it has no `num_heads`."
    )


@contextmanager
def recorded_heads(block: nn.Module) -> Iterator[HeadRecord]:
    """Record what the attention of a block reads and hands on while it runs.

    Args:
        block: A module with one attention module in it.

    Raises:
        LayerError: There is none, or more than one.
    """
    inside = [module for module in block.modules() if is_attention(module)]
    if len(inside) != 1:
        raise LayerError(
            f"The block {type(block).__name__} has {len(inside)} attention modules whose heads can "
            "be read, but must have one: pass the transformer blocks as `target_layer`."
        )
    record = HeadRecord()
    handles = _hooks(inside[0], record)
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _hooks(module: nn.Module, record: HeadRecord) -> list[Any]:
    heads = _head_count(module)
    if isinstance(module, nn.MultiheadAttention):
        return [module.register_forward_hook(_multihead(module, record), with_kwargs=True)]

    owner = threading.get_ident()

    # Another thread may run the same model meanwhile.
    def keep_values(source: nn.Module, _args: Any, output: Tensor) -> None:
        if threading.get_ident() != owner:
            return
        joined = source is getattr(module, "qkv", None)
        values = output.chunk(3, -1)[2] if joined else output
        record.values.append(_split(values.detach(), heads))

    def keep_context(_module: nn.Module, args: Any) -> None:
        if threading.get_ident() == owner:
            record.context.append(args[0])

    qkv = getattr(module, "qkv", None)
    source = qkv if isinstance(qkv, nn.Linear) else _child(module, _VALUES)
    output = _child(module, _OUTPUTS)
    assert source is not None
    assert output is not None
    return [
        source.register_forward_hook(keep_values),
        output.register_forward_pre_hook(keep_context),
    ]


def _split(values: Tensor, heads: int) -> Tensor:
    return values.reshape(*values.shape[:2], heads, -1)


def _multihead(module: nn.MultiheadAttention, record: HeadRecord) -> Any:
    owner = threading.get_ident()

    def keep(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if threading.get_ident() != owner:
            return
        value = kwargs["value"] if "value" in kwargs else args[2]
        weight = module.in_proj_weight.chunk(3)[2]
        bias = None if module.in_proj_bias is None else module.in_proj_bias.chunk(3)[2]
        with torch.no_grad():
            values = nn.functional.linear(value.detach(), weight, bias)
        values = values if module.batch_first else values.transpose(0, 1)
        record.values.append(_split(values, module.num_heads))
        record.context.append(output[0])
        record.back = module.out_proj.weight.detach()

    return keep
