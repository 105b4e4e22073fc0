"""Which number of a model's output is explained, and at which token it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from interpviz.attention.stacks import Stacks
from interpviz.errors import AttentionError, InputError, TargetError

if TYPE_CHECKING:
    from torch import Tensor

Target: TypeAlias = "int | Sequence[int] | Tensor | Callable[[Any], Tensor] | None"
Position: TypeAlias = "int | Sequence[int] | Tensor | None"


@dataclass(frozen=True)
class Explained:
    """A class of the model, or a token of its vocabulary at one position, a sequence.

    Attributes:
        position: The token whose row explains the score, shape `(batch,)`.
        target: The class or token, shape `(batch,)`; None for a score of the user's own.
        score: The user's own score.
    """

    position: Tensor
    target: Tensor | None
    score: Callable[[Any], Tensor] | None

    def scores(self, output: Any) -> Tensor:
        """The explained logits, shape `(batch,)`, or what the user's own score gives.

        Args:
            output: What the model returned for the same sequences.
        """
        if self.score is not None:
            return self.score(output)
        return _at(self._logits(output), self.target)

    def losses(self, output: Any) -> Tensor:
        """The negative log-probabilities of the target, or what the user's own loss gives.

        Args:
            output: What the model returned for the same sequences.
        """
        if self.score is not None:
            return self.score(output)
        logits = self._logits(output)
        wide = torch.promote_types(logits.dtype, torch.float32)
        return -_at(logits.to(wide).log_softmax(-1), self.target)

    def _logits(self, output: Any) -> Tensor:
        return _rows(find_logits(output), self.position)


def explain(
    output: Any, target: Target, position: Position, stacks: Stacks, inputs: Any
) -> Explained:
    """Settle what is explained, and at which token.

    Args:
        output: What the model returned.
        target: What the user wrote.
        position: Where the score is read, or None.
        stacks: The runs of the model's attention layers.
        inputs: The model's inputs, for their padding mask.

    Raises:
        AttentionError: The layers attend within windows.
        TargetError: There is no such class or token, or not one a sequence.
        InputError: There is no such position, or it must be given.
    """
    weights = stacks.own[0].weights
    batch, tokens = len(weights), weights.shape[-1]
    logits = None if callable(target) else find_logits(output)
    if logits is not None:
        _require_rows(logits, batch, tokens)
    causal = tokens == 1 or all(call.kind == "decoder" for call in stacks.own)
    if position is not None:
        place = _one_each(position, batch, tokens, "position", InputError)
    elif causal:
        mask = "decoder_attention_mask" if stacks.cross else "attention_mask"
        real = _real(inputs, mask, batch, tokens)
        place = tokens - 1 - real.flip(-1).int().argmax(-1)
    elif logits is not None and logits.dim() > 2:
        raise InputError(
            "The model gives logits for every token and sees in both directions: say with "
            "`position` which token is meant."
        )
    else:
        place = torch.zeros(batch, dtype=torch.long)
    return choose(output, target, place.to(weights.device))


def choose(output: Any, target: Target, place: Tensor) -> Explained:
    """Settle what is explained at known tokens.

    Args:
        output: What the model returned.
        target: What the user wrote.
        place: Where the logits are read if there are some for every token, shape `(batch,)`.

    Raises:
        TargetError: There is no such class or token, or not one a sequence.
    """
    if callable(target):
        return Explained(place, None, target)
    rows = _rows(find_logits(output), place)
    if target is None:
        return Explained(place, rows.argmax(-1), None)
    chosen = _one_each(target, len(rows), rows.shape[-1], "target", TargetError)
    return Explained(place, chosen.to(rows.device), None)


def find_logits(output: Any) -> Tensor:
    """The logits in what a model returned.

    Args:
        output: A tensor, a tuple that begins with one, or an object or mapping with `logits`.

    Raises:
        TargetError: There are none.
    """
    found = output.get("logits") if isinstance(output, Mapping) else output
    found = getattr(found, "logits", found)
    if isinstance(found, (tuple, list)) and found:
        found = found[0]
    if isinstance(found, torch.Tensor) and found.dim() in {2, 3}:
        return found
    raise TargetError(
        f"The model returns {type(output).__name__}, in which there are no logits of shape (batch, "
        "classes) or (batch, token, vocabulary): pass as target a function of the output, or a "
        "model with a head."
    )


def _rows(logits: Tensor, position: Tensor) -> Tensor:
    if logits.dim() == 2:
        return logits
    return logits[torch.arange(len(logits), device=logits.device), position.to(logits.device)]


def _at(rows: Tensor, target: Tensor | None) -> Tensor:
    assert target is not None
    return rows.gather(-1, target.to(rows.device).unsqueeze(-1)).squeeze(-1)


def _require_rows(logits: Tensor, batch: int, tokens: int) -> None:
    if len(logits) != batch:
        raise AttentionError(
            f"The logits are for {len(logits)} sequences, but the attention is over {batch}: "
            "layers that attend within windows cannot be followed."
        )
    if logits.dim() == 3 and logits.shape[1] != tokens:
        raise InputError(
            f"The logits are for {logits.shape[1]} tokens, but the attention is over {tokens}: "
            "pass as target a function of the output."
        )


def _one_each(
    value: int | Sequence[int] | Tensor, batch: int, count: int, name: str, error: type[Exception]
) -> Tensor:
    """One whole number a sequence, counted from 0."""
    numbers = torch.as_tensor(value)
    if numbers.is_floating_point() or numbers.dim() > 1 or numbers.numel() not in {1, batch}:
        raise error(
            f"A {name} is a whole number, or one for each of the {batch} sequences, not {value!r}."
        )
    if bool(((numbers < -count) | (numbers >= count)).any()):
        raise error(f"There is no {name} {value}: it lies between 0 and {count - 1}.")
    return (numbers % count).long().expand(batch)


def _real(inputs: Any, name: str, batch: int, tokens: int) -> Tensor:
    """Which tokens are no padding, as far as the inputs tell."""
    mask = inputs.get(name) if isinstance(inputs, Mapping) else None
    if isinstance(mask, torch.Tensor) and mask.shape == (batch, tokens):
        return mask.bool()
    return torch.ones(batch, tokens, dtype=torch.bool)
