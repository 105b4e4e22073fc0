"""What the tests of the attention view share: one view of known weights, opened in a browser."""

from types import SimpleNamespace

import numpy as np
import pytest

from interpviz.render.views import AttentionView


@pytest.fixture(scope="session")
def weights(tools):
    return tools.attention(2, 3, len(tools.text))


@pytest.fixture(scope="session")
def special(tools):
    return np.array([token.startswith("[") for token in tools.text])


@pytest.fixture(scope="session")
def file(tools, weights, special, tmp_path_factory):
    info = {"entropy": np.full((2, 3), 0.5), "pattern": [["self", "none", "local"]] * 2}
    info["score"] = np.full((2, 3), 0.75)
    view = AttentionView(
        weights, tools.text, special_tokens=special, head_info=info, title="A cat", layer=1, head=2
    )
    return view.to_html(tmp_path_factory.mktemp("view") / "view.html")


@pytest.fixture
def page(browser, tools, file):
    with tools.opened(browser, file) as page:
        yield page


def query(page, place):
    return page.locator(".tokens.query li").nth(place)


def key(page, place):
    return page.locator(".tokens.key li").nth(place)


def head(page, place):
    return page.locator("[role=group]:not([hidden]) [data-head]").nth(place)


@pytest.fixture(scope="session")
def tools(tools):
    return SimpleNamespace(**vars(tools), query=query, key=key, head=head)
