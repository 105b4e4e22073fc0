"""The forward passes of a model whose attention layers are watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.attaching import Crossings, attach_layers, later_weights
from interpviz.attention.maps import AttentionMaps, LayerWeights
from interpviz.attention.selection import head_index
from interpviz.errors import LayerError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.kernels import Record

_Runs = dict[str, list[tuple["Tensor", "Tensor | None", str, tuple[int, ...]]]]

Heads = int | Sequence[int] | Mapping[str | int, int | Sequence[int]] | None
"""Which heads to keep: of all layers, or by layer name or index; None keeps all."""


class Passes:
    """The forward passes of a model with a capture.

    Args:
        names: The names of the captured layers.
        keep_graph: Whether weights stay in the graph.
        heads: Which heads to keep: of all layers, or by layer name or index; None keeps all.
    """

    def __init__(self, names: list[str], keep_graph: bool, heads: Heads = None) -> None:
        self.names, self.keep_graph = names, keep_graph
        self.heads = _by_layer(heads, names)
        self.maps: AttentionMaps | None = None
        self.crossings = Crossings()
        self.all: list[AttentionMaps] | None = None
        self._runs: _Runs | None = None
        self._outside: _Runs = {}
        self._fastpath: list[bool] = []

    def attach(self, model: nn.Module, layers: Mapping[str, nn.Module], undo: ExitStack) -> None:
        """Watch a model.

        Args:
            model: The model.
            layers: Its layers to capture.
            undo: Gets what gives the model back as it was.
        """
        # The outermost hooks come first, so that a pass is open before any layer records.
        undo.callback(model.register_forward_pre_hook(self._begin, prepend=True).remove)
        for name, module in layers.items():
            undo.push(self.crossings.watch(name, module))
        undo.push(attach_layers(model, layers, {name: self._recorder(name) for name in layers}))
        undo.callback(model.register_forward_hook(self._end, always_call=True).remove)

    def _recorder(self, name: str) -> Record:
        def record(
            weights: Tensor, visible: Tensor | None = None, causal: bool | None = None
        ) -> None:
            runs = self._runs
            if runs is None:
                # Layers also run outside a pass: when gradient checkpointing computes them again,
                # and in an encoder that is run by itself before a text is written.
                if self.all is None:
                    return
                runs = self._outside
            if causal is None and visible is None and weights.shape[-2] > 1:
                causal = not later_weights(weights.detach())
            kind = self.crossings.kind(name, weights.shape[-2], visible, causal)
            kept = tuple(head_index(one, weights.shape[1]) for one in self.heads.get(name, ()))
            if kept:
                weights = weights[:, list(kept)]
                if visible is not None and visible.shape[1] > 1:
                    visible = visible[:, list(kept)]
            weights = weights if self.keep_graph else weights.detach()
            runs.setdefault(name, []).append((weights, visible, kind, kept))

        return record

    def finished(self) -> list[AttentionMaps]:
        """The maps of all passes, if they are kept."""
        if self._outside and self.all is not None:
            self.all.append(self._as_maps(self._outside))
            self._outside = {}
        return self.all or []

    def _begin(self, _module: nn.Module, _args: tuple[Any, ...]) -> None:
        self.finished()
        self._runs = {}
        self.maps = None
        # The fast path of nn.TransformerEncoder packs sequences into a form without weights.
        self._fastpath.append(torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)

    def _end(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        if self._fastpath:
            torch.backends.mha.set_fastpath_enabled(self._fastpath.pop())
        runs, self._runs = self._runs, None
        if output is None or runs is None:  # the model raised
            return
        self.maps = self._as_maps(runs)
        if self.all is not None:
            self.all.append(self.maps)

    def _as_maps(self, runs: _Runs) -> AttentionMaps:
        weights: dict[str, Tensor] = {}
        visible: dict[str, Tensor] = {}
        heads: dict[str, tuple[int, ...]] = {}
        kinds: list[str] = []
        for layer in self.names:
            calls = runs.get(layer, [])
            for n, (one, seen, kind, kept) in enumerate(calls):
                name = layer if len(calls) == 1 else f"{layer}[{n}]"
                weights[name] = one
                kinds.append(kind)
                if seen is not None:
                    visible[name] = seen
                if kept:
                    heads[name] = kept
        return AttentionMaps(
            LayerWeights(weights), kinds=tuple(kinds), visible=visible, heads=heads
        )


def _by_layer(heads: Heads, names: list[str]) -> dict[str, Sequence[int]]:
    """The heads to keep of each layer that does not keep all."""

    def listed(some: int | Sequence[int]) -> Sequence[int]:
        some = some if isinstance(some, Sequence) else [some]
        if not some:
            raise LayerError("The list of heads is empty: name at least one, or pass None for all.")
        return some

    if heads is None:
        return {}
    if not isinstance(heads, Mapping):
        return dict.fromkeys(names, listed(heads))
    places = LayerWeights(dict.fromkeys(names))  # type: ignore[arg-type]
    return {places.name_of(layer): listed(some) for layer, some in heads.items()}
