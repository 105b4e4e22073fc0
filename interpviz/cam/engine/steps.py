"""The steps of one run of a model, and which of them is worth explaining."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.engine.grids import Layout, as_grid
from interpviz.cam.engine.hooks import explained, first_tensor, with_first
from interpviz.cam.engine.inputs import Inputs


@dataclass(frozen=True)
class Step:
    """A module that finished, and what it handed on.

    Attributes:
        module: The module.
        name: Its dotted name.
        output: Its output, or the first tensor of it.
        adds: Whether the module made something of its own: it neither pools nor passes on.
    """

    module: nn.Module
    name: str
    output: Tensor
    adds: bool


def watch(model: nn.Module, inputs: Inputs) -> tuple[list[Step], Any]:
    """Run a model and keep what each of its modules hands on.

    Args:
        model: The model, unwrapped.
        inputs: What it is called with.

    Returns:
        The steps in the order in which they finished, and the model's output, with a graph. Where
        the model turns gradients off for a while, there are no steps, and the graph starts anew.
    """
    steps: list[Step] = []
    pooled: set[int] = set()
    owner = threading.get_ident()
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _args: Any, output: Any) -> Any:
        tensor = first_tensor(output)
        usable = tensor is not None and tensor.is_floating_point() and torch.is_grad_enabled()
        # Another thread may run the same model meanwhile.
        if tensor is None or not usable or threading.get_ident() != owner:
            return None
        known = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        # Each module hands on a tensor of its own, so that one whose output nobody reads, such as
        # the hidden state beside a pooled one, is told from one inside it. A view takes no memory,
        # and unlike a leaf it may be changed in place.
        handed_on = known.view_as(known)
        if _is_called(module, "Pool") or id(tensor) in pooled:
            pooled.add(id(handed_on))
        passes = isinstance(module, nn.Identity) or _is_called(module, "Drop")
        adds = id(handed_on) not in pooled and not passes
        steps.append(Step(module, names[module], handed_on, adds))
        return with_first(output, handed_on)

    handles = [m.register_forward_hook(note) for m in names if m is not model]
    try:
        with explained(model):
            output = inputs.run(model)
    finally:
        for handle in handles:
            handle.remove()
    return steps, output


def _is_called(module: nn.Module, word: str) -> bool:
    return word in type(module).__name__ and not any(module.children())


def choose(
    steps: Sequence[Step], score: Tensor, images: Tensor, layout: Layout
) -> nn.Module | None:
    """The last module with a grid at many of whose positions a score has a gradient.

    Args:
        steps: The steps of a run on one image.
        score: A score of its output.
        images: The image `(1, C, H, W)` that it began with.
        layout: How activations lie on the image.

    Returns:
        The module, or None. Where all gradients vanish, as behind ReLUs that are all zero, it is
        the last one whose output is a grid already; of tokens, nothing can be said then.
    """
    sees = _comes_from(score, images)
    for step in reversed(_candidates(steps, layout)):
        gradient = _gradient(score, step.output)
        # A text tower has tokens and gradients, but none from the image.
        if gradient is None or (sees and not _comes_from(step.output, images)):
            continue
        if _is_wide(as_grid(gradient, step.name, layout)):
            return step.module
        if not gradient.any() and _is_zero(_gradient(score, images)):
            return step.module if step.output.ndim > 3 else None
    return None


def _comes_from(tensor: Tensor, leaf: Tensor) -> bool:
    """Whether a tensor was computed from a leaf of its graph."""
    waiting = [tensor.grad_fn]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if getattr(node, "variable", None) is leaf:
            return True
        before = {n for n, _ in node.next_functions if n is not None} if node else set()
        waiting.extend(before - seen)
        seen |= before
    return False


def _is_zero(gradient: Tensor | None) -> bool:
    return gradient is not None and not bool(gradient.any())


def _candidates(steps: Sequence[Step], layout: Layout) -> list[Step]:
    gridded = [step for step in steps if step.adds and _has_grid(step, layout)]
    tokens = [step for step in gridded if step.output.ndim == 3]
    lengths = {max(step.output.shape[:2]) for step in tokens}
    # What blocks add to has the shape that is normalised; an attention's inner layers may not.
    norms = [step for step in tokens if _is_norm(step.module)]
    stream = {step.output.shape for step in norms or tokens}

    def may_be_chosen(step: Step) -> bool:
        if step.output.ndim > 3:
            # Attention weights and the queries and keys of each head have an axis of tokens.
            return lengths.isdisjoint(step.output.shape[1:3])
        is_block = any(step.module.children()) and step.output.shape in stream
        return is_block or _is_norm(step.module)

    return [step for step in gridded if may_be_chosen(step)]


def _has_grid(step: Step, layout: Layout) -> bool:
    try:
        return len(as_grid(step.output.detach(), step.name, layout)) == 1
    # A user's function may be meant for one layer, and stumble over all others.
    except (ValueError, RuntimeError, IndexError):
        return False


def _is_norm(module: nn.Module) -> bool:
    return "Norm" in type(module).__name__


def _gradient(score: Tensor, tensor: Tensor) -> Tensor | None:
    # The later layers are asked first, so most of these backward passes are short.
    return torch.autograd.grad(score, tensor, retain_graph=True, allow_unused=True)[0]


def _is_wide(gradient: Tensor) -> bool:
    """Whether a gradient is more than that of a single position which the score reads."""
    positions = gradient.ne(0).flatten(2).any(1).sum().item()
    return positions > max(1, gradient[0, 0].numel() // 50)
