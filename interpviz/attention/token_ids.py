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
# Beside such inputs, ids outside the vocabulary may stand for parts of a picture or a sound.
_OTHER_INPUTS = re.compile(r"pixel|image|video|audio|feature")


def check_token_ids(model: nn.Module, given: Mapping[str, Any]) -> None:
    """Refuse token ids that a model of transformers would stumble over.

    A position beyond the last one, or an id outside the vocabulary, is an error without a remedy
    on a CPU, and on a GPU one after which no model runs any more.

    Args:
        model: The model.
        given: The arguments of its forward pass by name.

    Raises:
        InputError: The ids are no tensor of shape `(batch, position)`, more than the model has
            learned positions for, or outside its vocabulary, or their mask has another length.
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
        if ids is not None:
            _check_vocabulary(model, name, given)
            _check_mask(name, given)
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


def check_new_tokens(model: nn.Module, given: int, new: int) -> None:
    """Refuse to let a model write more tokens than it has learned positions for.

    Args:
        model: The model.
        given: How many tokens the text that it writes begins with.
        new: How many it may write. The last one is never read.

    Raises:
        InputError: They are too many.
    """
    for name, table in _tables(model):
        limit = _limit(table)
        if _writes(model, name) and given <= limit < given + new - 1:
            raise InputError(
                f"{given} given and {new} new tokens do not fit into {type(model).__name__}, "
                f"which takes at most {limit}: pass max_new_tokens={limit - given + 1} or less, or "
                "a shorter prompt."
            )


def _check_vocabulary(model: nn.Module, name: str, given: Mapping[str, Any]) -> None:
    table, ids = _vocabulary(model, name), given[name]
    others = any(_OTHER_INPUTS.search(one) for one in given if given[one] is not None)
    if not isinstance(table, nn.Embedding) or others or not ids.numel():
        return
    size = table.num_embeddings + int(getattr(table, "num_additional_embeddings", 0))
    wrong = ids[(ids < 0) | (ids >= size)]
    if len(wrong):
        raise InputError(
            f"{name} hold the id {int(wrong[0])}, but the ids of {type(model).__name__} run from 0 "
            f"to {size - 1}: use the tokenizer that belongs to the model, and after adding tokens "
            "to it model.resize_token_embeddings(len(tokenizer))."
        )


def _vocabulary(model: Any, name: str) -> nn.Module | None:
    """The embeddings that take some ids, None where the model does not tell."""
    try:
        owner = model.get_decoder() if name.startswith("decoder") else model
        found = owner.get_input_embeddings()
    except (AttributeError, NotImplementedError, TypeError):
        return None
    return found if isinstance(found, nn.Module) else None


def _check_mask(name: str, given: Mapping[str, Any]) -> None:
    about = name.replace("input_ids", "attention_mask")
    mask = given.get(about)
    # With a cache the mask covers what was read before as well.
    if mask is None or mask.ndim != 2 or given.get("past_key_values") is not None:
        return
    length, covered = given[name].shape[1], mask.shape[1]
    if length != covered:
        raise InputError(
            f"The {about} covers {covered} positions, but {name} have {length}: pass both "
            "as the tokenizer returned them."
        )


def _writes(model: Any, name: str) -> bool:
    """Whether a table holds the positions of what a model writes."""
    return _is_decoders(model, name) or not getattr(model.config, "is_encoder_decoder", False)


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
