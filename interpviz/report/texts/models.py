"""A model of text from anywhere, and what can be told of a text with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.described import is_encoder_decoder
from interpviz.attention.layers import attention_layers, unwrapped
from interpviz.device import best_device
from interpviz.errors import AssetError, InputError
from interpviz.zoo.any_model import Loaded, as_loaded, own_categories, place
from interpviz.zoo.checkpoints import load_checkpoint, read_checkpoint
from interpviz.zoo.external import find_model
from interpviz.zoo.quiet import quiet

if TYPE_CHECKING:
    from torch import nn

CLASSIFIES, WRITES, READS = "classifies", "writes", "reads"


@dataclass(frozen=True)
class TextModel:
    """A model of text, ready for batches.

    Attributes:
        loaded: The model with its tokenizer and names.
        does: `"classifies"` texts, `"writes"` them from left to right, or only `"reads"` them.
        classes: How many classes it tells apart; 0 where it tells none.
        longest: How many tokens it takes.
    """

    loaded: Loaded
    does: str
    classes: int
    longest: int


def find_text_model(
    model: Any,
    tokenizer: Any = None,
    checkpoint: str | Path | None = None,
    device: torch.device | str | None = None,
) -> TextModel:
    """Load a model of text, or take one that was loaded.

    Args:
        model: What a command line can say of it; a network; a pair of one and its tokenizer; or
            what `load_model` returns.
        tokenizer: The tokenizer of a network that comes without one.
        checkpoint: A state dict for a model given by name.
        device: Where to put it.

    Raises:
        AssetError: The model cannot be had.
        InputError: It reads pictures, reads with one part and writes with another, or has no
            tokenizer.
        AttentionError: It has no attention that can be captured.
    """
    if isinstance(model, str):
        loaded = _classifier(model, checkpoint, device) or find_model(
            model, checkpoint, device=device
        )
    elif checkpoint is not None:
        raise InputError("A checkpoint goes with a model given by name: load it into yours first.")
    else:
        loaded = _given(model, tokenizer)
        if device is not None:
            place(loaded.model, device)
    if loaded.tokenizer is None:
        raise InputError(f"{loaded.name} has no tokenizer: pass a model of text, or its tokenizer.")
    if is_encoder_decoder(loaded.model):
        raise InputError(
            f"{loaded.name} reads with an encoder and writes with a decoder: pass a model that "
            "has only one of them."
        )
    attention_layers(unwrapped(loaded.model))
    does, classes = _asked(loaded.model)
    return TextModel(loaded, does, classes, _longest(loaded))


def _given(model: Any, tokenizer: Any) -> Loaded:
    if isinstance(model, tuple) and len(model) == 2:
        model, tokenizer = model
    loaded = as_loaded(model, type(model).__name__)
    return loaded if tokenizer is None else replace(loaded, tokenizer=tokenizer)


def _classifier(
    spec: str, checkpoint: str | Path | None, device: torch.device | str | None
) -> Loaded | None:
    """A classifier of texts with its head; None for all other models."""
    import transformers

    kind, _, name = spec.partition(":")
    if kind != "hf" or not name:
        return None
    where = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    # A repository's own code never runs.
    options = {"trust_remote_code": False}
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            config = transformers.AutoConfig.from_pretrained(where, **options)
            if not any("SequenceClassification" in name for name in config.architectures or []):
                return None
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                where, use_safetensors=True, **options
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(where, **options)
    except Exception as error:  # hubs, libraries and their versions each have errors of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise AssetError(
            f"{spec} cannot be loaded ({reason[:160]}): connect to its hub, or pass a folder that "
            "save_pretrained wrote."
        ) from error
    about = f"Weights: {type(model).__name__}, from {Path(checkpoint or name).name}"
    if checkpoint is not None:
        load_checkpoint(model, read_checkpoint(checkpoint), str(checkpoint))
    place(model.eval(), best_device() if device is None else device)
    names = own_categories(model)
    return Loaded(spec, model, None, names, tokenizer=tokenizer, about=about)


def _asked(model: nn.Module) -> tuple[str, int]:
    """What a model does, by the kind of network that it is, and its number of classes."""
    name, config = type(model).__name__, getattr(model, "config", None)
    if name.endswith("ForSequenceClassification"):
        return CLASSIFIES, max(int(getattr(config, "num_labels", 2)), 2)
    if name.endswith(("ForCausalLM", "LMHeadModel")):
        return WRITES, 0
    return READS, 0


def _longest(loaded: Loaded) -> int:
    config = getattr(loaded.model, "config", None)
    limits = [
        getattr(loaded.tokenizer, "model_max_length", None),
        getattr(config, "max_position_embeddings", None),
        getattr(config, "n_positions", None),
    ]
    known = [int(limit) for limit in limits if isinstance(limit, int) and limit > 0]
    return min(known, default=1 << 30)
