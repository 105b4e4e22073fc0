"""What the heads of a transformer look at: captured, drawn and measured."""

from interpviz.attention.ablation import ablate_heads
from interpviz.attention.capture import capture_attention
from interpviz.attention.classify import classify_heads
from interpviz.attention.families import (
    BERTAttentionVisualizer,
    GPTAttentionVisualizer,
    ViTAttentionVisualizer,
)
from interpviz.attention.flow import max_flow
from interpviz.attention.generated import Generated
from interpviz.attention.head_types import HEAD_TYPES, HeadTypes
from interpviz.attention.importance import head_importance
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
from interpviz.attention.measured import head_statistics
from interpviz.attention.mixing import rollout
from interpviz.attention.patterns import pattern_score
from interpviz.attention.propagation import Relevance, relevance
from interpviz.attention.sequences import Sequences
from interpviz.attention.statistics import attention_distance, attention_entropy
from interpviz.attention.streaming import attention_statistics
from interpviz.attention.table import HeadStatistics
from interpviz.attention.viewing import attention_view
from interpviz.attention.visualizer import AttentionVisualizer

__all__ = [
    "HEAD_TYPES",
    "AttentionMaps",
    "AttentionVisualizer",
    "BERTAttentionVisualizer",
    "GPTAttentionVisualizer",
    "Generated",
    "HeadStatistics",
    "HeadTypes",
    "LayerWeights",
    "MaskCost",
    "Relevance",
    "Sequences",
    "ViTAttentionVisualizer",
    "ablate_heads",
    "attention_distance",
    "attention_entropy",
    "attention_statistics",
    "attention_view",
    "block_mask",
    "capture_attention",
    "causal_mask",
    "classify_heads",
    "dilated_mask",
    "global_mask",
    "head_importance",
    "head_statistics",
    "local_mask",
    "mask_cost",
    "mask_growth",
    "max_flow",
    "pattern_score",
    "random_mask",
    "relevance",
    "rollout",
    "strided_mask",
    "synthetic_attention",
]
