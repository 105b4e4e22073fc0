"""How much each head counts: by the gradient of its mask, or by switching it off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from interpviz.attention.ablation import head_count, mask_heads, plain_attention
from interpviz.attention.explained import (
    Explained,
    Position,
    Target,
    choose,
    explain,
    find_logits,
)
from interpviz.attention.gradients import differentiable_pass, weight_gradients
from interpviz.attention.inputs import arguments
from interpviz.attention.layers import chosen_layers, unwrapped
from interpviz.attention.modules import is_multihead
from interpviz.attention.stacks import sort_calls
from interpviz.errors import InputError, TargetError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.gradients import Pass


def head_importance(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    target: Target = None,
    *,
    method: Literal["gradient", "ablation"] = "gradient",
    position: Position = None,
    layers: Sequence[str | int] | str | int | None = None,
    batch_size: int = 64,
) -> Tensor:
    r"""How much a loss depends on each head.

    With a mask m(h) = 1 on what head h computed, before the output projection of its layer, and
    the loss L(x) of a sequence x:

    - `"gradient"`: `I(h) = mean over x of |dL(x)/dm(h)|`, for all heads in one forward and one
      backward pass. What a head computed is linear in its weights A(h), so this derivative is the
      sum of `A(h) * dL/dA(h)` over queries and keys.
    - `"ablation"`: `I(h) = mean over x of L(x, m(h) = 0) - L(x)`, above 0 where the loss grows
      without the head. All heads of a layer run in one batch where they can.

    Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019. The paper
    divides the gradient's scores of each layer by their Euclidean norm before it compares layers:
    `torch.nn.functional.normalize(importance, dim=1)`.

    Args:
        model: A transformers model with a head, or any model that holds `nn.MultiheadAttention`
            or timm attention blocks. Call `model.eval()` first: dropout is noise here.
        inputs: What the model takes, as for `capture_attention`; the batch comes first.
        target: What the loss is. A class, or a token of the vocabulary, by number; one number a
            sequence; or None for the most probable one: the loss is its negative log-probability.
            Or a function that takes the model's output and gives the losses, one a sequence in
            shape `(batch,)`, or their mean as one number.
        method: `"gradient"` or `"ablation"`.
        position: The token whose logits are meant, as in
            [`relevance`][interpviz.attention.relevance].
        layers: Which attention layers to measure; None for all.
        batch_size: How many sequences to run at once at most when heads are switched off. Heads
            run one by one where the output holds a number for the whole batch (such as
            transformers' `loss`, which cannot be told apart by head), and in models with an
            `nn.MultiheadAttention` that takes the batch in second place.

    Returns:
        Shape `(layers, heads)`, float32, or float64 where the model is, in the order in which the
        model holds its layers, on the device of the logits or losses. Not below 0 for
        `"gradient"`. NaN where a layer has fewer heads than another. A layer that runs several
        times (ALBERT) is one row, for all its runs together.

    Raises:
        AttentionError: The model has no attention that can be captured, or its heads cannot be
            switched off.
        GradientError: The loss does not depend on the weights of a layer.
        InputError: There is no such method or position.
        LayerError: A name or an index means no attention layer.
        TargetError: There is no such class or token, or the losses have another shape.

    Example:
        >>> importance = head_importance(model, inputs, method="ablation")
        >>> divmod(int(importance.argmax()), importance.shape[1])  # layer and head
    """
    if method not in {"gradient", "ablation"}:
        raise InputError(f"method is 'gradient' or 'ablation', not {method!r}.")
    inner = unwrapped(model)
    chosen = chosen_layers(inner, layers)
    if method == "ablation" and callable(target):
        loss = choose(None, target, torch.zeros(0, dtype=torch.long))
        return _by_ablation(inner, inputs, loss, chosen, batch_size)
    with differentiable_pass(inner, inputs, layers) as run:
        loss = _loss(run, target, position, inputs)
        if method == "gradient":
            return _by_gradient(run, loss.losses(run.output), chosen, inputs)
    return _by_ablation(inner, inputs, loss, chosen, batch_size)


def _loss(run: Pass, target: Target, position: Position, inputs: Any) -> Explained:
    # Only where logits are read at one of many tokens must the layers be understood.
    if callable(target) or find_logits(run.output).dim() == 2:
        return choose(run.output, target, torch.zeros(0, dtype=torch.long))
    return explain(run.output, target, position, sort_calls(run.calls), inputs)


def _by_gradient(run: Pass, losses: Tensor, chosen: Mapping[str, nn.Module], inputs: Any) -> Tensor:
    samples = _samples(chosen, inputs, len(run.calls[0].weights))
    _require_losses(losses, samples)
    # One number for the batch is a mean, and each sequence has its share in it.
    total = losses.sum() * (samples if losses.dim() == 0 else 1)
    gradients = weight_gradients(total, run.calls)
    rows: dict[str, Tensor] = {}
    with torch.no_grad():
        for call, gradient in zip(run.calls, gradients, strict=True):
            wide = torch.promote_types(gradient.dtype, torch.float32)
            slope = (call.weights.to(wide) * gradient.to(wide)).sum((-2, -1))
            # Windows of one image lie in the batch, one after the other.
            slope = slope.reshape(samples, -1, slope.shape[-1]).sum(1)
            rows[call.layer] = rows[call.layer] + slope if call.layer in rows else slope
        means = [rows[name].abs().mean(0).to(losses.device) for name in chosen if name in rows]
    return torch.nn.utils.rnn.pad_sequence(means, batch_first=True, padding_value=torch.nan)


def _by_ablation(
    model: nn.Module,
    inputs: Any,
    loss: Explained,
    chosen: Mapping[str, nn.Module],
    batch_size: int,
) -> Tensor:
    args, kwargs = arguments(model, inputs)
    with torch.no_grad(), plain_attention(model):
        output = model(*args, **kwargs)
        intact = loss.losses(output)
        samples = _samples(chosen, inputs, len(intact) if intact.dim() else 1)
        _require_losses(intact, samples)
        alone = _any_scalar(output) or any(map(_batch_second, chosen.values()))
        at_once = 1 if alone else max(1, batch_size // samples)
        rows = []
        for name, module in chosen.items():
            changes = []
            others = ~torch.eye(head_count(name, module), dtype=torch.bool)
            for start in range(0, len(others), at_once):
                keep = others[start : start + at_once]
                with mask_heads(name, module, keep):
                    parts = _run_parts(model, args, kwargs, samples, len(keep))
                changes += [(loss.losses(part) - intact).mean() for part in parts]
            rows.append(torch.stack(changes))
    wide = torch.promote_types(intact.dtype, torch.float32)
    rows = [row.to(wide) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=torch.nan)


def _run_parts(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], samples: int, count: int
) -> Iterator[Any]:
    """Run the batch several times over in one, and give the output of each time."""

    def repeated(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dim() and len(value) == samples:
            return value.repeat(count, *(1,) * (value.dim() - 1))
        return value

    if count == 1:
        return iter([model(*args, **kwargs)])
    output = model(*map(repeated, args), **{name: repeated(v) for name, v in kwargs.items()})
    return (_part(output, n, count) for n in range(count))


def _part(output: Any, number: int, count: int) -> Any:
    """One of several equal parts of a batch's output, in the shape of the whole."""
    if isinstance(output, torch.Tensor):
        return output.tensor_split(count)[number] if output.dim() else output
    if isinstance(output, Mapping):
        parts = {key: _part(value, number, count) for key, value in output.items()}
        # Output objects of transformers are built from names, plain mappings from pairs.
        return type(output)(**parts)
    if isinstance(output, (tuple, list)):
        items = [_part(value, number, count) for value in output]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    return output


def _any_scalar(output: Any) -> bool:
    """Whether an output holds a number for the batch as a whole."""
    if isinstance(output, torch.Tensor):
        return output.dim() == 0
    if isinstance(output, Mapping):
        return any(map(_any_scalar, output.values()))
    return isinstance(output, (tuple, list)) and any(map(_any_scalar, output))


def _samples(chosen: Mapping[str, nn.Module], inputs: Any, otherwise: int) -> int:
    """How many sequences the inputs hold."""
    values = inputs.values() if isinstance(inputs, Mapping) else inputs
    if isinstance(inputs, torch.Tensor):
        values = [inputs]
    first = next((v for v in values if isinstance(v, torch.Tensor) and v.dim()), None)
    if first is None or any(map(_batch_second, chosen.values())):
        return otherwise
    return len(first)


def _batch_second(module: nn.Module) -> bool:
    return is_multihead(module) and not module.batch_first


def _require_losses(losses: Any, samples: int) -> None:
    if not isinstance(losses, torch.Tensor) or losses.shape not in {(), (samples,), (samples, 1)}:
        shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise TargetError(
            f"The target gave {shape}, but it must give one loss for each of the {samples} "
            "sequences, or their mean."
        )
