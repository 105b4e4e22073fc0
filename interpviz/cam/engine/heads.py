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
_BIASES = ("q_bias", "v_bias")


@dataclass
class HeadRecord:
    """One call of an attention module.

    Attributes:
        block: The name of the block's class, for messages.
        heads: The number of heads.
        sources: What holds the values `(N, keys, ...)`, of all heads joined, as its last part.
        context: The tensor of the graph behind the heads `(N, queries, ...)`.
        back: What turns a gradient for `context` into one for the heads' joined outputs; where it
            is None, the sources are in the graph too.
        batch_axis: Where the images are in `context`.
    """

    block: str
    heads: int
    sources: list[Tensor] = field(default_factory=list)
    context: list[Tensor] = field(default_factory=list)
    back: Tensor | None = None
    batch_axis: int = 0

    def gradient(self, score: Tensor) -> Tensor:
        """A score's gradient for the attention weights `(N, heads, queries, keys)`.

        A head hands on `weights @ values`, so the gradient for its weights is the gradient for
        what it hands on, times the values: the weights themselves are never needed, and any
        attention kernel may compute them.

        Args:
            score: One score an image `(N,)`, in whose graph the call is.

        Raises:
            LayerError: The heads were not called once with a sequence for each image, or hand on
                something other than weighted sums of their values.
        """
        if len(self.sources) != 1 or len(self.context) != 1:
            raise self._refusal(f"ran {len(self.sources)} times where a hook could see it")
        [source], [context] = self.sources, self.context
        if not source.ndim == context.ndim == 3:
            raise self._refusal("does not work on one sequence of tokens an image")
        if not len(source) == context.shape[self.batch_axis] == len(score):
            raise self._refusal(f"ran on {len(source)} sequences for {len(score)} images")
        if self.back is None and not self._are_weighted(source, context):
            raise self._refusal("does not hand on weighted sums of its values")
        [slope] = torch.autograd.grad(score.sum(), context)
        if self.back is not None:
            slope = slope.movedim(self.batch_axis, 0) @ self.back
        width = slope.shape[-1]
        values = source.detach()[..., -width:]
        return torch.einsum("nqhd,nkhd->nhqk", self._split(slope), self._split(values))

    def _split(self, joined: Tensor) -> Tensor:
        return joined.reshape(*joined.shape[:2], self.heads, -1)

    def _are_weighted(self, source: Tensor, context: Tensor) -> bool:
        """Whether each head hands on sums over keys with the same weights for all its channels."""
        width = context.shape[-1]
        if source.shape[-1] < width or width % self.heads:
            return False
        # Of a sum over queries and channels, each value's share is the sum of its key's weights,
        # times what the head counts.
        counts = torch.arange(1, self.heads + 1).to(context).repeat_interleave(width // self.heads)
        total = (context * counts).sum()
        [found] = torch.autograd.grad(
            total, source, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        shares = self._split(found[..., -width:].float())
        apart = (shares - shares[..., :1]).abs().amax()
        precision = max(1e-3, 16 * torch.finfo(source.dtype).eps)
        largest = shares.abs().amax()
        return bool(largest > 0 and apart <= precision * largest)

    def _refusal(self, reason: str) -> LayerError:
        return LayerError(
            f"The attention of the block {self.block} {reason}, so its heads cannot be read: use a "
            "method for any network, such as GradCAM."
        )


def is_attention(module: nn.Module) -> bool:
    """Whether a module is attention over one sequence, whose heads can be read."""
    if isinstance(module, nn.MultiheadAttention):
        return bool(module._qkv_same_embed_dim)
    output, values = _child(module, _OUTPUTS), _child(module, ("qkv", *_VALUES))
    if output is None or values is None:
        return False
    joined = 3 if values is getattr(module, "qkv", None) else 1
    # A bias beside `qkv` is added in a call that no hook of a layer sees.
    aside = any(isinstance(getattr(module, name, None), Tensor) for name in _BIASES)
    # What normalises the joined heads makes them no weighted sums any more.
    normed = not isinstance(getattr(module, "norm", nn.Identity()), nn.Identity)
    fits = values.out_features == joined * output.in_features
    return fits and not aside and not normed and not _is_cut_up(module)


def _is_cut_up(module: nn.Module) -> bool:
    # Windows cut the picture up, so their tokens are not those of the block; XCA weighs channels.
    kind = type(module).__name__.lower()
    return any(word in kind for word in ("window", "swin", "xca"))


def _resembles_attention(module: nn.Module) -> bool:
    values = _child(module, ("qkv", *_VALUES))
    known = isinstance(module, nn.MultiheadAttention)
    return known or (values is not None and _child(module, _OUTPUTS) is not None)


def attention_blocks(model: nn.Module) -> list[nn.Module]:
    """The transformer blocks of a model's image encoder, or none.

    Args:
        model: A model whose blocks stand in one container, each with one attention module over all
            tokens. Where there are several such containers, as in two-tower models, the one beside
            the first convolution, which cuts the image into patches, is meant; none where several
            are equally near, as in hierarchical models.
    """
    modules = dict(model.named_modules())
    found: dict[str, list[nn.Module]] = {}
    for name, module in modules.items():
        if _resembles_attention(module) and "." in name:
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
    shared = {name: _shared_path(name, convolutions[0]) for name in found}
    nearest = [name for name in found if shared[name] == max(shared.values())]
    return found[nearest[0]] if len(nearest) == 1 and _are_alike(found[nearest[0]]) else []


def _are_alike(blocks: Sequence[nn.Module]) -> bool:
    """Whether each block has one attention module over all tokens, of one kind and one width."""
    attention = [[m for m in block.modules() if _resembles_attention(m)] for block in blocks]
    single = all(len(each) == 1 and is_attention(each[0]) for each in attention)
    kinds = {type(module) for each in attention for module in each}
    # Where a block may cut windows, a grid goes through it and no sequence.
    windowed = any(hasattr(block, "window_size") for block in blocks)
    return single and len(kinds) == 1 and not windowed and _one_width(blocks)


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
    record = HeadRecord(type(block).__name__, _head_count(inside[0]))
    handles = _hooks(inside[0], record)
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _hooks(module: nn.Module, record: HeadRecord) -> list[Any]:
    owner = threading.get_ident()

    # Another thread may run the same model meanwhile.
    def keep_source(_module: nn.Module, _args: Any, output: Tensor) -> None:
        if threading.get_ident() == owner:
            record.sources.append(output)

    def keep_context(_module: nn.Module, args: Any) -> None:
        if threading.get_ident() == owner:
            record.context.append(args[0])

    def keep_both(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if threading.get_ident() == owner:
            _keep_multihead(module, record, kwargs["value"] if "value" in kwargs else args[2])
            record.context.append(output[0])

    if isinstance(module, nn.MultiheadAttention):
        return [module.register_forward_hook(keep_both, with_kwargs=True)]
    source, output = _child(module, ("qkv", *_VALUES)), _child(module, _OUTPUTS)
    assert source is not None
    assert output is not None
    return [
        source.register_forward_hook(keep_source),
        output.register_forward_pre_hook(keep_context),
    ]


def _keep_multihead(module: nn.Module, record: HeadRecord, value: Tensor) -> None:
    assert isinstance(module, nn.MultiheadAttention)
    weight = module.in_proj_weight.chunk(3)[2]
    bias = None if module.in_proj_bias is None else module.in_proj_bias.chunk(3)[2]
    with torch.no_grad():
        values = nn.functional.linear(value.detach(), weight, bias)
    record.batch_axis = 0 if module.batch_first else 1
    record.sources.append(values.movedim(record.batch_axis, 0))
    record.back = module.out_proj.weight.detach()
