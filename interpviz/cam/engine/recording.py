"""A copy of a model's modules, and a recording of what they return on the way to a layer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from interpviz.cam.engine.hooks import explained, first_tensor, with_first
from interpviz.cam.engine.inputs import Inputs

_ASKS_ONLY = frozenset(
    [
        *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device")),
        *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.__len__, Tensor.is_floating_point),
    ]
)
"""What reads no value of a tensor."""


class NotRecordedError(Exception):
    """The way of a model to a layer cannot be recorded."""


def twin(module: nn.Module) -> nn.Module:
    """A module of its own that shares parameters, buffers and children with another one.

    It is in eval mode and not compiled; it has the same hooks, which can be taken from it.

    Args:
        module: Any module.
    """
    copy: nn.Module = object.__new__(type(module))
    vars(copy).update(vars(module))
    for name, value in vars(module).items():
        if name in ("_parameters", "_buffers", "_modules") or "_hooks" in name:
            vars(copy)[name] = value.copy() if isinstance(value, dict) else value
    vars(copy).update(training=False, _compiled_call_impl=None)
    return copy


def replica(model: nn.Module) -> dict[nn.Module, nn.Module]:
    """Twins of all modules of a model, which have each other as children.

    Args:
        model: The model.

    Returns:
        The twin of each module.

    Raises:
        NotRecordedError: A module is not written in Python.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise NotRecordedError
    twins = {module: twin(module) for module in model.modules()}
    for copy in twins.values():
        for name, child in copy._modules.items():
            copy._modules[name] = None if child is None else twins[child]
    return twins


@dataclass
class Kept:
    """A tensor that a module returned; its values only if anything asked for them.

    Attributes:
        of: The tensor itself, as long as the model holds it.
        shape: Its shape.
        dtype: Its type.
        device: Where it is.
        value: A copy of it, which no later operation in place can change.
    """

    of: Callable[[], Tensor | None]
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    value: Tensor | None = None

    @classmethod
    def note(cls, tensor: Tensor) -> Kept:
        """Remember a tensor without holding it."""
        return cls(weakref.ref(tensor), tuple(tensor.shape), tensor.dtype, tensor.device)

    def repeated(self, groups: int, axis: int | None) -> Tensor:
        """The tensor for several groups of images, one after another.

        Args:
            groups: How many.
            axis: Where the images are, or None where the tensor is the same for all.

        Returns:
            A tensor that may be written to; of one that nobody asked for, only the shape.
        """
        times = [groups if place == axis else 1 for place in range(len(self.shape))]
        if self.value is not None:
            return self.value.repeat(times)
        shape = [length * n for length, n in zip(self.shape, times, strict=True)]
        nothing = float("nan") if self.dtype.is_floating_point else 0
        return torch.full((), nothing, dtype=self.dtype, device=self.device).expand(shape)


@dataclass(eq=False)
class Call:
    """One call of a module.

    Attributes:
        module: The twin that was called.
        outer: The call that it was made in.
        inner: The calls made in it, where they matter.
        output: What it returned, with `Kept` for each tensor.
    """

    module: nn.Module | None
    outer: Call | None = None
    inner: list[Call] = field(default_factory=list)
    output: Any = None


