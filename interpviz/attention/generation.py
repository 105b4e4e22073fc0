"""The attention of a text while a model writes it: the maps of all steps, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.capture import AttentionCapture
from interpviz.attention.described import described, is_encoder_decoder
from interpviz.attention.inputs import arguments
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.sequences import Sequences, named
from interpviz.errors import AttentionError, InputError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.passes import Heads


def generated_maps(
    model: nn.Module,
    inputs: Any,
    generate: Mapping[str, Any],
    *,
    layers: Sequence[str | int] | str | int | None,
    heads: Heads,
    main: Sequences,
    decoder: Sequences,
    tokenizer: Any,
) -> AttentionMaps:
    """Let a model write on, and join what it looked at in every step.

    Args:
        model: A model of transformers that can generate.
        inputs: The prompt, as `model.generate` takes it.
        generate: More arguments for `model.generate`.
        layers: Which attention layers to keep.
        heads: Which heads to keep.
        main: What is known of the prompt, of an encoder-decoder of the encoder's sequences.
        decoder: What is known of the beginning of the decoder's sequences.
        tokenizer: Names the new tokens, if it is a tokenizer.

    Raises:
        AttentionError: The model cannot generate, or no chosen layer ran.
        InputError: The steps do not form one text per sequence, as with several beams.
    """
    _check(model, generate)
    capture = AttentionCapture(model, layers, heads=heads)
    writer: Any = capture.model
    capture.keep_passes()
    try:
        args, kwargs = arguments(capture.model, inputs)
        with torch.no_grad():
            result = writer.generate(*args, **{**kwargs, **generate})
    finally:
        capture.remove()
    ids: Tensor = getattr(result, "sequences", result)
    passes = [one for one in capture.passes if one]
    if not passes:
        raise AttentionError(
            f"None of the chosen layers of {type(capture.model).__name__} ran while it wrote; see "
            f"{troubleshooting('attention-weights-not-captured')}."
        )
    maps = _joined(passes)
    both = is_encoder_decoder(capture.model)
    rows = {weights.shape[-2] for name, weights in maps.weights.items() if _written_by(maps, name)}
    known = _longer(decoder if both else main, ids, max(rows, default=0), tokenizer)
    known = _without_what_follows_the_end(known, ids, _ends(writer, generate), main)
    return described(maps, *((main, known) if both else (known, decoder)), both)


def _check(model: nn.Module, generate: Mapping[str, Any]) -> None:
    if not hasattr(model, "generate"):
        raise AttentionError(
            f"{type(model).__name__} cannot generate: pass a model with a language head, for "
            "example AutoModelForCausalLM."
        )
    if generate.get("num_beams", 1) != 1 or generate.get("assistant_model") is not None:
        raise InputError(
            "Maps of several beams or of an assistant's drafts cannot be joined into one text: "
            "generate with num_beams=1 and without assistant_model."
        )


def _written_by(maps: AttentionMaps, name: str) -> bool:
    return maps.kind_of(name) != "encoder" or set(maps.kinds) == {"encoder"}


def _joined(passes: list[AttentionMaps]) -> AttentionMaps:
    """One map a layer out of the maps of all steps."""
    weights: dict[str, Tensor] = {}
    visible: dict[str, Tensor] = {}
    kinds: dict[str, str] = {}
    heads: dict[str, tuple[int, ...]] = {}
    for one in passes:
        heads.update(one.heads)
        # The prompt tells best what a layer is; a later step has a single query.
        for name, kind in zip(one.layer_names, one.kinds, strict=True):
            kinds.setdefault(name, kind)
    for name, kind in kinds.items():
        steps = [one for one in passes if name in one.layer_names]
        maps = [one.weights[name] for one in steps]
        if len({len(step) for step in maps}) > 1:
            raise InputError(
                "The number of sequences changed from step to step, so the maps cannot be joined: "
                "generate with num_beams=1."
            )
        if kind == "encoder" and len(steps) == 1:
            weights[name] = maps[0]
            visible |= {name: steps[0].visible[name]} if name in steps[0].visible else {}
            continue
        seen = [_seen(one, name) for one in steps]
        weights[name] = _placed(maps, square=kind != "cross")
        visible[name] = _placed(seen, square=kind != "cross")
    return AttentionMaps(
        LayerWeights(weights), kinds=tuple(kinds.values()), visible=visible, heads=heads
    )


def _seen(one: AttentionMaps, name: str) -> Tensor:
    """What the queries of one step saw, `(batch or 1, heads or 1, query, key)`."""
    shape = one.weights[name].shape[-2:]
    seen = one.visible.get(name)
    if seen is None:
        return torch.ones(1, 1, *shape, dtype=torch.bool, device=one.weights[name].device)
    return seen.expand(-1, -1, *shape)


def _placed(steps: list[Tensor], square: bool) -> Tensor:
    """The rows of all steps below each other, zero where a step held no key.

    Args:
        steps: Shape `(batch, heads, query, key)` each.
        square: Whether queries and keys are the same sequence.
    """
    places: list[tuple[int, int, Tensor]] = []
    done = 0
    for step in steps:
        queries, keys = step.shape[-2:]
        # Without a cache every step computes all rows again.
        again = queries > done and (not square or keys == queries)
        begin = 0 if again else done
        done = begin + queries
        places.append((begin, done, step))
    size = max(len(step) for step in steps), max(step.shape[1] for step in steps)
    width = done if square else steps[-1].shape[-1]
    whole = steps[0].new_zeros(*size, done, width)
    for begin, end, step in places:
        keys = step.shape[-1]
        if not square:
            whole[:, :, begin:end] = step
        elif keys > end:
            # A cache of fixed size has places that are not filled yet.
            whole[:, :, begin:end, :end] = step[..., :end]
        else:
            # Of a sliding window the earliest keys are gone.
            whole[:, :, begin:end, end - keys : end] = step
    return whole


def _longer(known: Sequences, ids: Tensor, length: int, tokenizer: Any) -> Sequences:
    """What is known of a prompt, with the tokens that were written and read again."""
    if ids.shape[1] < length:
        return Sequences()
    ids = ids[:, :length]

    def extended(mask: Tensor | None, value: bool) -> Tensor | None:
        if mask is None or mask.shape[1] > length:
            return None
        mask = mask.to(ids.device).repeat_interleave(max(len(ids) // len(mask), 1), 0)
        return torch.nn.functional.pad(mask, (0, length - mask.shape[1]), value=value)

    tokens = known.tokens
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        tokens = named(tokenizer, ids)
    elif tokens is not None:
        rows = [row for row in tokens for _ in range(max(len(ids) // len(tokens), 1))]
        tokens = [
            [*row, *(f"<{new}>" for new in new_ids[len(row) :])]
            for row, new_ids in zip(rows, ids.tolist(), strict=True)
        ]
    return replace(
        known,
        tokens=tokens,
        token_ids=ids,
        padding_mask=extended(known.padding_mask, True),
        special_tokens_mask=extended(known.special_tokens_mask, False),
    )


def _ends(model: Any, generate: Mapping[str, Any]) -> list[int]:
    """The ids of the tokens after which a sequence is finished."""
    config = generate.get("generation_config") or getattr(model, "generation_config", None)
    end = generate.get("eos_token_id", getattr(config, "eos_token_id", None))
    return [] if end is None else [int(one) for one in (end if isinstance(end, list) else [end])]


def _without_what_follows_the_end(
    known: Sequences, ids: Tensor, ends: list[int], prompt: Sequences
) -> Sequences:
    """Mark as padding what fills a sequence up that finished before others."""
    if known.token_ids is None or not ends:
        return known
    before = 1 if prompt.token_ids is None else prompt.token_ids.shape[1]
    length = known.token_ids.shape[1]
    new = ids[:, :length].clone()
    new[:, :before] = -1
    ended = torch.isin(new, torch.tensor(ends, device=new.device))
    after = (ended.cumsum(1) - ended.int()) > 0
    if not bool(after.any()):
        return known
    padding = known.padding_mask
    real = ~after if padding is None else padding & ~after
    return replace(known, padding_mask=real)
