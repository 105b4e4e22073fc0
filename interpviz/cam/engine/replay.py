"""Run only what lies behind a layer, again and again, with other activations in its place."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from interpviz.cam.engine.hooks import explained, with_first
from interpviz.cam.engine.recording import Kept, record, twin
from interpviz.cam.engine.run import Run
from interpviz.cam.targets import grouped_scores
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import GradientError, InputError


class Replay:
    """What a model makes of other activations of one of its layers.

    Making one costs one run of the model up to the layer, in a throwaway copy of its modules that
    shares their parameters. There every module that is done before the layer returns what it has
    returned, the layer returns the activation asked for, and the rest runs as it is written. First
    the layer's own activation is sent through, twice in one batch: if that does not give the run's
    scores, because a model cannot be run in parts (compiled or scripted modules, modules held
    outside the module tree, operations in place that the copy cannot follow), every call runs the
    whole model instead. That is always right, but costs a forward pass of each row of each batch,
    in time and memory.

    Of a layer that runs several times the last call is meant. Nothing of the model is changed, and
    several threads may replay one model.

    Args:
        run: The run to continue.
        index: Which of its layers.
        whole: Whether to run the whole model without trying to do with less.

    Attributes:
        batch_axis: Where the images are in the layer's activation: 0, or 1 where a sequence comes
            first.
        head_only: Whether only what lies behind the layer is run.
        rounding: How far, as a share of the numbers that make a score, rounding may carry it.
    """

    def __init__(self, run: Run, index: int = 0, *, whole: bool = False) -> None:
        self._run = run
        self._activation = run.trace.activations[index].detach()
        count = run.inputs.count
        self.batch_axis = _batch_axis(self._activation.shape, count) or 0
        precision = max(torch.finfo(dtype).eps for dtype in self._dtypes())
        # Long sums add many small errors, but half precision keeps its sums in float32.
        self.rounding = 4 * precision + min(96 * precision, 1e-5)
        way = None if whole else self._shorter_way(index)
        self.head_only = way is not None
        self._way: _Way = way or _Whole(run, index)

    def output(self, activations: Tensor) -> Any:
        """What the model returns with other activations in the place of the layer's own.

        Args:
            activations: Tensor of the layer's own shape, with G times its rows: G variants of all
                images, one group after another. If it requires a gradient, so does the output.

        Returns:
            The model's output for `G * N` images.
        """
        groups = activations.shape[self.batch_axis] // self._run.inputs.count
        # An operation in place behind the layer must not change the caller's tensor.
        copies = activations.clone()
        with explained(self._run.model), torch.no_grad():
            return self._way.output(copies, groups)

    def scores(self, activations: Tensor) -> Tensor:
        """The target's scores with other activations in the place of the layer's own.

        Args:
            activations: Tensor `(G, *shape)`, G variants of the layer's activation. Operations in
                place behind the layer may change it.

        Returns:
            Tensor `(G, N)`, without a graph.
        """
        return self._scores_by(self._way, activations)

    def _scores_by(self, way: _Way, activations: Tensor) -> Tensor:
        if self._run.target is None:
            raise GradientError("This run explains no score: pass a target.")
        groups, axis = len(activations), self.batch_axis
        rows = activations.detach().movedim(0, axis).flatten(axis, axis + 1)
        with explained(self._run.model), torch.no_grad():
            output = way.output(rows, groups)
            count = self._run.inputs.count // self._run.groups
            return grouped_scores(self._run.target, output, count).reshape(groups, -1)

    def _shorter_way(self, index: int) -> _Way | None:
        try:
            recorded = _Recorded(self._run, index)
        except Exception:  # The copy of a model may fail in any way; the model itself is the judge.
            return None
        # A tensor whose rows are no whole images may be the same for all, or hold several rows of
        # each.
        for several_rows in (False, True):
            recorded.several_rows = several_rows
            if self._is_true(recorded):
                return recorded
        return None

    def _is_true(self, way: _Recorded) -> bool:
        expected = self._run.score.detach()
        try:
            found = self._scores_by(way, torch.stack([self._activation] * 2))
        except Exception:
            return False
        size = max(self._largest_logit(), float(expected.abs().max()))
        near = (found - expected).abs() <= self.rounding * size
        return way.reached and bool(near.all())

    def _logits(self) -> Tensor | None:
        try:
            return find_logits(self._run.trace.output).detach()
        except InputError:
            return None

    def _dtypes(self) -> set[torch.dtype]:
        logits = self._logits()
        found = {self._activation.dtype, self._run.score.dtype}
        return found if logits is None or not logits.is_floating_point() else {*found, logits.dtype}

    def _largest_logit(self) -> float:
        logits = self._logits()
        return 0.0 if logits is None else float(logits.abs().max())


def _batch_axis(shape: tuple[int, ...], count: int) -> int | None:
    """Where the images are among the first two axes, or None."""
    return next((axis for axis, length in enumerate(shape[:2]) if length == count), None)


class _Way(ABC):
    """A way to get from an activation to the model's output."""

    @abstractmethod
    def output(self, activations: Tensor, groups: int) -> Any:
        """The model's output for several groups of the images."""


