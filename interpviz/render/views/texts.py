"""The tokens that a view shows, and which of them belong to the queries and keys of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError
from interpviz.render.labels import visible
from interpviz.render.tokens import NEWLINE, clean_tokens

KINDS = {
    "encoder": ("Encoder", "encoder", "encoder"),
    "decoder": ("Decoder", "decoder", "decoder"),
    "cross": ("Cross-attention: decoder looks at encoder", "decoder", "encoder"),
    "attention": ("Attention", "queries", "keys"),
}
"""For each kind of layer its name and the texts of its queries and keys."""


@dataclass(frozen=True)
class Text:
    """Tokens of one sequence.

    Attributes:
        tokens: As they are shown.
        special: Shape `(position,)`, True for those that the tokenizer added.
    """

    tokens: list[str]
    special: NDArray[np.bool_]

    def payload(self) -> dict[str, Any]:
        """Tokens and the places of the special ones."""
        return {"tokens": self.tokens, "special": np.flatnonzero(self.special).tolist()}


def texts_of(tokens: Any, key_tokens: Any, special_tokens: Any, raw: bool) -> dict[str, Text]:
    """The texts of a view by name.

    Args:
        tokens: The tokens, or the encoder's and the decoder's in a mapping.
        key_tokens: The tokens of the keys, where they are others.
        special_tokens: A mask, or one for each text in a mapping with the names of the texts.
        raw: Whether tokens keep the marks of their tokenizer.

    Raises:
        InputError: The names are others, or a mask does not fit or is of no such text.
    """
    if isinstance(tokens, Mapping):
        given = dict(tokens)
    else:
        given = {"queries": tokens}
        if key_tokens is not None:
            given["keys"] = key_tokens
    if not set(given) <= {"encoder", "decoder", "queries", "keys"}:
        raise InputError(
            f"Tokens of {', '.join(map(repr, given))} were given: name them 'encoder' and "
            "'decoder', or pass one list."
        )
    masks = special_tokens
    if not isinstance(masks, Mapping):
        # What is left out are keys.
        masks = {"keys" if "keys" in given else list(given)[-1]: masks}
    if strangers := [name for name in masks if name not in given]:
        raise InputError(
            f"There are special tokens of {', '.join(map(repr, strangers))}, but tokens of "
            f"{', '.join(map(repr, given))}: give both the same names."
        )
    return {name: _text(name, row, masks.get(name), raw) for name, row in given.items()}


def _text(name: str, tokens: Sequence[str], mask: Any, raw: bool) -> Text:
    if isinstance(tokens, str):
        raise InputError("The tokens are one text: pass a list with one string per position.")
    shown = [str(token) for token in tokens] if raw else clean_tokens(tokens)
    shown = ["".join(map(visible, text.replace("\n", NEWLINE))) for text in shown]
    special = np.zeros(len(shown), bool) if mask is None else np.asarray(mask, bool)
    if special.shape != (len(shown),):
        raise InputError(
            f"The mask of special tokens has shape {special.shape}, but there are {len(shown)} "
            f"tokens ({name}): pass one value a token."
        )
    return Text(shown, special)


def sides_of(kind: str, texts: Mapping[str, Text]) -> tuple[str, str]:
    """The names of the texts that the queries and keys of a layer belong to.

    Args:
        kind: What the layer is.
        texts: The texts by name.

    Raises:
        InputError: There is no such kind, or its texts were not given.
    """
    if kind not in KINDS:
        raise InputError(f"There is no kind {kind!r} of attention: {', '.join(KINDS)} are known.")
    sides = KINDS[kind][1:]
    if not set(sides) <= set(texts):
        sides = ("queries", "keys" if "keys" in texts else "queries")
    if not set(sides) <= set(texts):
        needed = " and ".join(sorted(set(KINDS[kind][1:])))
        raise InputError(f"A layer of the kind {kind!r} needs the tokens of the {needed}.")
    return sides[0], sides[1]
