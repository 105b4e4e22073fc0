"""The attention view for all readers, and tokens that look like markup."""

import pytest

from interpviz.render.views import AttentionView

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


# Readers


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(browser, tools, file, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    with tools.opened(browser, file, scheme=scheme, width=width) as page:
        page.get_by_label("Compare heads").check()
        tools.head(page, 1).click()
        tools.query(page, 3).click()
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
        assert [one["id"] for one in found["violations"]] == []


def test_nothing_is_asked_for(page, tools, file):
    tools.query(page, 2).hover()
    assert page.asked == [file.as_uri()]


@pytest.mark.parametrize(
    ("attributes", "dark"),
    [
        ({"data-md-color-scheme": "slate"}, True),
        ({"data-md-color-scheme": "default"}, False),
        ({"data-jp-theme-light": "false"}, True),
        ({"data-jp-theme-light": "true"}, False),
        ({"class": "vscode-dark"}, True),
        ({"class": "vscode-light"}, False),
        ({"class": "vscode-high-contrast"}, True),
        ({"class": "vscode-high-contrast-light"}, False),
        ({"style": "background: #111"}, True),
        ({"style": "background: white"}, False),
    ],
)
def test_the_page_tells_light_from_dark(browser, tools, file, attributes, dark):
    other = "light" if dark else "dark"
    with tools.opened(browser, file, scheme=other) as page:
        root = page.locator(".view")
        assert root.get_attribute("data-scheme") == other
        for name, value in attributes.items():
            page.evaluate(
                "([name, value]) => document.body.setAttribute(name, value)", [name, value]
            )
        page.locator(f".view[data-scheme={'dark' if dark else 'light'}]").wait_for()


def test_a_change_of_preference_is_followed(page):
    page.emulate_media(color_scheme="dark")
    page.locator(".view[data-scheme=dark]").wait_for()


def test_a_phone_needs_no_scrolling_sideways(browser, tools, file):
    with tools.opened(browser, file, width=360, has_touch=True, is_mobile=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        tools.query(page, 5).tap()
        assert tools.read(page)["query"] == 5


def test_without_scripts_the_picture_stands_there(browser, tools, file):
    with tools.opened(browser, file, java_script_enabled=False) as page:
        picture = page.locator(".interpviz > img")
        assert picture.is_visible()
        assert "strongest link goes from" in picture.get_attribute("alt")
        assert picture.evaluate("image => image.naturalWidth") > 300


def test_paper_shows_the_picture(page):
    picture, view = page.locator(".interpviz > img"), page.locator(".view")
    assert view.is_visible()
    assert not picture.is_visible()
    page.emulate_media(media="print")
    assert picture.is_visible()
    assert not view.is_visible()


def test_a_view_that_cannot_start_leaves_its_picture(browser, file, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(file.read_text(encoding="utf-8").replace('"texts":', '"other":'))
    page = browser.new_page()
    page.goto(broken.as_uri())
    assert page.locator(".interpviz > img").is_visible()
    assert "could not start" in page.locator(".interpviz").evaluate(
        "host => host.shadowRoot.textContent"
    )
    page.close()


def test_motion_is_left_out_where_readers_ask_for_it(browser, tools, file):
    with tools.opened(browser, file, reduced_motion="reduce") as page:
        assert (
            tools.head(page, 0).evaluate("item => getComputedStyle(item).transitionDuration")
            == "0s"
        )


# Tokens are text


def test_markup_in_tokens_is_shown_and_runs_nothing(browser, tools, tmp_path):
    evil = [
        "<img src=x onerror=window.hit=1>",
        "</script><script>window.hit=1</script>",
        "<!--",
        "\u2028'\"&amp;",
        "a\x07\ud800",
    ]
    weights = tools.attention(1, 1, 5)
    info = {"pattern": [["<b>bold</b>"]]}
    view = AttentionView(
        weights, evil, title="</title><script>window.hit=1</script>", head_info=info
    )
    with tools.opened(browser, view.to_html(tmp_path / "evil.html")) as page:
        shown = page.locator(".tokens.query li").evaluate_all(
            "all => all.map(one => one.textContent)"
        )
        assert shown == [*evil[:4], r"a\x07\ud800"]
        for place in range(5):
            tools.query(page, place).hover()
        with page.expect_download():
            page.get_by_role("button", name="Save SVG").click()
        assert page.evaluate("window.hit") is None
        assert page.locator(".view img, .view script").count() == 0
        assert "Pattern: <b>bold</b>" in page.locator(".about").inner_text()