class _Whole(_Way):
    """The model itself, with a hook that puts the activation in."""

    def __init__(self, run: Run, index: int) -> None:
        self._run = run
        self._layer = run.layers[index]
        self._last = self._count_calls()

    def output(self, activations: Tensor, groups: int) -> Any:
        images = self._run.inputs.images
        inputs = self._run.inputs.with_images(images.repeat(groups, *[1] * (images.ndim - 1)))
        owner, calls = threading.get_ident(), 0

        def replace(_module: nn.Module, _args: Any, output: Any) -> Any:
            nonlocal calls
            # Another thread may run the same model meanwhile.
            if threading.get_ident() != owner:
                return None
            calls += 1
            return _placed(output, activations) if calls == self._last else None

        handle = self._layer.register_forward_hook(replace)
        try:
            return inputs.run(self._run.model)
        finally:
            handle.remove()

    def _count_calls(self) -> int:
        owner, calls = threading.get_ident(), 0

        def count(*_args: Any) -> None:
            nonlocal calls
            calls += threading.get_ident() == owner

        handle = self._layer.register_forward_hook(count)
        try:
            with explained(self._run.model), torch.no_grad():
                self._run.inputs.run(self._run.model)
        finally:
            handle.remove()
        return calls


class _Recorded(_Way):
    """The replica of a model, whose modules up to the layer return what they have returned."""

    def __init__(self, run: Run, index: int) -> None:
        self._run = run
        layer = run.layers[index]
        self._model, self._layer, self._images, outputs = record(run.model, layer, run.inputs)
        self._stand_ins = {m: _StandIn(self, m, outputs[m]) for m in outputs}
        self._activations = run.trace.activations[index]
        self._groups = 1
        self.several_rows = False

    @property
    def reached(self) -> bool:
        """Whether the layer has returned the activation asked for."""
        return self._stand_ins[self._layer].is_done

    def output(self, activations: Tensor, groups: int) -> Any:
        self._activations, self._groups = activations, groups
        for stand_in in self._stand_ins.values():
            stand_in.calls = 0
        return self._run.inputs.with_images(self._repeated(self._images)).run(self._model)

    def returned(self, output: Any, module: nn.Module, *, is_last: bool) -> Any:
        """What a module returns in the place of what was recorded.

        Args:
            output: The recorded output.
            module: The module.
            is_last: Whether it is the last one recorded of this module.
        """
        output = tree_map(lambda v: self._repeated(v) if isinstance(v, Kept) else v, output)
        return _placed(output, self._activations) if is_last and module is self._layer else output

    def _repeated(self, kept: Kept) -> Tensor:
        count = self._run.inputs.count
        axis = _batch_axis(kept.shape, count)
        if axis is None and self.several_rows and kept.shape and kept.shape[0] % count == 0:
            axis = 0
        return kept.repeated(self._groups, axis)


class _StandIn:
    """What a twin calls as its forward: a recording, and behind its end the module again."""

    def __init__(self, recorded: _Recorded, module: nn.Module, outputs: list[Any]) -> None:
        self._recorded = recorded
        self._module = module
        self._outputs = outputs
        self._as_written = twin(module)
        self.calls = 0
        # What was recorded has been through the hooks.
        for name in [name for name in vars(module) if "_hooks" in name]:
            vars(module)[name] = OrderedDict()
        vars(module)["forward"] = self

    @property
    def is_done(self) -> bool:
        """Whether the whole recording has been returned."""
        return self.calls >= len(self._outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what was recorded, or run the module."""
        if self.is_done:
            return self._as_written(*args, **kwargs)
        self.calls += 1
        output = self._outputs[self.calls - 1]
        return self._recorded.returned(output, self._module, is_last=self.is_done)


def _placed(output: Any, activations: Tensor) -> Any:
    """A layer's output with other activations in it, and with a graph behind it if they ask so."""
    if activations.requires_grad:
        torch.set_grad_enabled(True)
    return with_first(output, activations)
