"""Where a head of each type looks: for every query the keys that its pattern means."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from interpviz.errors import InputError
from interpviz.render.tokens import NEWLINE, clean_tokens

if TYPE_CHECKING:
    from torch import Tensor

SPECIAL_TOKENS = frozenset(
    {
        "[SEP]",
        "</s>",
        "<sep>",
        "<eos>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
    }
)
"""Tokens by which the usual tokenizers end a text or a part of it."""


@dataclass(frozen=True)
class TokenSets:
    """What the tokens of a batch say about its positions.

    Attributes:
        ids: Shape `(batch, position)`; equal numbers are equal tokens. None without tokens.
        separators: Shape `(batch, position)`, True on separators. None where they are not known.
    """

    ids: Tensor | None = None
    separators: Tensor | None = None


def token_sets(tokens: Any, special_tokens: Collection[Any] | None, batch: int) -> TokenSets:
    """Number the tokens of a batch, and find its separators.

    Args:
        tokens: Strings or ids, of one sequence or of each; an array or tensor of ids; or None.
        special_tokens: What counts as a separator; None for `SPECIAL_TOKENS`, punctuation and line
            breaks, which only strings can show.
        batch: How many sequences there are. The tokens of one sequence stand for all of them.

    Raises:
        InputError: There are tokens for another number of sequences, or of unequal length.
    """
    if tokens is None:
        return TokenSets()
    rows = _rows(tokens.tolist() if hasattr(tokens, "tolist") else tokens)
    if len(rows) == 1:
        rows = rows * batch
    if len(rows) != batch or len({len(row) for row in rows}) != 1:
        raise InputError(
            f"The weights hold {batch} sequences, so {batch} lists of tokens of one length are "
            f"needed, padding included, not lists of {[len(row) for row in rows]} tokens."
        )
    numbers: dict[Any, int] = {}
    ids = torch.tensor([[numbers.setdefault(t, len(numbers)) for t in row] for row in rows])
    if special_tokens is not None:
        marked = [[token in special_tokens for token in row] for row in rows]
    elif isinstance(rows[0][0], str):
        marked = [_separators(row) for row in rows]
    else:
        return TokenSets(ids)
    return TokenSets(ids, torch.tensor(marked))


def _rows(tokens: Sequence[Any]) -> list[list[Any]]:
    if len(tokens) and all(isinstance(token, str | int) for token in tokens):
        return [list(tokens)]
    if not len(tokens) or any(isinstance(row, str | int) or not len(row) for row in tokens):
        raise InputError("The tokens need to be one list of strings or ids, or one a sequence.")
    return [list(row) for row in tokens]


def _separators(tokens: Sequence[str]) -> list[bool]:
    def is_separator(raw: str, clean: str) -> bool:
        if raw in SPECIAL_TOKENS:
            return True
        letters = clean.strip()
        return bool(letters) and all(
            letter == NEWLINE or unicodedata.category(letter).startswith("P") for letter in letters
        )

    return [is_separator(*pair) for pair in zip(tokens, clean_tokens(tokens), strict=True)]


def place_patterns(
    real: Tensor, window: int, dilations: Iterable[int]
) -> dict[tuple[str, int], Tensor]:
    """The patterns that positions alone define, by type and variant.

    Args:
        real: Shape `(batch, position)`, True for tokens and False for padding.
        window: How far a local head looks to each side.
        dilations: The steps of dilated heads.

    Returns:
        Masks `(batch or 1, query, key)`, True where a head of the type looks.
    """
    place = torch.arange(real.shape[1], device=real.device)
    back = (place[:, None] - place)[None]
    # Where padding comes first, a text begins behind it.
    first = (place == real.int().argmax(1, keepdim=True))[:, None]
    patterns = {
        ("previous token", 0): back == 1,
        ("next token", 0): back == -1,
        ("self", 0): back == 0,
        ("first token", 0): first.expand(-1, len(place), -1),
        ("local", window): back.abs() <= window,
    }
    for step in dilations:
        patterns["dilated", step] = (back % step == 0) & (back != 0)
    return patterns


def token_patterns(sets: TokenSets, real: Tensor) -> dict[tuple[str, int], Tensor]:
    """The patterns that the tokens define, by type and variant.

    Args:
        sets: What is known of the tokens.
        real: Shape `(batch, position)`, True for tokens and False for padding.

    Returns:
        Masks `(batch, query, key)`, True where a head of the type looks.
    """
    patterns = {}
    n = real.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=real.device).tril(-1)
    if sets.ids is not None:
        ids = sets.ids.to(real.device)
        same = (ids[:, :, None] == ids[:, None]) & real[:, None]
        after = torch.nn.functional.pad(same, (1, 0))[..., :-1]
        patterns["induction", 0] = after & earlier
        patterns["duplicate token", 0] = same & earlier
    if sets.separators is not None:
        begins = torch.arange(n, device=real.device) == real.int().argmax(1, keepdim=True)
        columns = sets.separators.to(real.device) & ~begins
        patterns["separator", 0] = columns[:, None].expand(-1, n, -1)
    return patterns
