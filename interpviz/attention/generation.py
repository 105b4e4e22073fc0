"""The attention of a text while a model writes it: the maps of all steps, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.capture import AttentionCapture
from interpviz.attention.described import described, is_encoder_decoder
from interpviz.attention.generated import after_end, names_of, steps_of, written
from interpviz.attention.inputs import arguments
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.layers import unwrapped
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.sequences import Sequences, named
from interpviz.attention.token_ids import check_new_tokens
from interpviz.errors import AttentionError, InputError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.passes import Heads

_RETURNED = {"return_dict_in_generate": True, "output_logits": True}
_DRAFTS = ("assistant_model", "prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp")


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
        InputError: The steps do not form one text per sequence, as with several beams, or the
            text would become longer than the model takes.
    """
    _check(unwrapped(model), generate)
    capture = AttentionCapture(model, layers, heads=heads)
    writer: Any = capture.model
    capture.keep_passes()
    try:
        args, kwargs = arguments(capture.model, inputs)
        _check_length(writer, args, {**kwargs, **generate})
        with torch.no_grad():
            result = writer.generate(*args, **{**kwargs, **generate, **_RETURNED})
    finally:
        capture.remove()
    ids: Tensor = result["sequences"] if isinstance(result, Mapping) else result
    passes = [one for one in capture.passes if one]
    if not passes:
        raise AttentionError(
            f"None of the chosen layers of {type(capture.model).__name__} ran while it wrote; see "
            f"{troubleshooting('attention-weights-not-captured')}."
        )
    both = is_encoder_decoder(capture.model)
    maps, steps = _joined(passes), steps_of(result)
    # Where the end is noticed late (on Apple's GPUs), one more pass reads the last token.
    if ids.shape[1] > steps > 0 and _rows(maps, both) == ids.shape[1]:
        maps = _joined(passes[:-1])
    rows, ends = _rows(maps, both), _ends(writer, generate)
    side = decoder if both else main
    given = 1 if side.token_ids is None else side.token_ids.shape[1]
    known = _longer(side, ids, rows, tokenizer)
    known = _without_what_follows_the_end(
        known, ids, ends, ids.shape[1] - steps if steps else given
    )
    new = written(result, rows, ends)
    if new is not None:
        new = replace(new, tokens=names_of(new.ids, side.tokens, tokenizer))
    sides = (main, known) if both else (known, decoder)
    return replace(described(maps, *sides, both), generated=new)


def _check(model: nn.Module, generate: Mapping[str, Any]) -> None:
    if not hasattr(model, "generate"):
        raise AttentionError(
            f"{type(model).__name__} cannot generate: pass a model with a language head, for "
            "example AutoModelForCausalLM."
        )
    drafts = any(_setting(model, generate, name) for name in _DRAFTS)
    if (_setting(model, generate, "num_beams") or 1) != 1 or drafts:
        raise InputError(
            "Maps of several beams or of drafts cannot be joined into one text: generate with "
            "num_beams=1, and without an assistant or prompt lookup."
        )


def _check_length(model: Any, args: Sequence[Any], given: Mapping[str, Any]) -> None:
    """Refuse before the first step what would be an error in a later one."""
    if not hasattr(model, "config"):
        return
    both = is_encoder_decoder(model)
    names = ("decoder_input_ids",) if both else ("input_ids", "inputs_embeds")
    texts: list[Any] = [given.get(name) for name in names] + ([] if both else list(args[:1]))
    # A decoder that is given nothing begins with its start token.
    lengths = [text.shape[1] for text in texts if getattr(text, "ndim", 0) > 1]
    length = lengths[0] if lengths else int(both)
    new, whole = _setting(model, given, "max_new_tokens"), given.get("max_length")
    if new is None and whole is not None:
        new = whole - length
    if length and new is not None:
        check_new_tokens(model, length, int(new))


def _setting(model: Any, generate: Mapping[str, Any], name: str) -> Any:
    """What `generate` will use: an argument, or else what a configuration says."""
    if name in generate:
        return generate[name]
    configs = (generate.get("generation_config"), getattr(model, "generation_config", None))
    told = (getattr(config, name, None) for config in configs)
    return next((one for one in told if one is not None), None)


def _rows(maps: AttentionMaps, both: bool) -> int:
    """How many positions of the written sequence were read, 0 where no layer tells."""
    rows = [
        weights.shape[-2]
        for weights, kind in zip(maps.weights.values(), maps.kinds, strict=True)
        if kind != "encoder" or not both
    ]
    return max(rows, default=0)


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
    if ids.shape[1] < length or not length:
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
    end = _setting(model, generate, "eos_token_id")
    return [] if end is None else [int(one) for one in (end if isinstance(end, list) else [end])]


def _without_what_follows_the_end(
    known: Sequences, ids: Tensor, ends: list[int], before: int
) -> Sequences:
    """Mark as padding what fills a sequence up that finished before others.

    Args:
        known: What is known of the whole text.
        ids: The whole text, with the last token.
        ends: The ids of the tokens after which a sequence is finished.
        before: How many tokens were given.
    """
    if known.token_ids is None:
        return known
    length = known.token_ids.shape[1]
    after = torch.zeros_like(known.token_ids, dtype=torch.bool)
    after[:, before:] = after_end(ids[:, before:length], ends)
    if not bool(after.any()):
        return known
    padding = known.padding_mask
    return replace(known, padding_mask=~after if padding is None else padding & ~after)
