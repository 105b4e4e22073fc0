"""What is explained: from what the user writes, and what a model returns, to a score an image."""

from interpviz.cam.targets.categories import as_list, class_index, find_categories
from interpviz.cam.targets.outputs import find_logits, rows
from interpviz.cam.targets.resolve import (
    EachOwn,
    Target,
    Targets,
    grouped_scores,
    resolve_target,
    score_of,
    target_name,
)
from interpviz.cam.targets.scores import ClassScore

__all__ = [
    "ClassScore",
    "EachOwn",
    "Target",
    "Targets",
    "as_list",
    "class_index",
    "find_categories",
    "find_logits",
    "grouped_scores",
    "resolve_target",
    "rows",
    "score_of",
    "target_name",
]
