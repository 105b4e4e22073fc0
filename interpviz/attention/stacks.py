"""Which runs of attention layers work on the explained tokens, and which on their source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from interpviz.errors import AttentionError

if TYPE_CHECKING:
    from interpviz.attention.gradients import Call


@dataclass(frozen=True)
class Stacks:
    """The runs of one pass, sorted by what they relate.

    Attributes:
        own: Self-attention of the tokens that the output is read from: the encoder's, or the
            decoder's where there is cross-attention.
        cross: Cross-attention from these tokens to the source's; empty without a second stack.
        source: Self-attention of the source's tokens.
    """

    own: list[Call]
    cross: list[Call]
    source: list[Call]


def sort_calls(calls: Sequence[Call]) -> Stacks:
    """Tell the stacks of a model apart.

    A stack is what has one name up to the first number in it (`decoder.block.0`, or `layer_0` as
    torchvision has it), and the decoder is the one that holds cross-attention.

    Args:
        calls: The runs of a pass.

    Raises:
        AttentionError: They are no encoder, no decoder and no pair of both, or the sizes of their
            weights do not fit together.
    """
    cross = [call for call in calls if call.kind == "cross"]
    straight = [call for call in calls if call.kind != "cross"]
    decoders = {_stack_of(call.layer) for call in cross}
    own = [call for call in straight if not cross or _stack_of(call.layer) in decoders]
    source = [call for call in straight if cross and _stack_of(call.layer) not in decoders]
    for part, kind in ((own, "with self-attention"), (source, "that are attended to")):
        names = list(dict.fromkeys(_stack_of(call.layer) for call in part))
        if len(names) > 1 or (not part and kind == "with self-attention"):
            listed = ", ".join(map(repr, names)) or "none"
            raise AttentionError(
                f"One stack of layers {kind} can be followed, but these are {listed}: choose "
                f"with `layers`, for example layers={(names or [calls[0].layer])[0]!r}."
            )
    _require_sizes(own, cross, source)
    return Stacks(own, cross, source)


def _stack_of(layer: str) -> str:
    parts = layer.split(".")
    before = list(takewhile(lambda part: not part.rpartition("_")[2].isdigit(), parts))
    return ".".join(before if len(before) < len(parts) else parts[:-1])


def _require_sizes(own: list[Call], cross: list[Call], source: list[Call]) -> None:
    batch, _, tokens, _ = own[0].weights.shape
    keys = cross[0].weights.shape[-1] if cross else tokens
    wanted = (
        [(call, (tokens, tokens)) for call in own]
        + [(call, (tokens, keys)) for call in cross]
        + [(call, (keys, keys)) for call in source]
    )
    for call, size in wanted:
        shape = call.weights.shape
        if shape[0] != batch or tuple(shape[-2:]) != size:
            raise AttentionError(
                f"The weights of '{call.layer}' have shape {tuple(shape)} where (batch, heads, "
                f"query, key) = ({batch}, heads, {size[0]}, {size[1]}) would fit the other "
                "layers: layers that attend within windows, or merge tokens, cannot be followed."
            )
