"""What the user passed as a model's inputs, as the arguments of its forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.token_ids import check_token_ids
from interpviz.device import placement
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# What tokenizers return beside the arguments of a model.
_ABOUT_TOKENS = ("special_tokens_mask", "offset_mapping", "length", "overflow_to_sample_mapping")


def arguments(model: nn.Module, inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments, where the model lives.

    Args:
        model: The model.
        inputs: A mapping, a tensor, or a tuple or list of positional arguments.

    Raises:
        InputError: The inputs are text, the model's forward pass cannot take them, or they are
            longer than the model takes.
    """
    device, dtype = placement(model)

    def placed(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(device, dtype) if value.is_floating_point() else value.to(device)

    if isinstance(inputs, str):
        raise InputError(
            "The inputs are text, but a model takes token ids: pass "
            'tokenizer(text, return_tensors="pt").'
        )
    signature = inspect.signature(model.forward)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = {
            name: placed(value)
            for name, value in inputs.items()
            if name not in _ABOUT_TOKENS or name in signature.parameters
        }
    elif isinstance(inputs, (tuple, list)):
        args = [placed(value) for value in inputs]
    else:
        args = [placed(inputs)]
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        wanted = [
            name
            for name, one in signature.parameters.items()
            if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        raise InputError(
            f"{type(model).__name__} cannot take these inputs ({error}): pass a tuple or a mapping "
            f"with {', '.join(wanted) or 'what its forward pass takes'}."
        ) from error
    check_token_ids(model, {**given, **given.get("kwargs", {})})
    return args, kwargs
