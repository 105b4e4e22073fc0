"""The end of each example's page: how to run it, what it took, what it uses, what to read next.

It is written anew in every build, since it depends on the other examples as well; the part of the
page above it comes from the last run of the script and stays as it is.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import urlencode

import timing
from cards import cards
from layout import Example, Layout
from pages import END, replace
from related import related
from uses import Uses, public_names, uses

# Where the published site keeps its files; Colab reads notebooks from there.
NOTEBOOKS = "https://colab.research.google.com/github/interpviz/interpviz/blob/gh-pages/latest/"


def write(layout: Layout) -> None:
    """Write the end of every page that is not as it should be."""
    public = public_names(layout)
    found = {example: uses(example, public) for example in layout.examples()}
    for example in found:
        raw = example.page.read_text(encoding="utf-8")
        text = f"{raw.partition(END)[0]}{END}\n{_foot(example, found, layout)}"
        if text != raw:
            replace(example.page, text)


def _foot(example: Example, found: Mapping[Example, Uses], layout: Layout) -> str:
    facts = [
        _runs(example),
        _weights(example, found[example]),
        _models(found[example]),
        _names(found[example]),
    ]
    parts = [
        '<div class="iv-end" markdown>',
        "## Run this example",
        _buttons(example, layout),
        "\n".join(fact for fact in facts if fact),
        "</div>",
    ]
    if nearest := related(example, found):
        parts += ["## Related examples", cards(nearest, example.folder)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _buttons(example: Example, layout: Layout) -> str:
    colab = NOTEBOOKS + example.notebook.relative_to(layout.docs).as_posix()
    return "\n".join(
        (
            f"[:material-language-python: Python script]({example.script.name})"
            "{ .md-button download }",
            f"[:material-notebook-outline: Notebook]({example.notebook.name})"
            "{ .md-button download }",
            f"[:material-play-outline: Open in Colab]({colab}){{ .md-button }}",
        )
    )


def _runs(example: Example) -> str:
    run = timing.load(example)
    if run is None:
        return ""
    took = f"{run.seconds:.1f} seconds" if run.seconds < 60 else f"{run.seconds / 60:.1f} minutes"
    memory = f" and {run.peak_mb / 1000:.1f} GB of memory" if run.peak_mb else ""
    return _fact("Took", f"{took}{memory}, when this site was built")


def _weights(example: Example, used: Uses) -> str:
    run = timing.load(example)
    if run is None:
        return ""
    if not run.weights and not used.models:
        return _fact("Weights", "none are loaded: a network on this page is trained in it")
    return _fact("Weights", *(html.escape(line) for line in run.weights))


def _models(used: Uses) -> str:
    links = (f"[`{name}`](../index.md?{urlencode({'model': name})})" for name in used.models)
    return _fact("Models", ", ".join(links))


def _names(used: Uses) -> str:
    links = (f"[`{name.split('.', 2)[2]}`][{name}]" for name in used.names)
    return _fact("Uses", ", ".join(links))


def _fact(name: str, *lines: str) -> str:
    told = "".join(f"<dd markdown>{line.removeprefix(f'{name}: ')}</dd>" for line in lines if line)
    return f'<dl class="iv-fact" markdown><dt>{name}</dt>{told}</dl>' if told else ""
