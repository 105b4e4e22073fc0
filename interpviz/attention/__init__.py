"""What the heads of a transformer look at: captured, drawn and measured."""

from interpviz.attention.capture import capture_attention
from interpviz.attention.classify import classify_heads
from interpviz.attention.families import (
    BERTAttentionVisualizer,
    GPTAttentionVisualizer,
    ViTAttentionVisualizer,
)
from interpviz.attention.head_types import HEAD_TYPES, HeadTypes
from interpviz.attention.maps import AttentionMaps, LayerWeights
from interpviz.attention.masks import (
    MaskCost,
    block_mask,
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    mask_cost,
    mask_growth,
    random_mask,
    strided_mask,
    synthetic_attention,
)
from interpviz.attention.patterns import pattern_score
from interpviz.attention.statistics import attention_distance, attention_entropy
from interpviz.attention.visualizer import AttentionVisualizer

__all__ = [
    "HEAD_TYPES",
    "AttentionMaps",
    "AttentionVisualizer",
    "BERTAttentionVisualizer",
    "GPTAttentionVisualizer",
    "HeadTypes",
    "LayerWeights",
    "MaskCost",
    "ViTAttentionVisualizer",
    "attention_distance",
    "attention_entropy",
    "block_mask",
    "capture_attention",
    "causal_mask",
    "classify_heads",
    "dilated_mask",
    "global_mask",
    "local_mask",
    "mask_cost",
    "mask_growth",
    "pattern_score",
    "random_mask",
    "strided_mask",
    "synthetic_attention",
]
