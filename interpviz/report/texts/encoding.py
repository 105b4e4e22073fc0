"""Texts as tokens, and tokens as batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from interpviz.errors import InputError

_STEP = 16


@dataclass(frozen=True)
class Encoded:
    """The tokens of one text.

    Attributes:
        inputs: What the model takes, one number a token, by name; `input_ids` among them.
        special: True for tokens that the tokenizer added.
        tokens: The tokens as text.
        total: How many there were before the text was cut.
    """

    inputs: dict[str, list[int]]
    special: list[bool] = field(repr=False)
    tokens: list[str] = field(repr=False)
    total: int

    def __len__(self) -> int:
        return len(self.special)

    @property
    def bucket(self) -> int:
        """The length to which texts of about this one's length are padded at most."""
        return -(-len(self) // _STEP) * _STEP


class Encoder:
    """A tokenizer with a limit.

    Args:
        tokenizer: A tokenizer of transformers.
        limit: The most tokens of a text.
        config: The model's configuration, which may know of a padding token.
    """

    def __init__(self, tokenizer: Any, limit: int, config: Any = None) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        known = (
            getattr(tokenizer, "pad_token_id", None),
            getattr(config, "pad_token_id", None),
            getattr(tokenizer, "eos_token_id", None),
        )
        self._pad = next((one for one in known if isinstance(one, int) and one >= 0), 0)

    def __call__(self, text: str) -> Encoded:
        """The tokens of a text.

        Args:
            text: Any text.

        Raises:
            InputError: There are none.
        """
        options = {"return_special_tokens_mask": True, "verbose": False}
        # A text is one line of a table, never two sequences or a batch.
        found = self._tokenizer(text, **options)
        total = len(found["input_ids"])
        if total > self._limit:
            found = self._tokenizer(text, truncation=True, max_length=self._limit, **options)
        inputs = {name: [int(one) for one in values] for name, values in found.items()}
        special = [bool(one) for one in inputs.pop("special_tokens_mask")]
        if not special or all(special):
            raise InputError("the tokenizer finds no tokens in it")
        tokens = self._tokenizer.convert_ids_to_tokens(inputs["input_ids"])
        return Encoded(inputs, special, [str(token) for token in tokens], total)

    def batch(self, texts: Sequence[Encoded]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Texts as one batch, padded behind their ends, where no position changes.

        Args:
            texts: At least one.

        Returns:
            The model's inputs; True for tokens and False for padding; True for special tokens.
        """
        longest = max(map(len, texts))
        inputs = {
            name: torch.tensor([_filled(t.inputs[name], longest, self._fill(name)) for t in texts])
            for name in texts[0].inputs
        }
        real = torch.tensor([_filled([True] * len(t), longest, False) for t in texts])
        special = torch.tensor([_filled(t.special, longest, False) for t in texts])
        return {**inputs, "attention_mask": real.long()}, real, special

    def _fill(self, name: str) -> int:
        return self._pad if name == "input_ids" else 0


def _filled(values: list[Any], length: int, fill: Any) -> list[Any]:
    return values + [fill] * (length - len(values))
