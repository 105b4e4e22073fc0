"""What the gallery's index can be filtered by, and the buttons for it.

The buttons are there for readers with JavaScript only; without it every card shows.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping

from layout import Example, plain
from uses import Uses

# What a reader looks for; names of the other modules load, draw and describe on every page.
_METHODS = ("interpviz.cam.", "interpviz.attention.", "interpviz.metrics.")
_SEVERAL = 2
_KINDS = ("topic", "task", "model", "method")
# What the models of the zoo were trained for; those that are not named here classify images.
_TASKS = {
    "bert": "text-embedding",
    "gpt": "text-generation",
    "vit_small_focus": "salient-objects",
}
_CLASSIFYING = "image-classification"
_SCRIPT = '<script src="../../assets/javascripts/filter.js" defer></script>'

Tags = dict[str, tuple[str, ...]]


def tags(example: Example, used: Uses) -> Tags:
    """What a card can be found by: its topic, its models, their tasks, the methods in its code."""
    methods = (name for name in used.names if name.startswith(_METHODS))
    return {
        "topic": (example.folder.name,),
        "task": _tasks(used),
        "model": used.models,
        "method": tuple(name.split(".", 2)[2] for name in methods),
    }


def _tasks(used: Uses) -> tuple[str, ...]:
    tasks = [_TASKS.get(model, _CLASSIFYING) for model in used.models]
    # A script that trains a network of its own to be explained by class.
    if not tasks and any(name.startswith("interpviz.cam.") for name in used.names):
        tasks = [_CLASSIFYING]
    return tuple(dict.fromkeys(tasks))


def attributes(found: Tags) -> str:
    """The tags of a card, as attributes of its element."""
    return " ".join(
        f'data-{kind}="{html.escape(" ".join(values))}"' for kind, values in found.items()
    )


def buttons(found: Mapping[Example, Tags], topics: Mapping[str, str]) -> str:
    """The buttons above the cards, in groups.

    Args:
        found: The tags of every example.
        topics: The title of each section, by its folder's name, in the order of the index.
    """
    if len(found) < _SEVERAL:
        return ""
    groups = "\n".join(
        _group(kind, Counter(value for all_ in found.values() for value in all_[kind]), topics)
        for kind in _KINDS
    )
    return (
        f'<div class="iv-filter" data-search-exclude>\n{groups}\n'
        f'<p class="iv-filter__state"><span role="status">{len(found)} examples</span>\n'
        '<button type="button" class="iv-filter__clear" hidden>Show all</button></p>\n'
        f"</div>\n{_SCRIPT}"
    )


def _group(kind: str, counts: Counter[str], topics: Mapping[str, str]) -> str:
    # Topics in the order of the index, the others with the most frequent first.
    order = list(topics) if kind == "topic" else sorted(counts, key=lambda v: (-counts[v], v))
    often = [value for value in order if counts[value] >= _SEVERAL or kind != "method"]
    rest = [value for value in order if value not in often]
    if not counts:
        return ""
    chips = "".join(_chip(kind, value, counts[value], topics) for value in often)
    if rest:
        more = "".join(_chip(kind, value, counts[value], topics) for value in sorted(rest))
        chips += (
            f'<button type="button" class="iv-filter__more" aria-expanded="false">'
            f'{len(rest)} more</button><span class="iv-filter__rest" hidden>{more}</span>'
        )
    return (
        f'<div class="iv-filter__group" role="group" aria-label="{kind.capitalize()}">'
        f'<span class="iv-filter__name" aria-hidden="true">{kind.capitalize()}</span>'
        f'<div class="iv-filter__chips">{chips}</div></div>'
    )


def _chip(kind: str, value: str, count: int, topics: Mapping[str, str]) -> str:
    words = topics.get(value, value) if kind == "topic" else value
    words = value.replace("-", " ").capitalize() if kind == "task" else words
    return (
        f'<button type="button" class="iv-chip" aria-pressed="false" data-kind="{kind}" '
        f'data-value="{html.escape(value)}">{html.escape(plain(words), quote=False)} '
        f'<span class="iv-chip__count">{count}</span></button>'
    )
