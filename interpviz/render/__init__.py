"""Arrays, labels and tokens become pictures. Nothing here knows a model."""

from interpviz.render.animation import write_animation
from interpviz.render.comparison import compare_attention
from interpviz.render.cross import cross_attention
from interpviz.render.filmstrip import film_strip
from interpviz.render.graph import attention_graph
from interpviz.render.head_flow import token_flow
from interpviz.render.head_types import head_type_map
from interpviz.render.heads import head_heatmap, heads_grid
from interpviz.render.images import as_rgb
from interpviz.render.model_grid import all_heads_grid
from interpviz.render.overlay import colorize, overlay
from interpviz.render.panels import difference_map, map_panels, show_map
from interpviz.render.style import caption, describe
from interpviz.render.tables import layer_head_heatmap, pattern_mask
from interpviz.render.text import text_heatmap
from interpviz.render.tokens import clean_tokens

__all__ = [
    "all_heads_grid",
    "as_rgb",
    "attention_graph",
    "caption",
    "clean_tokens",
    "colorize",
    "compare_attention",
    "cross_attention",
    "describe",
    "difference_map",
    "film_strip",
    "head_heatmap",
    "head_type_map",
    "heads_grid",
    "layer_head_heatmap",
    "map_panels",
    "overlay",
    "pattern_mask",
    "show_map",
    "text_heatmap",
    "token_flow",
    "write_animation",
]
