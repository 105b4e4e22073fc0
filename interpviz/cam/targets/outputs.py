"""Whatever a model returns: the scores in it, and some rows of its batch."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from interpviz.errors import InputError


def find_logits(output: Any) -> Tensor:
    """The tensor of scores in whatever a model returns.

    Args:
        output: A tensor; a tuple or list that begins with one; a dict or dataclass with
            `logits`, or whose first tensor is meant.

    Raises:
        InputError: There is no tensor in it.
    """
    if isinstance(output, Tensor):
        return output
    logits = output.get("logits") if isinstance(output, Mapping) else None
    logits = getattr(output, "logits", None) if logits is None else logits
    if isinstance(logits, Tensor):
        return logits
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif isinstance(output, Sequence):
        parts = list(output)
    else:
        parts = list(vars(output).values()) if hasattr(output, "__dict__") else []
    tensors = [part for part in parts if isinstance(part, Tensor)]
    # A loss of no dimensions may stand in front of the scores.
    for tensor in [*(t for t in tensors if t.ndim > 1), *tensors]:
        return tensor
    raise InputError(
        f"The model returns {type(output).__name__}, in which there is no tensor of scores: wrap "
        "the model in a module that returns its logits."
    )


def is_per_image(output: Any) -> bool:
    """Whether an output is a list with one dict an image, as detection models return it.

    Args:
        output: What a model returned.
    """
    return isinstance(output, list) and bool(output) and all(isinstance(o, Mapping) for o in output)


def batch_size(output: Any) -> int:
    """How many images an output is for.

    Args:
        output: What a model returned.

    Raises:
        InputError: There is no tensor in it.
    """
    if is_per_image(output):
        return len(output)
    logits = find_logits(output)
    return len(logits) if logits.ndim else 1


def rows(output: Any, start: int, stop: int, step: int = 1) -> Any:
    """The same kind of output with only some rows of its batch.

    Tensors whose first dimension is not the batch stay whole, such as the text embeddings of a
    model with two towers, and so does everything that holds no tensors.

    Args:
        output: A tensor; a mapping, dataclass, tuple, named tuple or list of tensors, also one
            inside the other; or a list of one dict an image.
        start: The first row to keep.
        stop: The row behind the last one to keep.
        step: Keep every so many of the rows between them.

    Returns:
        An output of the same type; its tensors are views, with the graph of the whole.

    Raises:
        InputError: There is no tensor in it.
    """
    if is_per_image(output):
        return output[start:stop:step]
    count = batch_size(output)

    def cut(part: Any) -> Any:
        if isinstance(part, Tensor):
            return part[start:stop:step] if part.ndim and len(part) == count else part
        return _rebuilt(part, cut)

    return cut(output)


def _rebuilt(part: Any, change: Callable[[Any], Any]) -> Any:
    """The same container with every value changed; what is no container comes back as it is."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        names = [field.name for field in dataclasses.fields(part) if field.init]
        return dataclasses.replace(part, **{name: change(getattr(part, name)) for name in names})
    if isinstance(part, Mapping):
        changed = {key: change(value) for key, value in part.items()}
        if not hasattr(part, "update"):
            return changed
        twin = copy.copy(part)
        twin.update(changed)
        return twin
    if isinstance(part, tuple | list):
        values = [change(value) for value in part]
        return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
    if any(isinstance(value, Tensor) for value in getattr(part, "__dict__", {}).values()):
        twin = copy.copy(part)
        vars(twin).update({key: change(value) for key, value in vars(part).items()})
        return twin
    return part
