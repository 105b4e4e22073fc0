"""What the tests of the views share: a browser, and heads whose weights are known."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SITE = Path(__file__).parents[1] / "site"
if str(SITE) not in sys.path:
    sys.path.append(str(SITE))

TEXT = ["[CLS]", "the", "cat", "sat", "on", "the", "mat", "because", "it", "was", "tired", "[SEP]"]


def attention(layers, heads, queries, keys=None, causal=False, seed=0):
    """Weights as a softmax gives them, some heads sharp, some even."""
    keys = queries if keys is None else keys
    random = np.random.default_rng(seed)
    logits = random.normal(size=(layers, heads, queries, keys))
    logits *= random.uniform(0.2, 4, size=(layers, heads, 1, 1))
    if causal:
        later = np.arange(keys) > np.arange(queries)[:, None] + keys - queries
        logits = np.where(later, -np.inf, logits)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@contextmanager
def opened(browser, path, *, width=1280, scheme="light", **options):
    """A page from disk; fails where a script of it failed or something was asked for elsewhere."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, **options)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri() if isinstance(path, Path) else path)
    try:
        yield page
    finally:
        context.close()
    assert problems == []


def read(page, place=0):
    """What a view says that it shows."""
    values = "({values, ...rest}) => ({...rest, values: values && Array.from(values)})"
    hosts = "document.querySelectorAll('.interpviz')"
    return page.evaluate(f"({values})({hosts}[{place}].interpviz.read())")


@pytest.fixture(scope="session")
def tools():
    return SimpleNamespace(text=TEXT, attention=attention, opened=opened, read=read)
