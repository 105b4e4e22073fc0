"""The built site for every reader: keyboard, screen reader, slow line, small screen, paper."""

from __future__ import annotations

import pytest
from browser import opened, serve, shown

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
KINDS = ("", "generated/gallery/", "EXAMPLE", "reference/errors/", "guide/trust/", "404.html")


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


def test_every_page_is_accessible_in_both_schemes(browser, address, every_page):
    found = {}
    view = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    for page in every_page:
        view.emulate_media(color_scheme="light")
        view.goto(address + page)
        for scheme in ("light", "dark"):
            in_scheme(view, scheme)
            found[page, scheme] = violations(view, type="tag", values=RULES)
    view.close()
    assert {where: rules for where, rules in found.items() if rules} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_accessible_on_a_phone(browser, address, kind, scheme):
    with opened(browser, address + kind, scheme, width=360) as view:
        assert violations(view, type="tag", values=RULES) == []


STOPS = """() => {
  const kinds = 'a[href], button, input, select, textarea, summary, audio, video, [tabindex]';
  // Of buttons of which one is chosen, Tab reaches the chosen one, else the first one.
  const group = (e) => `input[type=radio][name="${e.name}"]`;
  const first = (selector) => document.querySelector(selector);
  const reached = (e) => first(group(e) + ':checked') ?? first(group(e));
  const skipped = (e) => e.closest('[hidden]') || (e.type === 'radio' && e !== reached(e));
  const seen = (e) => e.checkVisibility({ visibilityProperty: true });
  const stops = [...document.querySelectorAll(kinds)]
    .filter((e) => seen(e) && e.tabIndex >= 0 && !e.disabled && !skipped(e));
  stops.forEach((e, i) => { e.dataset.stop = i });
  return stops.map((e) => e.closest('header, .md-tabs, .md-sidebar, article, footer')?.className
    ?? 'none').map((name) => name.split(' ')[0]);
}"""
"""Marks what can be reached with the keyboard, in order; gives the part of the page of each."""


# The page for unknown addresses has no navigation beside it, nor have the home page and index.
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_the_keyboard_reaches_everything_in_order(browser, address, kind):
    with opened(browser, address + kind) as view:
        parts = view.evaluate(STOPS)
        assert {"md-header", "md-tabs", "md-content__inner", "md-footer"} <= set(parts)
        assert ("md-sidebar" in parts) == (kind not in ("", "generated/gallery/", "404.html"))
        reached = []
        # A view inside of the page has stops of its own.
        for _ in range(len(parts) + 150):
            view.keyboard.press("Tab")
            stop = view.evaluate("document.activeElement.dataset.stop")
            if stop is not None and int(stop) not in reached:
                reached.append(int(stop))
            if len(reached) == len(parts):
                break
        assert reached == list(range(len(parts)))


def test_search_is_opened_and_followed_with_the_keyboard(browser, address):
    with opened(browser, address) as view:
        view.keyboard.press("/")
        view.keyboard.type("GradCAM")
        view.locator(".md-search-result__link[href*='h=gradcam']").first.wait_for()
        view.keyboard.press("ArrowDown")
        chosen = view.locator(".md-search-result__link:focus")
        link = chosen.evaluate("link => link.href")
        view.keyboard.press("Enter")
        view.wait_for_url(lambda url: url.partition("?")[0] == link.partition("?")[0])


def test_where_the_keyboard_is_can_be_seen(browser, address, example):
    """Every stop of the header, the tabs, the navigation and the text has an outline."""
    ring = """() => {
      const label = document.activeElement.matches('.md-option')
        && document.activeElement.nextElementSibling;
      const shown = (e) => e && (getComputedStyle(e).outlineStyle !== 'none');
      const search = document.activeElement.matches('.md-search__input');
      return search || shown(document.activeElement) || shown(label);
    }"""
    with opened(browser, address + example) as view:
        for _ in range(30):
            view.keyboard.press("Tab")
            where = view.evaluate("document.activeElement.outerHTML.slice(0, 120)")
            assert view.evaluate(ring), where


@pytest.mark.parametrize(("width", "ratio"), [(1280, 1), (412, 1.75)])
def test_the_first_view_is_light(browser, site, below, every_page, width, ratio):
    heavy = {}
    with serve(site, packing=True, below=below) as root:
        for page in every_page:
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


def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(browser, address, every_page):
    found = {}
    view = browser.new_page(viewport={"width": 360, "height": 800})
    for page in every_page:
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


VIEWED = "generated/gallery/attention/plot_bert_heads/"
CUT = """() => [...document.querySelectorAll('body, body *')].filter((e) =>
    e.checkVisibility() && getComputedStyle(e).overflow !== 'visible'
    && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
    && e.clientWidth > 1 && !e.closest('svg, table'))
  .map((e) => e.outerHTML.slice(0, 120))"""
"""What holds more than it shows, which nobody can scroll on paper."""
DARK_GROUND = """() => {
  const lightness = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return a < 0.1 ? 255 : (r + g + b) / 3;
  };
  return [...document.querySelectorAll('body, article, article :is(pre > code, td, th, .iv-card)')]
    .filter((e) => e.checkVisibility() && lightness(getComputedStyle(e).backgroundColor) < 200
      || lightness(getComputedStyle(e).color) > 140).map((e) => e.outerHTML.slice(0, 120));
}"""
"""What would print light on dark."""


@pytest.mark.parametrize("page", ["", "EXAMPLE", "reference/cam/", VIEWED])
def test_a_printed_page_is_light_and_whole_and_has_no_controls(browser, address, example, page):
    # A4 with margins of 15 mm.
    with opened(browser, address + (example if page == "EXAMPLE" else page), "dark", 680) as view:
        in_scheme(view, "dark")
        assert view.evaluate(DARK_GROUND)
        view.emulate_media(media="print", color_scheme="dark")
        assert set(shown(view)) <= {"only-light"}
        assert bool(shown(view)) == (page != "reference/cam/")
        assert view.evaluate(DARK_GROUND) == []
        assert view.evaluate(CUT) == []
        assert view.evaluate("document.documentElement.scrollWidth") <= 680
        controls = (
            ".md-header, .md-tabs, .md-sidebar, .md-footer, .iv-end .md-button, .iv-filter, .md-top"
        )
        assert not any(each.is_visible() for each in view.locator(controls).all())
        # What is folded away on the screen stays so only if it can be read elsewhere.
        assert view.locator("details:not([open])").count() == 0


def test_a_printed_view_is_its_picture(browser, address):
    with opened(browser, address + VIEWED) as view:
        host = view.locator("[data-interpviz-view]").first
        host.scroll_into_view_if_needed()
        host.locator(".view").wait_for()
        view.emulate_media(media="print")
        assert not host.locator(".view").is_visible()
        still = host.locator("img").first
        assert still.is_visible()
        assert still.evaluate("image => image.getBoundingClientRect().right") <= 1280
