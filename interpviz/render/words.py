"""Where a space stands between the tokens of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["spaces_before"]

_SPECIAL = re.compile(r"<[^<>\s]+>|\[[A-Z0-9_]+\]")
_CLOSING = frozenset(".,;:!?)]}%…'’")
_OPENING = frozenset("([{'’")


def spaces_before(tokens: Sequence[str]) -> list[bool]:
    """Whether a space stands before each token when they are read as text.

    Byte-level BPE, SentencePiece and BPE with word ends mark their spaces. WordPiece marks pieces
    that go on instead; where it split punctuation off, the customary spaces are put back. Special
    tokens such as `[CLS]` stand alone.

    Args:
        tokens: Tokens as a tokenizer's `convert_ids_to_tokens` gives them.

    Returns:
        One boolean a token, the first False.
    """
    if any("Ġ" in token or "Ċ" in token for token in tokens):
        spaced = [token.startswith(("Ġ", "Ċ")) for token in tokens]
    elif any(token.endswith("</w>") for token in tokens):
        spaced = [False, *(token.endswith("</w>") for token in tokens[:-1])]
    elif any(token.startswith("▁") for token in tokens):
        spaced = [token.startswith("▁") for token in tokens]
    else:
        spaced = [True, *map(_apart, tokens, tokens[1:])]
    special = [_SPECIAL.fullmatch(token) is not None for token in tokens]
    return [
        place > 0 and (space or special[place] or special[place - 1])
        for place, space in enumerate(spaced[: len(tokens)])
    ]


def _apart(before: str, token: str) -> bool:
    """Whether two tokens of WordPiece, or two words, have a space between them."""
    continues = token.startswith("##") and len(token) > 2
    return not (continues or token in _CLOSING or before in _OPENING)
