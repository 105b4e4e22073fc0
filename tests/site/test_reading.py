"""The built site for every reader: keyboard, screen reader, slow line, small screen, paper."""

from __future__ import annotations

import pytest
from browser import opened, serve, shown

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Only colours differ from one scheme to the other.
COLOURS = ["color-contrast", "link-in-text-block"]
KINDS = ("", "generated/gallery/", "EXAMPLE", "reference/errors/", "guide/trust/")


@pytest.fixture
def kind(request, example):
    return example if request.param == "EXAMPLE" else request.param


def violations(view, **only):
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": only, "resultTypes": ["violations"]}
    found = Axe().run(view, options=options).response["violations"]
    return [
        (rule["id"], node["html"][:200], node["failureSummary"][:300])
        for rule in found
        for node in rule["nodes"]
    ]


def in_scheme(view, scheme):
    view.emulate_media(color_scheme=scheme)
    name = "slate" if scheme == "dark" else "default"
    view.locator(f"body[data-md-color-scheme={name}]").wait_for()


def test_every_page_is_accessible_in_both_schemes(browser, address, pages):
    found = {}
    view = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    for page in pages:
        view.emulate_media(color_scheme="light")
        view.goto(address + page)
        found[page, "light"] = violations(view, type="tag", values=RULES)
        in_scheme(view, "dark")
        found[page, "dark"] = violations(view, type="rule", values=COLOURS)
    view.close()
    assert {where: rules for where, rules in found.items() if rules} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_accessible_on_a_phone(browser, address, kind, scheme):
    with opened(browser, address + kind, scheme, width=360) as view:
        assert violations(view, type="tag", values=RULES) == []


def focusable(view) -> int:
    """How many things in the page's text can be reached with the keyboard."""
    script = """[...document.querySelectorAll('article :is(a[href], button, summary, [tabindex])')]
        .filter(e => e.checkVisibility() && e.tabIndex >= 0 && !e.disabled)
        .forEach((e, i) => e.dataset.stop = i) ||
        document.querySelectorAll('[data-stop]').length"""
    return view.evaluate(script)


@pytest.mark.parametrize("kind", ["", "generated/gallery/", "EXAMPLE"], indirect=True)
def test_the_keyboard_reaches_everything_in_order(browser, address, kind):
    with opened(browser, address + kind) as view:
        count = focusable(view)
        assert count > 5
        reached = []
        for _ in range(count + 60):
            view.keyboard.press("Tab")
            stop = view.evaluate("document.activeElement.dataset.stop")
            if stop is not None:
                reached.append(int(stop))
            if len(reached) == count:
                break
        assert reached == list(range(count))


@pytest.mark.parametrize(("width", "ratio"), [(1280, 1), (412, 1.75)])
def test_the_first_view_is_light(browser, site, pages, width, ratio):
    heavy = {}
    with serve(site, packing=True) as root:
        for page in pages:
            context = browser.new_context(
                viewport={"width": width, "height": 860}, device_scale_factor=ratio
            )
            view, got = context.new_page(), []
            view.on("requestfinished", lambda r, got=got: got.append(r.sizes()))
            view.goto(root + page, wait_until="networkidle")
            size = sum(sizes["responseBodySize"] for sizes in got)
            if size > 250_000 or len(got) > 20:
                heavy[page] = (size, len(got))
            context.close()
    assert heavy == {}


def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(browser, address, pages):
    found = {}
    view = browser.new_page(viewport={"width": 360, "height": 800})
    for page in pages:
        view.goto(address + page)
        found[page] = violations(view, type="rule", values=["scrollable-region-focusable"])
    assert {where: rules for where, rules in found.items() if rules} == {}
    view.goto(f"{address}guide/which-method/")
    frames = view.locator(".iv-table").all()
    assert frames
    for frame in frames:
        assert frame.get_attribute("tabindex") == "0"
        assert frame.get_attribute("aria-label").startswith("Table: ")
    wide = "frames => frames.some(each => each.scrollWidth > each.clientWidth)"
    assert view.locator(".iv-table").evaluate_all(wide)
    # The one that the theme's script puts inside does not scroll as well.
    flow = "frames => frames.map(each => getComputedStyle(each).overflowX)"
    assert set(view.locator(".md-typeset__scrollwrap").evaluate_all(flow)) <= {"visible"}
    view.close()


def test_nothing_moves_while_a_page_loads(browser, address, example):
    script = """window.moved = 0; new PerformanceObserver(list => {
        for (const e of list.getEntries()) if (!e.hadRecentInput) window.moved += e.value;
    }).observe({type: 'layout-shift', buffered: true})"""
    with opened(browser, address, width=412) as view:
        view.add_init_script(script)
        for page in ("", "generated/gallery/", example, "reference/cam/", "guide/which-method/"):
            view.goto(address + page, wait_until="networkidle")
            view.mouse.wheel(0, 3000)
            view.wait_for_load_state("networkidle")
            assert view.evaluate("window.moved") < 0.02, page


def test_a_printed_page_shows_light_figures_and_no_controls(browser, address, example):
    with opened(browser, address + example, "dark") as view:
        view.emulate_media(media="print", color_scheme="dark")
        assert set(shown(view)) == {"only-light"}
        for part in (".md-header", ".md-tabs", ".md-sidebar", ".md-footer", ".iv-end .md-button"):
            assert not view.locator(part).first.is_visible(), part