class Recorder(TorchFunctionMode):
    """Watches a run of a replica, and keeps what is needed to start again at a layer.

    That is what the modules returned that were done before the layer was. What they were made from
    need not be kept, unless a module that holds the layer, or one that runs after it, works with
    it.
    """

    def __init__(self, model: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.around = _around(model, layer)
        self.start = Call(None)
        self.reached: Call | None = None
        self._open: list[Call | None] = [self.start]
        self._kept: dict[int, list[Kept]] = {}

    def run(self, model: nn.Module, inputs: Inputs) -> Kept:
        """Run the replica and record it.

        Args:
            model: The twin of the model.
            inputs: What it is called with.

        Returns:
            The images, as one of the tensors that the run began with.
        """
        images = self._keep(inputs.images)
        if inputs.listed:
            images.value = inputs.images
        handles = []
        for module in model.modules():
            handles.append(module.register_forward_pre_hook(self._enter, prepend=True))
            handles.append(module.register_forward_hook(self._leave))
        try:
            with torch.no_grad(), self:
                inputs.run(model)
        finally:
            for handle in handles:
                handle.remove()
        return images

    def calls_before(self) -> dict[nn.Module, list[Any]]:
        """What each module has returned, in order, up to the last call of the layer.

        Calls made inside a call that is listed are left out.

        Raises:
            NotRecordedError: The layer was not seen to be called.
        """
        if self.reached is None:
            raise NotRecordedError
        way: list[Call] = []
        call: Call | None = self.reached
        while call is not None:
            way.append(call)
            call = call.outer
        found: dict[nn.Module, list[Any]] = {}
        for outer, towards in zip(way[:0:-1], way[-2::-1], strict=True):
            for inner in outer.inner[: outer.inner.index(towards)]:
                found.setdefault(_module(inner), []).append(inner.output)
        for kept in tree_leaves(self.reached.output)[:1]:
            # Other activations take its place.
            kept.value = None
        found.setdefault(self.layer, []).append(self.reached.output)
        return found

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if self._matters() and func not in _ASKS_ONLY:
            for value in tree_leaves((args, kwargs)):
                if isinstance(value, Tensor):
                    self._keep_value(value)
        return func(*args, **(kwargs or {}))

    def _keep_value(self, tensor: Tensor) -> None:
        for kept in self._kept.get(id(tensor), ()):
            if kept.value is None and kept.of() is tensor:
                kept.value = tensor.clone()

    def _matters(self) -> bool:
        """Whether what is computed now may be computed again."""
        return self.reached is not None or self._is_around(self._open[-1])

    def _is_around(self, call: Call | None) -> bool:
        return call is not None and (call is self.start or call.module in self.around)

    def _enter(self, module: nn.Module, _args: Any) -> None:
        outer = self._open[-1]
        call = Call(module, outer) if outer is not None and self._is_around(outer) else None
        if outer is not None and call is not None:
            outer.inner.append(call)
        self._open.append(call)

    def _leave(self, module: nn.Module, _args: Any, output: Any) -> Any:
        if module is self.layer:
            # What comes of the layer is told from what it was made of, even in place.
            tensor = first_tensor(output)
            output = output if tensor is None else with_first(output, tensor.clone())
        call = self._open.pop()
        if call is not None:
            call.output = tree_map(self._keep_tensor, output)
            self.reached = call if module is self.layer else self.reached
        return output

    def _keep_tensor(self, value: Any) -> Any:
        return self._keep(value) if isinstance(value, Tensor) else value

    def _keep(self, tensor: Tensor) -> Kept:
        kept = Kept.note(tensor)
        # The id of a tensor that is gone may come again.
        alive = [k for k in self._kept.get(id(tensor), ()) if k.of() is tensor]
        self._kept[id(tensor)] = [*alive, kept]
        return kept


def _around(model: nn.Module, layer: nn.Module) -> set[nn.Module]:
    """The modules that hold a layer."""
    found: set[nn.Module] = set()
    for name, module in model.named_modules(remove_duplicate=False):
        if module is layer and name:
            parts = name.split(".")
            found |= {model.get_submodule(".".join(parts[:n])) for n in range(len(parts))}
    return found


def _module(call: Call) -> nn.Module:
    assert call.module is not None
    return call.module


def record(
    model: nn.Module, layer: nn.Module, inputs: Inputs
) -> tuple[nn.Module, nn.Module, Kept, dict[nn.Module, list[Any]]]:
    """Record a run of a model up to a layer.

    Args:
        model: The model, of which nothing is changed.
        layer: One of its modules.
        inputs: What the model is called with.

    Returns:
        The model's twin, the layer's twin, the images, and what each twin has returned, in order,
        up to the last call of the layer.

    Raises:
        NotRecordedError: It cannot be done.
    """
    twins = replica(model)
    recorder = Recorder(twins[model], twins[layer])
    with explained(model):
        images = recorder.run(twins[model], inputs)
    return twins[model], twins[layer], images, recorder.calls_before()
