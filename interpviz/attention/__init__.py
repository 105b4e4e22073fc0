"""What the heads of a transformer look at: captured, drawn and measured."""

from interpviz.attention.capture import capture_attention
from interpviz.attention.families import (
    BERTAttentionVisualizer,
    GPTAttentionVisualizer,
    ViTAttentionVisualizer,
)
from interpviz.attention.maps import AttentionMaps, LayerWeights
from interpviz.attention.patterns import (
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    pattern_score,
    synthetic_attention,
)
from interpviz.attention.statistics import attention_distance, attention_entropy
from interpviz.attention.visualizer import AttentionVisualizer

__all__ = [
    "AttentionMaps",
    "AttentionVisualizer",
    "BERTAttentionVisualizer",
    "GPTAttentionVisualizer",
    "LayerWeights",
    "ViTAttentionVisualizer",
    "attention_distance",
    "attention_entropy",
    "capture_attention",
    "causal_mask",
    "dilated_mask",
    "global_mask",
    "local_mask",
    "pattern_score",
    "synthetic_attention",
]
