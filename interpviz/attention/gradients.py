"""One forward pass whose attention weights can be differentiated for, whatever the model froze."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import GradientEdge

from interpviz.attention.capture import AttentionCapture
from interpviz.attention.inputs import arguments
from interpviz.errors import AttentionError, GradientError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.maps import AttentionMaps

# Operations that keep every element in its place: a gradient before one has the values after it.
_RESHAPES = ("View", "UnsafeView", "ReshapeAlias", "Alias", "Squeeze", "Unsqueeze", "Clone")


@dataclass(frozen=True)
class Call:
    """One run of an attention layer.

    Attributes:
        layer: The layer's dotted name.
        weights: Shape `(batch, heads, query, key)`, in the graph of the pass.
        kind: What the layer is: `"encoder"`, `"decoder"` or `"cross"`, as in `AttentionMaps.kinds`.
    """

    layer: str
    weights: Tensor
    kind: str


@dataclass(frozen=True)
class Pass:
    """A forward pass.

    Attributes:
        output: What the model returned.
        calls: The runs of its attention layers, in the order in which they ran.
    """

    output: Any
    calls: list[Call]


@contextmanager
def differentiable_pass(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    layers: Sequence[str | int] | str | int | None = None,
) -> Iterator[Pass]:
    """Run a model once with its attention weights in the graph.

    Gradients are on inside the block. No parameter's `grad` or `requires_grad` is touched: where
    no input of the first layer is in a graph, a graph begins at that input.

    Args:
        model: The model.
        inputs: What `capture_attention` takes.
        layers: Which attention layers to keep.

    Raises:
        AttentionError: The model has no attention that can be captured, or none ran.
        LayerError: A name or an index means no attention layer.
        GradientError: The model computes without a graph of its own will.
    """
    with torch.inference_mode(False), torch.enable_grad():
        capture = AttentionCapture(model, layers, keep_graph=True)
        watch = _Watch()
        try:
            watch.attach(capture.layers)
            args, kwargs = arguments(capture.model, inputs)
            output = capture.model(
                *(_plain(value) for value in args),
                **{name: _plain(value) for name, value in kwargs.items()},
            )
            if not capture.maps:
                raise AttentionError(
                    f"None of the chosen layers of {type(capture.model).__name__} ran for these "
                    f"inputs; see {troubleshooting('attention-weights-not-captured')}."
                )
            yield Pass(output, watch.calls(capture.maps))
        finally:
            watch.remove()
            capture.remove()


def weight_gradients(score: Tensor, calls: Sequence[Call]) -> list[Tensor]:
    """The gradient of a score for the weights of every call, in one pass backwards.

    Args:
        score: One number, in the graph of the pass.
        calls: Runs of attention layers of that pass.

    Returns:
        Tensors of the shapes of the weights.

    Raises:
        GradientError: The score does not depend on one of them.
    """
    ends = [_before_reshapes(call.weights) for call in calls]
    wanted: list[Any] = []
    for call, end in zip(calls, ends, strict=True):
        wanted += [call.weights, end]
    if not score.requires_grad:
        raise GradientError(
            "The score is cut off from the attention weights: the target must be computed from "
            "the model's output without detach() or no_grad()."
        )
    found: Sequence[Tensor | None] = torch.autograd.grad(score, wanted, allow_unused=True)
    gradients = []
    for call, direct, before in zip(calls, found[::2], found[1::2], strict=True):
        # nn.MultiheadAttention returns a view of its weights, which nothing is computed from.
        gradient = before if direct is None else direct
        if gradient is None:
            raise GradientError(
                f"The score does not depend on the attention weights of '{call.layer}': leave "
                "that layer out with `layers`, or choose another target."
            )
        gradients.append(gradient.reshape(call.weights.shape))
    return gradients


def _before_reshapes(weights: Tensor) -> GradientEdge:
    """Where in the graph weights were before they were only given another shape."""
    node, number = weights.grad_fn, weights.output_nr
    assert node is not None
    while node.name().rstrip("0123456789").removesuffix("Backward") in _RESHAPES:
        (above, above_number) = node.next_functions[0]
        if above is None:
            break
        node, number = above, above_number
    return GradientEdge(node, number)


class _Watch:
    """Hooks on attention layers that note who ran when, and begin a graph where there is none."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._ran: list[str] = []

    def attach(self, layers: Mapping[str, nn.Module]) -> None:
        for name, module in layers.items():
            self._handles.append(self._on(name, module))

    def _on(self, name: str, module: nn.Module) -> Any:
        def begin(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self._ran.append(name)
            return _with_graph(args, kwargs)

        return module.register_forward_pre_hook(begin, with_kwargs=True)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def calls(self, maps: AttentionMaps) -> list[Call]:
        kinds = dict(zip(maps.layer_names, maps.kinds, strict=True))
        total, seen = Counter(self._ran), Counter[str]()
        calls = []
        for name in self._ran:
            entry = name if total[name] == 1 else f"{name}[{seen[name]}]"
            seen[name] += 1
            calls.append(Call(name, maps.weights[entry], kinds[entry]))
        for call in calls:
            if not call.weights.requires_grad:
                raise GradientError(
                    f"The weights of '{call.layer}' are in no graph, because they are computed "
                    "under no_grad(), by the model itself or by reentrant gradient checkpointing: "
                    "take that out, or switch it off."
                )
        return calls


def _with_graph(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The same arguments, the states among them in a graph; None where one already is."""
    tensors = [
        value
        for value in (*args, *kwargs.values())
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    ]
    if not tensors or any(tensor.requires_grad for tensor in tensors):
        return None
    states = tensors[0]
    # A copy, because a layer may write into its input, which a leaf of a graph forbids.
    begun = states.detach().requires_grad_().clone()

    def swapped(value: Any) -> Any:
        return begun if value is states else value

    return tuple(map(swapped, args)), {name: swapped(value) for name, value in kwargs.items()}


def _plain(value: Any) -> Any:
    """A tensor that autograd can keep, of one made under inference_mode."""
    if isinstance(value, torch.Tensor) and value.is_inference():
        return value.clone()
    return value
