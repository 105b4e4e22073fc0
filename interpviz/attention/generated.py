"""What a model wrote while its attention was captured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.sequences import named

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Generated:
    """The tokens that a model wrote, the last one included, and how sure it was of each.

    Token k was written by the query before it, which is row `prompt_length - 1 + k` of the maps
    as they were captured. So every written token has a row that tells what the model looked at
    when it chose it, the last one too, which the model never read itself.

    Attributes:
        ids: Shape `(batch, new)`. A sequence that finished before others is filled up with the
            model's padding token.
        logprobs: Natural logarithm of each token's probability, `(batch, new)`, float32, at most
            0: `log softmax` of the model's logits as they are, before temperature, penalties,
            `top_k` or whatever else changes what is drawn. NaN for what fills a sequence up.
        tokens: The tokens of each sequence, None where nothing names them.
        prompt_length: How many positions of the maps came before the first written token, padding
            included, so the same for all sequences of a batch; of an encoder-decoder how many the
            decoder began with. None where positions were left out afterwards, and not as many in
            each sequence.
    """

    ids: Tensor
    logprobs: Tensor
    tokens: list[list[str]] | None = None
    prompt_length: int | None = None


def steps_of(result: Any) -> int:
    """How many tokens were written, 0 for a model whose `generate` keeps no logits.

    Args:
        result: What `generate` returned with `return_dict_in_generate` and `output_logits`.
    """
    return len(result.get("logits") or ()) if isinstance(result, Mapping) else 0


def written(result: Any, rows: int, ends: list[int]) -> Generated | None:
    """What `generate` returned, without the logits of tokens that were not chosen.

    Args:
        result: What it returned with `return_dict_in_generate` and `output_logits`.
        rows: How many queries the maps of the written sequence have, 0 where none were kept.
        ends: The ids of tokens after which a sequence is finished.

    Returns:
        None for a model whose `generate` keeps no logits.
    """
    steps = steps_of(result)
    if not steps:
        return None
    logits, sequences = result["logits"], result["sequences"]
    ids: Tensor = sequences[:, -steps:]
    chosen = [
        step.float().log_softmax(-1).gather(1, one[:, None].to(step.device))[:, 0]
        for step, one in zip(logits, ids.unbind(1), strict=True)
    ]
    logprobs = torch.stack(chosen, 1).masked_fill(after_end(ids, ends), torch.nan)
    # The last token was never read, so it has no row.
    before = rows - steps + 1 if rows else sequences.shape[1] - steps
    return Generated(ids, logprobs, prompt_length=before)


def after_end(ids: Tensor, ends: list[int]) -> Tensor:
    """Which written tokens only fill a sequence up that had finished.

    Args:
        ids: Written tokens, `(batch, new)`.
        ends: The ids of tokens after which a sequence is finished.

    Returns:
        Shape `(batch, new)`, bool.
    """
    ended = torch.isin(ids, torch.tensor(ends, dtype=ids.dtype, device=ids.device)).int()
    return (ended.cumsum(1) - ended) > 0


def names_of(ids: Tensor, known: list[list[str]] | None, tokenizer: Any) -> list[list[str]] | None:
    """Names for written tokens.

    Args:
        ids: Shape `(batch, new)`.
        known: The names of the tokens before them.
        tokenizer: Names them, if it is a tokenizer.

    Returns:
        The tokenizer's names, `<id>` where the user named the prompt, None where nobody did.
    """
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        return named(tokenizer, ids)
    return None if known is None else [[f"<{new}>" for new in row] for row in ids.tolist()]


def counted_anew(generated: Generated | None, place: Tensor, real: Tensor) -> Generated | None:
    """What was written, with the length of the prompt after positions were left out.

    Args:
        generated: What was written.
        place: For each position that is left where it was before, `(batch, position)`.
        real: False for positions that are padding now, `(batch, position)`.
    """
    if generated is None or generated.prompt_length is None:
        return generated
    given = ((place < generated.prompt_length) & real.to(place.device)).sum(1)
    lengths = set(given.tolist())
    return replace(generated, prompt_length=lengths.pop() if len(lengths) == 1 else None)
