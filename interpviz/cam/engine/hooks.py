"""Run a model up to a layer without a graph, and on from there with one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from interpviz.cam.engine.inputs import Inputs
from interpviz.errors import GradientError, LayerError, troubleshooting


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that a layer's output is, or begins with."""
    if isinstance(output, Mapping):
        return next((part for part in output.values() if isinstance(part, Tensor)), None)
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


_lock = threading.Lock()
_explained: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
_training: WeakKeyDictionary[nn.Module, list[nn.Module]] = WeakKeyDictionary()
_eager: list[Any] = []


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every module into eval mode, and each back as it was.

    Where threads explain one model at the same time, the last one to finish puts it back.
    """
    with _lock:
        _explained[model] = _explained.get(model, 0) + 1
        if _explained[model] == 1:
            _training[model] = [module for module in model.modules() if module.training]
            for module in _training[model]:
                module.training = False
    try:
        yield
    finally:
        with _lock:
            _explained[model] -= 1
            if not _explained[model]:
                del _explained[model]
                for module in _training.pop(model):
                    module.training = True


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Run what is compiled inside a model as it was written: compiled code calls no new hooks.

    The setting is the whole process's, so where threads explain compiled models at the same time,
    the last one to finish puts it back.

    Args:
        model: A model that may have called `compile()` on itself, or hold compiled modules.
    """
    if all(m._compiled_call_impl is None and not hasattr(m, "_orig_mod") for m in model.modules()):
        yield
        return
    with _lock:
        _eager.append(torch.compiler.set_stance("force_eager") if not _eager else None)
    try:
        yield
    finally:
        with _lock:
            if len(_eager) == 1:
                _eager[0].__exit__(None, None, None)
                _eager.clear()
            else:
                _eager.pop()


@contextmanager
def explained(model: nn.Module) -> Iterator[None]:
    """A model as it is explained: in eval mode, and nothing of it compiled."""
    with eval_mode(model), uncompiled(model):
        yield


@dataclass
class Trace:
    """One run of a model, ready to be differentiated at the chosen layers.

    Attributes:
        output: What the model returned.
        activations: What each layer returned, in the order of the layers asked for.
        names: The layers' names, for messages.
    """

    output: Any
    activations: list[Tensor]
    names: list[str]

    def gradients(
        self, score: Tensor, *, again: bool = False, differentiable: bool = False
    ) -> list[Tensor]:
        """The gradient of a score for each layer's activation, and for nothing else.

        Args:
            score: One score an image `(N,)`. No image's score depends on another image, so their
                sum has all their gradients at once.
            again: Whether another score of this run will be differentiated after this one.
            differentiable: Whether the gradients themselves will be differentiated.

        Returns:
            One tensor a layer, of its activation's shape.

        Raises:
            GradientError: The score does not depend on one of the layers.
        """
        link = troubleshooting("no-gradients")
        if not score.requires_grad:
            raise GradientError(
                f"No gradient reaches layer '{self.names[0]}': the model turns gradients off after "
                "it (`torch.no_grad()` or `.detach()`, in the model or in the target function); "
                f"take that out, or pick a later layer. See {link}"
            )
        found = torch.autograd.grad(
            score,
            self.activations,
            grad_outputs=torch.ones_like(score),
            retain_graph=again or differentiable,
            create_graph=differentiable,
            allow_unused=True,
        )
        for gradient, name in zip(found, self.names, strict=True):
            if gradient is None:
                raise GradientError(
                    f"The score does not depend on layer '{name}': pick a layer that lies on the "
                    f"way to the model's output, without a `.detach()` behind it. See {link}"
                )
        return [g for g in found if g is not None]


def run_to_layers(
    model: nn.Module, layers: Sequence[nn.Module], names: Sequence[str], inputs: Inputs
) -> Trace:
    """Run a model so that scores can be differentiated at some of its layers.

    Up to the first of the layers nothing is recorded, so memory stays that of inference; the
    activation kept is the last one where a layer runs several times. Each layer hands on a copy,
    so an operation that works in place behind it cannot change what was kept.

    Args:
        model: The model, unwrapped.
        layers: The layers, in any order.
        names: Their names, for messages.
        inputs: What the model is called with.

    Returns:
        The run. Nothing of the model is changed, and no hook stays on it.

    Raises:
        LayerError: A layer was not reached, or does not return a tensor.
    """
    kept: dict[int, Tensor] = {}
    owner = threading.get_ident()

    def hook(index: int) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> Any:
            # Another thread may run the same model meanwhile.
            if threading.get_ident() != owner:
                return None
            _refuse_several_grids(output, names[index])
            activation = first_tensor(output)
            if activation is None:
                raise LayerError(
                    f"Layer '{names[index]}' returns {type(output).__name__}, not a tensor: pick "
                    "a layer inside it."
                )
            torch.set_grad_enabled(True)
            if all(i == index for i in kept):
                activation = activation.detach().requires_grad_()
            kept[index] = activation
            copy = activation.clone()
            return with_first(output, copy)

        return keep

    with ExitStack() as undo:
        for index, layer in enumerate(layers):
            undo.callback(_hooked(layer, hook(index), names[index]).remove)
        with explained(model), torch.no_grad():
            output = inputs.run(model)
    for index, name in enumerate(names):
        if index not in kept:
            raise LayerError(
                f"Layer '{name}' was not used when the model ran: pick a layer that lies on the "
                "way to the model's output (traced models do not call their layers: pass the "
                "original one)."
            )
    return Trace(output, [kept[i] for i in range(len(layers))], list(names))


def _hooked(layer: nn.Module, hook: Any, name: str) -> Any:
    try:
        return layer.register_forward_hook(hook)
    except RuntimeError as error:
        raise LayerError(
            f"Layer '{name}' is scripted, and scripted modules call no hooks: pass the original "
            "model."
        ) from error


def _refuse_several_grids(output: Any, name: str) -> None:
    if not isinstance(output, Mapping | list):
        return
    parts = output.values() if isinstance(output, Mapping) else output
    grids = sum(isinstance(part, Tensor) and part.ndim >= 4 for part in parts)
    if grids > 1:
        raise LayerError(
            f"Layer '{name}' returns {grids} grids: name the layer inside it that makes the one to "
            "explain."
        )


def with_first(output: Any, tensor: Tensor) -> Any:
    """A layer's output with another tensor in the place of its first.

    Args:
        output: A tensor, a tuple, named tuple or list that begins with one, or a mapping with one.
        tensor: The new one.
    """
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        changed: Any = copy(output)
        changed[next(k for k, part in output.items() if isinstance(part, Tensor))] = tensor
        return changed
    rest = (tensor, *output[1:])
    return type(output)(*rest) if hasattr(output, "_fields") else type(output)(rest)


@contextmanager
def outside_inference_mode() -> Iterator[None]:
    """Leave `torch.inference_mode`, in which nothing can be differentiated."""
    with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():
        yield
