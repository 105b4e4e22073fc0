"""Tiny models with random weights, as fast as a test wants them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as tf
from torch import nn

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
TEXT = {**SIZES, "vocab_size": 100, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def bert(cls: Any = tf.BertModel, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    return cls(tf.BertConfig(**TEXT, **kwargs)).eval()


def gpt2(**kwargs: Any) -> Any:
    torch.manual_seed(0)
    config = tf.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, vocab_size=100, bos_token_id=1, eos_token_id=2, **kwargs
    )
    return tf.GPT2LMHeadModel(config).eval()


def vit() -> Any:
    torch.manual_seed(0)
    return tf.ViTModel(tf.ViTConfig(**SIZES, image_size=32, patch_size=8)).eval()


def decoder(kind: str, cls: str = "Model", **kwargs: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(tf, f"{kind}Config")(**TEXT, num_key_value_heads=2, **kwargs)
    return getattr(tf, f"{kind}{cls}")(config).eval()


def bart(cls: Any = tf.BartModel, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    config = tf.BartConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        vocab_size=100,
        **kwargs,
    )
    return cls(config).eval()


def t5() -> Any:
    torch.manual_seed(0)
    config = tf.T5Config(
        d_model=32, d_kv=8, num_layers=2, num_heads=4, d_ff=64, vocab_size=100, pad_token_id=0
    )
    return tf.T5Model(config).eval()


def albert() -> Any:
    torch.manual_seed(0)
    return tf.AlbertModel(tf.AlbertConfig(**TEXT, embedding_size=16)).eval()


def falcon() -> Any:
    torch.manual_seed(0)
    config = tf.FalconConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        vocab_size=100,
        bos_token_id=1,
        eos_token_id=2,
    )
    return tf.FalconModel(config).eval()


def text_inputs(padded: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    mask = torch.ones(2, 9, dtype=torch.long)
    if padded:
        mask[1, 7:] = 0
    return {"input_ids": torch.randint(5, 99, (2, 9)), "attention_mask": mask}


def left_padded() -> dict[str, torch.Tensor]:
    inputs = text_inputs()
    return {**inputs, "attention_mask": inputs["attention_mask"].flip(1)}


def image_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.randn(1, 3, 32, 32)}


class Encoder(nn.Module):
    """PyTorch's own encoder, whose layers take the fast path in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(
        self, x: torch.Tensor, src_key_padding_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        return self.encoder(x, src_key_padding_mask=src_key_padding_mask)


def hook_count(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def implementations(model: nn.Module) -> list[str]:
    return [
        module.config._attn_implementation
        for module in model.modules()
        if hasattr(module, "config")
    ]


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """The builders and counters of this file, by name."""
    return SimpleNamespace(
        bert=bert,
        gpt2=gpt2,
        vit=vit,
        decoder=decoder,
        bart=bart,
        t5=t5,
        albert=albert,
        falcon=falcon,
        text_inputs=text_inputs,
        left_padded=left_padded,
        image_inputs=image_inputs,
        Encoder=Encoder,
        hook_count=hook_count,
        implementations=implementations,
    )
