"""Whether a model can take the token ids that it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# Positions of a text; those of pictures, and of places on a page, are counted by other inputs.
_TABLE = re.compile(r"(^|\.)(wpe|position_embeddings?|embed_positions)$")
_PICTURE = re.compile(r"vision|visual|image")


def check_token_ids(model: nn.Module, given: Mapping[str, Any]) -> None:
    """Refuse token ids that a model of transformers would stumble over.

    A position beyond the last one is an error without a remedy on a CPU, and on a GPU one after
    which no model runs any more.

    Args:
        model: The model.
        given: The arguments of its forward pass by name.

    Raises:
        InputError: The ids are no tensor of shape `(batch, position)`, or more than the model has
            learned positions for.
    """
    if not hasattr(model, "config"):
        return
    for name in ("input_ids", "decoder_input_ids"):
        ids = given.get(name)
        if ids is not None and (not isinstance(ids, torch.Tensor) or ids.dim() != 2):
            raise InputError(
                f"{name} must be a tensor of shape (batch, position): pass the tokenizer a list of "
                'texts, or a single one, with return_tensors="pt".'
            )
    if given.get("position_ids") is not None:
        return
    for name, table in _tables(model):
        ids = given.get("input_ids")
        if _is_decoders(model, name):
            ids = given.get("decoder_input_ids", ids)
        length, limit = (0 if ids is None else _positions(table, ids)), _limit(table)
        if length > limit:
            raise InputError(
                f"The inputs have {length} tokens, but {type(model).__name__} takes at most "
                f"{limit}: pass truncation=True and max_length={limit} to the tokenizer, or split "
                "the text."
            )


def _tables(model: nn.Module) -> Iterator[tuple[str, nn.Embedding]]:
    """The tables of learned positions, by dotted name."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and _TABLE.search(name) and not _PICTURE.search(name):
            yield name, module


def _is_decoders(model: Any, name: str) -> bool:
    return bool(getattr(model.config, "is_encoder_decoder", False)) and "decoder" in name


def _positions(table: nn.Embedding, ids: Tensor) -> int:
    """How many positions some ids take; RoBERTa and its kin do not count padding."""
    if table.padding_idx is None:
        return ids.shape[1]
    return int((ids != table.padding_idx).sum(1).max()) if ids.numel() else 0


def _limit(table: nn.Embedding) -> int:
    """How many positions there are, behind those that stand for padding or are never used."""
    unused = getattr(table, "offset", 0) if table.padding_idx is None else table.padding_idx + 1
    return table.num_embeddings - int(unused)
