"""A copy of a model whose weights are lost layer by layer, from the output down."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from interpviz.cam.engine.hooks import eval_mode, outside_inference_mode
from interpviz.cam.engine.layers import get_target_layer
from interpviz.errors import InputError
from interpviz.metrics.checks import whole_number

Stage = tuple[str, list[nn.Parameter]]
"""What one step randomises: the name of its deepest layer, and the weights."""


def copy_of(model: nn.Module) -> nn.Module:
    """A model of its own with the same weights.

    Args:
        model: Any module.

    Raises:
        InputError: It cannot be copied.
    """
    try:
        with outside_inference_mode():
            return copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"This {type(model).__name__} cannot be copied ({error}): take tensors with a graph, "
            "open files and locks off it first."
        ) from error


def stages(
    model: nn.Module, images: Tensor, layers: Sequence[str] | None, steps: int
) -> list[Stage]:
    """What to randomise step by step, beginning at the output.

    Args:
        model: The copy.
        images: What it is run on, to see the order of its layers.
        layers: Names of modules in the order wanted, or None for all that have weights.
        steps: Into how many steps all layers are grouped at most; the first is the output alone.

    Raises:
        InputError: A name comes twice, or nothing has weights.
        LayerError: There is no such layer.
    """
    if layers is not None:
        if isinstance(layers, str) or not layers or len(set(layers)) < len(layers):
            raise InputError(f"The layers are {layers!r}: pass a list of different names.")
        owners = [[(n, list(get_target_layer(model, n).parameters()))] for n in layers]
    else:
        owners = _grouped(_from_the_output(model, images), whole_number(steps, "steps", 2))
    seen: set[int] = set()
    found = []
    for group in owners:
        weights = [w for _, own in group for w in own if id(w) not in seen]
        seen.update(id(w) for w in weights)
        found.append((group[-1][0], list({id(w): w for w in weights}.values())))
    if not seen:
        raise InputError("The model has no weights that could be randomised.")
    return found


def redraw(weights: Sequence[Tensor], generator: torch.Generator) -> None:
    """Draw weights anew from a normal distribution with the mean and deviation they had.

    Args:
        weights: Changed in place; those of a single value, or all alike, stay.
        generator: On the CPU, so that all devices draw the same.
    """
    with torch.no_grad():
        for weight in weights:
            if weight.is_floating_point() and weight.numel() > 1:
                noise = torch.randn(weight.shape, generator=generator).to(weight.device)
                old = weight.float()
                weight.copy_(old.mean() + old.std(correction=0) * noise)


def _from_the_output(model: nn.Module, images: Tensor) -> list[Stage]:
    """Every module with weights of its own, the last one to run first."""
    names = {module: name for name, module in model.named_modules()}
    called: dict[nn.Module, int] = {}

    def note(module: nn.Module, _args: object) -> None:
        called.setdefault(module, len(called))

    handles = [module.register_forward_pre_hook(note) for module in names]
    try:
        with outside_inference_mode(), torch.no_grad(), eval_mode(model):
            model(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    places = {name: called[module] for module, name in names.items() if module in called}

    def place(name: str) -> int:
        # A layer whose weights are used by the module around it runs when that does.
        while name and name not in places:
            name = name.rpartition(".")[0]
        return places.get(name, 0)

    owners = [
        (name, list(module.parameters(recurse=False)))
        for module, name in names.items()
        if any(True for _ in module.parameters(recurse=False))
    ]
    inputs_first = sorted(owners, key=lambda owner: place(owner[0]))
    return [(name or "the model's own", own) for name, own in reversed(inputs_first)]


def _grouped(owners: list[Stage], steps: int) -> list[list[Stage]]:
    rest = owners[1:]
    count = min(steps - 1, len(rest))
    bounds = [round(i * len(rest) / count) for i in range(count + 1)] if count else [0]
    groups = [rest[a:b] for a, b in pairwise(bounds)]
    return [g for g in [owners[:1], *groups] if g]
