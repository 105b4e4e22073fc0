"""The built site, in a real browser and as files."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from browser import opened, shown
from mkdocs.utils import yaml_load

from interpviz.errors import DOCS_URL, troubleshooting

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
SITE_URL = re.search(r"^site_url: (\S+)$", CONFIG, re.MULTILINE)[1]
NAMES = (
    "GradCAM",
    "generate_cam",
    "ScoreCAM",
    "capture_attention",
    "rollout",
    "head_importance",
    "deletion",
    "map_panels",
    "load_model",
    "LayerError",
)
ANCHORS = ("no-gradients", "attention-weights-not-captured", "cam-is-all-zeros")


class Page(HTMLParser):
    """What the tests ask of one HTML file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.headings = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.headings += tag == "h1"
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        self.links += [found[key] for key in ("href", "src") if found.get(key)]
        if tag == "img":
            self.images.append(found)


@pytest.fixture(scope="session")
def parsed(site):
    found = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*.html"))}
    # The report is a site of its own, with tests of its own.
    return {n: Page(path) for n, path in found.items() if not n.startswith("report/")}


# Files


def test_messages_point_to_this_site():
    assert DOCS_URL == SITE_URL
    assert troubleshooting("x") == f"{SITE_URL}troubleshooting/#x"


def test_troubleshooting_answers_the_addresses_in_messages(parsed):
    found = parsed["troubleshooting/index.html"].anchors
    used = set(ANCHORS)
    for source in (ROOT / "interpviz").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        used |= set(re.findall(r"troubleshooting\(\s*[\"']([\w-]+)[\"']", text))
    assert used <= found


def test_every_page_has_one_heading_of_the_first_level(parsed):
    assert {name: page.headings for name, page in parsed.items() if page.headings != 1} == {}


def test_every_picture_is_described_and_sized(parsed):
    bad = [
        (name, image.get("src"))
        for name, page in parsed.items()
        for image in page.images
        # A picture beside its title in the same link needs no words of its own.
        if not ((image.get("alt") or "").strip() or "/thumb/" in (image.get("src") or ""))
        or image.get("alt") is None
        or not (image.get("width") and image.get("height"))
    ]
    assert bad == []


def test_internal_links_and_anchors_resolve(site, parsed):
    broken = []
    for name, page in parsed.items():
        for link in page.links:
            if re.match(r"(mailto|data|javascript):", link):
                continue
            base = f"{SITE_URL}{name.removesuffix('index.html')}"
            target, anchor = urldefrag(urljoin(base, link))
            if not target.startswith(SITE_URL):
                continue
            path = unquote(target.removeprefix(SITE_URL)).split("?")[0]
            if path == "" or path.endswith("/"):
                path += "index.html"
            anchors = parsed[path].anchors if anchor and path in parsed else {anchor}
            if not (site / path).is_file() or anchor not in anchors:
                broken.append((name, link))
    assert broken == []


def test_nothing_of_the_build_lies_in_the_site(site):
    left = [
        path.relative_to(site).as_posix()
        for path in site.rglob("*")
        if path.suffix in {".md5", ".pickle", ".part", ".pyc"} or path.name == "inputs.json"
    ]
    assert left == []
    assert not (site / "site").exists()


def test_pages_name_no_folder_of_this_machine(site):
    home = str(ROOT)
    assert [p for p in site.rglob("*.html") if home in p.read_text(encoding="utf-8")] == []


def test_every_example_has_a_card(pages, parsed):
    index = " ".join(parsed["generated/gallery/index.html"].links)
    examples = [page for page in pages if re.match(r"generated/gallery/\w+/\w+/", page)]
    scripts = sorted((ROOT / "gallery").glob("*/plot_*.py"))
    assert len(examples) == len(scripts)
    assert all(page.removeprefix("generated/gallery/") in index for page in examples)


def test_the_navigation_lists_every_reference_page():
    listed = {path.name for path in (ROOT / "docs" / "reference").glob("*.md")}
    # Only the tags of functions are unknown to a plain YAML loader; mkdocs' own knows them.
    config = yaml_load(CONFIG)
    reference = next(part["Reference"] for part in config["nav"] if "Reference" in part)
    found = {(e if isinstance(e, str) else next(iter(e.values()))) for e in reference}
    assert {f"reference/{name}" for name in listed} == found


# In the browser


def test_every_page_loads_in_silence_and_asks_no_other_host(browser, address, every_page):
    said, asked = [], []
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    view.on("console", lambda m: said.append((view.url, m.text)) if m.type == "error" else None)
    view.on("pageerror", lambda error: said.append((view.url, str(error))))
    view.on("request", lambda request: asked.append(request.url))
    for page in every_page:
        view.goto(address + page, wait_until="networkidle")
    view.close()
    assert said == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_nothing_is_wider_than_the_screen(browser, address, every_page):
    wide = {}
    view = browser.new_page()
    for page in every_page:
        view.goto(address + page)
        for width in (360, 768, 1440):
            view.set_viewport_size({"width": width, "height": 800})
            found = view.evaluate("document.documentElement.scrollWidth")
            if found > width:
                wide[page, width] = found
    view.close()
    assert wide == {}


