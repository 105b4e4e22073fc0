"""What is known of the sequences that attention looks over: tokens, padding, special tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Tokens = Sequence[str] | Sequence[Sequence[str]] | None

# A token of this text is known as padding wherever tokens are drawn.
PADDING = "[PAD]"


@dataclass(frozen=True)
class Sequences:
    """The sequences of a batch, as far as they are known.

    Attributes:
        tokens: The tokens of each sequence; one list may stand for all sequences.
        token_ids: Shape `(batch, position)`; equal numbers are equal tokens.
        padding_mask: Shape `(batch, position)`, True for real tokens and False for padding.
        special_tokens_mask: Shape `(batch, position)`, True for tokens that the tokenizer added.
    """

    tokens: list[list[str]] | None = None
    token_ids: Tensor | None = None
    padding_mask: Tensor | None = None
    special_tokens_mask: Tensor | None = None

    def ids(self) -> Tensor | None:
        """Numbers for tokens, `(batch or 1, position)`: their ids, or a count of their texts."""
        if self.token_ids is not None or self.tokens is None:
            return self.token_ids
        if len({len(row) for row in self.tokens}) > 1:
            return None
        numbers: dict[str, int] = {}
        return torch.tensor(
            [[numbers.setdefault(text, len(numbers)) for text in row] for row in self.tokens]
        )

    def without_special(self) -> tuple[Sequences, Tensor]:
        """The sequences without special tokens and padding.

        Returns:
            The shorter sequences, padded at their end to one length, where their tokens read
            "[PAD]", and where each of their positions was, `(batch, position)`.
        """
        assert self.special_tokens_mask is not None
        dropped = self.special_tokens_mask
        if self.padding_mask is not None:
            dropped = dropped | ~self.padding_mask
        kept = (~dropped).sum(1)
        if not int(kept.max()):
            raise InputError("Every token is a special token or padding, so nothing would be left.")
        # A stable sort keeps the order of what stays and moves the rest behind it.
        place = dropped.to(torch.uint8).argsort(dim=1, stable=True)[:, : int(kept.max())]
        padding = torch.arange(place.shape[1], device=place.device) < kept[:, None]
        tokens = self.tokens
        if tokens is not None:
            rows = tokens * len(place) if len(tokens) == 1 else tokens
            tokens = [
                [row[i] if real else PADDING for i, real in zip(*where, strict=True)]
                for row, *where in zip(rows, place.tolist(), padding.tolist(), strict=True)
            ]
        ids = None if self.token_ids is None else self.token_ids.gather(1, place)
        nothing_special = torch.zeros_like(padding)
        return Sequences(tokens, ids, padding, nothing_special), place

    def fitted(self, batch: int, length: int, what: str) -> Sequences:
        """The same, checked against weights.

        Args:
            batch: How many sequences the weights hold.
            length: How many positions they have.
            what: Which positions these are, for the message.

        Raises:
            InputError: The tokens do not fit, or a mask given by the user does not.
        """
        lengths = {len(row) for row in self.tokens or []}
        if lengths - {length}:
            counts = " and ".join(str(count) for count in sorted(lengths))
            raise InputError(
                f"{counts} tokens were given for weights with {length} {what}: pass one token per "
                "position, special tokens such as [CLS] and [SEP] and padding included."
            )
        if self.tokens is not None and len(self.tokens) not in (1, batch):
            raise InputError(
                f"The tokens of {len(self.tokens)} sequences were given for weights of {batch}."
            )

        def kept(mask: Tensor | None) -> Tensor | None:
            fits = mask is not None and mask.shape[1] == length and mask.shape[0] in (1, batch)
            return mask.expand(batch, -1) if mask is not None and fits else None

        special = kept(self.special_tokens_mask)
        if self.special_tokens_mask is not None and special is None:
            raise InputError(
                f"A special_tokens_mask of shape {tuple(self.special_tokens_mask.shape)} does not "
                f"fit weights of {batch} sequences with {length} {what}."
            )
        # A model's own inputs may have another length, as the ids of a picture and its text have.
        return replace(
            self,
            token_ids=kept(self.token_ids),
            padding_mask=kept(self.padding_mask),
            special_tokens_mask=special,
        )


def as_token_lists(tokens: Tokens) -> list[list[str]] | None:
    """Bring the tokens of one sequence, or of a batch, to a list a sequence.

    Args:
        tokens: A list of strings, a list of such lists, or None.

    Raises:
        InputError: It is none of these.
    """
    if tokens is None:
        return None
    if isinstance(tokens, str):
        raise InputError("The tokens are one text: pass a list with one string per position.")
    if all(isinstance(token, str) for token in tokens):
        return [[str(token) for token in tokens]]
    return [[str(token) for token in sequence] for sequence in tokens]


def as_mask(mask: Any, batch: int | None = None) -> Tensor | None:
    """Bring a mask of ones and zeros to a boolean tensor `(batch, position)`.

    Args:
        mask: A list, array or tensor of shape `(position,)` or `(batch, position)`, or None.
        batch: How many sequences there are, where a single row is to stand for all.

    Raises:
        InputError: It has another shape.
    """
    if mask is None:
        return None
    tensor = torch.as_tensor(mask).bool()
    if tensor.dim() == 1:
        tensor = tensor[None]
    if tensor.dim() != 2:
        raise InputError(
            f"A mask of shape {tuple(tensor.shape)} was given where (position,) or "
            "(batch, position) is needed."
        )
    return tensor.expand(batch, -1) if batch and len(tensor) == 1 else tensor


def sequences_of(
    inputs: Any, tokens: Any = None, special_tokens_mask: Any = None, *, decoder: bool = False
) -> Sequences:
    """What a model's inputs say about its sequences.

    Args:
        inputs: The inputs, of which only mappings say something.
        tokens: Tokens given by the user, or a tokenizer that names them.
        special_tokens_mask: A mask given by the user.
        decoder: Whether the decoder's side of an encoder-decoder is asked for.
    """
    prefix = "decoder_" if decoder else ""
    known: Mapping[str, Any] = inputs if isinstance(inputs, Mapping) else {}
    ids, padding = known.get(f"{prefix}input_ids"), known.get(f"{prefix}attention_mask")
    ids = ids if getattr(ids, "ndim", 0) == 2 else None
    padding = padding if getattr(padding, "ndim", 0) == 2 else None
    encodings = None if decoder else getattr(inputs, "encodings", None)
    if special_tokens_mask is None and not decoder:
        special_tokens_mask = known.get("special_tokens_mask")
        if special_tokens_mask is None and encodings:
            special_tokens_mask = [one.special_tokens_mask for one in encodings]
    if hasattr(tokens, "convert_ids_to_tokens"):
        tokens = None if ids is None else named(tokens, ids)
    elif tokens is None and encodings:
        tokens = [one.tokens for one in encodings]
    return Sequences(
        as_token_lists(tokens),
        None if ids is None else torch.as_tensor(ids),
        as_mask(padding),
        as_mask(special_tokens_mask),
    )


def named(tokenizer: Any, ids: Any) -> list[list[str]]:
    """The tokens of some ids.

    Args:
        tokenizer: Has a method `convert_ids_to_tokens`.
        ids: Shape `(batch, position)`.
    """
    rows = ids.tolist() if hasattr(ids, "tolist") else ids
    return [[str(token) for token in tokenizer.convert_ids_to_tokens(row)] for row in rows]