def test_pictures_load(browser, address, every_page):
    empty = []
    view = browser.new_page()
    # A picture that the scheme hides is not loaded; a shown one has a size.
    shown = "[...document.images].filter(i => i.checkVisibility())"
    for page in every_page:
        view.goto(address + page)
        view.evaluate("for (const i of document.images) { i.loading = 'eager' }")
        view.wait_for_function(f"{shown}.every(i => i.complete)")
        empty += view.evaluate(f"{shown}.filter(i => !i.naturalWidth).map(i => i.src)")
    view.close()
    assert empty == []


def test_the_toggle_switches_figures_and_links(browser, address, example):
    with opened(browser, address + example) as view:
        assert shown(view)
        assert set(shown(view)) == {"only-light"}
        # From the system's preference to light, from light to dark.
        for _ in range(2):
            view.locator("[data-md-component=palette] label:visible").click()
        assert set(shown(view)) == {"only-dark"}
        links = "[...document.querySelectorAll('.iv-figure a')].filter(a => a.checkVisibility())"
        assert view.evaluate(f"{links}.length") == len(shown(view))


def test_a_figure_is_enlarged_and_closed_with_the_keyboard(browser, address, example):
    with opened(browser, address + example) as view:
        view.locator(".iv-figure a:visible").first.press("Enter")
        view.locator(".gslide.current img").wait_for()
        assert "_light.webp" in view.locator(".gslide.current img").get_attribute("src")
        view.keyboard.press("Escape")
        view.locator(".glightbox-container").wait_for(state="detached")


def test_from_card_to_example_to_reference_and_back(browser, address):
    with opened(browser, address + "generated/gallery/") as view:
        view.locator(".iv-card__link").first.click()
        view.wait_for_load_state()
        example, title = view.url.split("#")[0], view.locator("h1").inner_text().rstrip("¶")
        view.locator(".iv-fact a.autorefs-internal").first.click()
        view.wait_for_load_state()
        assert "/reference/" in view.url
        name = view.url.split("#")[1]
        heading = view.locator(f"[id='{name}']")
        back = heading.locator("xpath=..").locator(".iv-seen a", has_text=title.strip())
        assert back.count() > 0, f"{name} does not say that {title!r} uses it"
        back.first.click()
        view.wait_for_load_state()
        assert view.url.split("#")[0] == example


@pytest.mark.parametrize("name", NAMES)
def test_search_finds(browser, address, name):
    with opened(browser, address) as view:
        view.locator(".md-search__input").click()
        view.locator(".md-search__input").press_sequentially(name)
        found = view.locator(f".md-search-result__link[href*='/reference/'][href*='.{name}']")
        found.first.wait_for(state="attached")


def test_the_search_index_waits_for_the_search(browser, address, example):
    asked = []
    with opened(browser, address + example) as view:
        view.on("request", lambda request: asked.append(request.url))
        view.reload(wait_until="networkidle")
        assert not [url for url in asked if "search_index" in url]
        view.keyboard.press("/")
        view.wait_for_load_state("networkidle")
        assert [url for url in asked if "search_index" in url]


def test_results_that_an_address_asks_for_come_at_once(browser, address):
    with opened(browser, f"{address}?q=GradCAM") as view:
        view.locator(".md-search-result__item").first.wait_for()


def test_the_scheme_holds_over_pages(browser, address, example):
    with opened(browser, address) as view:
        for _ in range(2):
            view.locator("[data-md-component=palette] label:visible").click()
        for page in (example, "reference/cam/", "generated/gallery/"):
            view.goto(address + page)
            assert view.locator("body").get_attribute("data-md-color-scheme") == "slate", page


def test_the_copy_button_copies_the_code(browser, address, example):
    with opened(browser, address + example) as view:
        view.context.grant_permissions(["clipboard-read", "clipboard-write"])
        block = view.locator(".highlight:not(.iv-out)").first
        block.locator("[data-clipboard-target], .md-clipboard, .md-code__button").first.click()
        view.locator(".md-dialog--active").wait_for()
        copied = view.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == block.locator("code").inner_text().strip()


def test_figures_wait_until_they_are_near(parsed):
    for name, page in parsed.items():
        figures = [i for i in page.images if "/images/" in (i.get("src") or "")]
        for image in figures:
            first = "_1_light" in image["src"]
            assert image.get("loading") == "lazy" or first, (name, image)
            assert "/thumb/" in image["src"] or image.get("decoding") == "async", (name, image)
