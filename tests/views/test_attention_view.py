"""The attention view in a real browser, its numbers held against the weights."""

import json
import re
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.render.views import AttentionView, write_page
from interpviz.render.views.quantise import error_bound, renormalised_error_bound, scales_of

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def weights(tools):
    return tools.attention(2, 3, len(tools.text))


@pytest.fixture(scope="module")
def special(tools):
    return np.array([token.startswith("[") for token in tools.text])


@pytest.fixture(scope="module")
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


# Values


def test_every_head_shows_its_own_weights(page, tools, weights, special):
    for layer in range(2):
        page.get_by_role("combobox", name="Layer").select_option(str(layer))
        for place in range(3):
            head(page, place).click()
            shown = tools.read(page)
            true = weights[layer, place]
            scale = np.where(special, *scales_of(true, special)[::-1])
            off = np.abs(np.reshape(shown["values"], true.shape) - true)
            assert (shown["layer"], shown["head"]) == (layer, place)
            assert (off <= error_bound(true, scale) + 1e-7).all()


def test_links_of_a_query_are_its_greatest_weights(page, tools, weights):
    query(page, 4).hover()
    shown = tools.read(page)
    order = np.argsort(-weights[1, 2, 4])[:5]
    assert shown["query"] == 4
    assert shown["key"] is None
    assert [link["key"] for link in shown["links"]] == order.tolist()
    for link in shown["links"]:
        assert link["weight"] == pytest.approx(weights[1, 2, 4, link["key"]], abs=0.004)
    said = page.locator(".readout li").all_inner_texts()
    assert [text.split()[0] for text in said] == [tools.text[place] for place in order]


def test_links_of_a_key_come_from_who_looks_at_it(page, tools, weights):
    key(page, 6).hover()
    shown = tools.read(page)
    assert shown["query"] is None
    order = np.argsort(-weights[1, 2, :, 6])[:5]
    assert [link["query"] for link in shown["links"]] == order.tolist()


def test_without_special_tokens_rows_add_up_to_one_again(page, tools, weights, special):
    page.get_by_label("Special tokens").uncheck()
    shown = tools.read(page)
    assert shown["queries"] == shown["keys"] == np.flatnonzero(~special).tolist()
    inner = weights[1, 2][~special]
    scale = np.where(special, *scales_of(weights[1, 2], special)[::-1])
    bound = renormalised_error_bound(inner, scale, ~special)
    true = inner[:, ~special] / inner[:, ~special].sum(1, keepdims=True)
    values = np.reshape(shown["values"], true.shape)
    assert (np.abs(values - true) <= bound + 1e-6).all()
    assert values.sum(1) == pytest.approx(np.ones(len(values)), abs=1e-5)
    assert page.locator(".tokens.query li").count() == (~special).sum()


def test_threshold_and_number_of_links(page, tools, weights):
    query(page, 2).click()
    slider = page.get_by_label("Strongest links:")
    slider.fill("2")
    assert len(tools.read(page)["links"]) == 2
    slider.fill("20")
    page.get_by_label("Hide links below:").fill("30")
    shown = tools.read(page)
    assert shown["threshold"] == pytest.approx(0.09)
    assert len(shown["links"]) == (weights[1, 2, 2] > 0.09).sum()
    page.get_by_label("Hide links below:").fill("100")
    assert "no link as strong" in page.locator(".readout").inner_text()


def test_scales_change_colours_but_no_weights(page, tools):
    before = tools.read(page)["values"]
    picture = "document.querySelector('.interpviz').shadowRoot.querySelector('.map canvas')"
    linear = page.evaluate(f"{picture}.toDataURL()")
    page.get_by_role("combobox", name="Scale").select_option("1")
    assert tools.read(page)["log"]
    assert tools.read(page)["values"] == before
    assert page.evaluate(f"{picture}.toDataURL()") != linear


def test_the_heat_map_is_drawn_from_the_weights(page, tools, weights):
    # Each cell's colour against its neighbours': a greater weight is never lighter on white.
    n = len(tools.text)
    light = np.array(
        page.evaluate(
            """n => {
              const { shadowRoot } = document.querySelector('.interpviz');
              const map = shadowRoot.querySelector('.map canvas');
              const side = (map.width - 72) / n, pen = map.getContext('2d');
              return Array.from({length: n * n}, (_, i) => {
                const x = 70 + (i % n + 0.5) * side, y = 70 + (Math.floor(i / n) + 0.5) * side;
                const [r, g, b] = pen.getImageData(x, y, 1, 1).data;
                return r + g + b;
              });
            }""",
            n,
        )
    )
    order = np.argsort(tools.read(page)["values"])
    assert (np.diff(light[order]) <= 0).all()
    assert light[order[0]] - light[order[-1]] > 400


# Mouse and keyboard


def test_a_kept_token_stays_when_the_mouse_leaves(page, tools):
    query(page, 3).click()
    query(page, 5).hover()
    assert tools.read(page)["query"] == 5
    page.mouse.move(2, 2)
    assert tools.read(page)["query"] == 3
    page.keyboard.press("Escape")
    assert tools.read(page)["query"] is None


def test_a_cell_of_the_heat_map_tells_its_weight(page, tools, weights):
    box = page.locator(".map").bounding_box()
    n = len(tools.text)
    width = page.locator(".map canvas").first.bounding_box()["width"]
    side = (width - 72) / n
    page.mouse.move(box["x"] + 70 + 7.5 * side, box["y"] + 70 + 3.5 * side)
    shown = tools.read(page)
    assert (shown["query"], shown["key"]) == (3, 7)
    assert shown["weight"] == pytest.approx(weights[1, 2, 3, 7], abs=0.004)
    assert f"“{tools.text[3]}” looks at “{tools.text[7]}”" in page.locator(".readout").inner_text()
    assert page.locator(".tokens [aria-selected=true]").all_inner_texts() == ["sat", "because"]


def test_the_keyboard_reaches_everything(page, tools):
    names = []
    for _ in range(14):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                """() => {
                  const at = document.activeElement?.shadowRoot?.activeElement;
                  if (!at) return null;
                  const outline = getComputedStyle(at).outlineStyle;
                  const name = at.getAttribute('aria-label') || at.labels?.[0]?.textContent;
                  return [name || at.textContent, outline];
                }"""
            )
        )
    reached = [name for name in names if name]
    assert all(outline not in ("none", "") for _, outline in reached)
    texts = " ".join(name for name, _ in reached)
    for wanted in (
        "Show all layers",
        "Layer 1, head 2",
        "[CLS]",
        "Heat map",
        "Save SVG",
        "Save PNG",
    ):
        assert wanted in texts
    # Each list of tokens and heads is one stop.
    assert len(reached) == 13


def test_arrows_walk_through_tokens_and_between_columns(page, tools):
    query(page, 0).focus()
    for press in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(press)
    assert tools.read(page)["query"] == 2
    page.keyboard.press("ArrowRight")
    shown = tools.read(page)
    assert (shown["query"], shown["key"]) == (None, 2)
    page.keyboard.press("End")
    assert tools.read(page)["key"] == len(tools.text) - 1
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert tools.read(page)["query"] == 0


def test_arrows_walk_through_heads_and_layers(page, tools):
    page.get_by_role("button", name="Show all layers").click()
    page.locator("[data-head][tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    assert (tools.read(page)["layer"], tools.read(page)["head"]) == (0, 2)
    page.keyboard.press("ArrowLeft")
    assert tools.read(page)["head"] == 1
    assert page.locator("[data-head][tabindex='0']").count() == 1


def test_arrows_walk_through_cells_and_are_read_out(page, tools, weights):
    page.locator(".map").focus()
    for press in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(press)
    shown = tools.read(page)
    assert (shown["query"], shown["key"]) == (1, 2)
    live = page.locator("[aria-live=polite]")
    page.wait_for_timeout(400)
    told = float(re.search(r"weight of (\d\.\d+)", live.inner_text())[1])
    assert told == pytest.approx(weights[1, 2, 1, 2], abs=0.01)


def test_compared_heads_have_links_in_colours_of_their_own(page, tools):
    page.get_by_label("Compare heads").check()
    head(page, 0).click()
    query(page, 4).click()
    shown = tools.read(page)
    assert sorted(shown["heads"]) == [0, 2]
    assert {link["head"] for link in shown["links"]} == {0, 2}
    colours = page.locator(".readout li").evaluate_all(
        "items => items.map(item => getComputedStyle(item).borderLeftColor)"
    )
    assert len(set(colours)) == 2
    head(page, 0).focus()
    page.keyboard.press(" ")
    assert tools.read(page)["heads"] == [2]


def test_what_is_known_of_a_head_is_told(page):
    told = page.locator(".about").inner_text()
    assert "Layer 1, head 2" in told
    assert "Entropy 0.50" in told
    assert "Pattern: local, score 0.75" in told


def test_shortcuts_of_the_browser_stay_its_own(page, tools):
    query(page, 1).focus()
    page.locator(".map").focus()
    page.keyboard.press("ArrowDown")
    before = tools.read(page)
    taken = "event => window.taken = (window.taken ?? 0) + event.defaultPrevented"
    page.evaluate(f"document.addEventListener('keydown', {taken})")
    for modifier in ("Alt", "Control", "Meta"):
        for place in (".map", ".tokens.query [tabindex='0']", ".tokens.key [tabindex='0']"):
            page.locator(place).evaluate(
                """(at, modifier) => {
                  const keys = {bubbles: true, composed: true, cancelable: true};
                  keys[{Control: 'ctrl', Alt: 'alt', Meta: 'meta'}[modifier] + 'Key'] = true;
                  for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowDown', 'Home'])
                    at.dispatchEvent(new KeyboardEvent('keydown', {...keys, key}));
                }""",
                modifier,
            )
    assert page.evaluate("window.taken") == 0
    assert tools.read(page) == before


def test_home_and_end_go_to_the_ends_of_a_row(page, tools):
    page.locator(".map").focus()
    for press, where in (("End", len(tools.text) - 1), ("Home", 0)):
        page.keyboard.press(press)
        shown = tools.read(page)
        assert (shown["query"], shown["key"]) == (0, where)


def test_the_heat_map_keeps_to_the_head_that_was_clicked(browser, tools, tmp_path):
    view = AttentionView(tools.attention(1, 8, 5), list("abcde"), head=2)
    with tools.opened(browser, view.to_html(tmp_path / "many.html")) as page:
        page.get_by_label("Compare heads").check()
        for place in (5, 0, 7, 1, 3):
            head(page, place).click()
            assert tools.read(page)["head"] == place
        head(page, 7).click()
        assert tools.read(page)["head"] == 3
        head(page, 4).click()
        head(page, 6).click()
        assert tools.read(page)["head"] == 4
        assert "6 heads" in page.locator(".problem").inner_text()
        head(page, 5).click()
        assert page.locator(".problem").inner_text() == ""


def test_a_view_that_was_taken_away_leaves_nothing_behind(page):
    page.evaluate(
        """() => {
          const host = document.querySelector('.interpviz');
          window.left = new WeakRef(host.interpviz.read);
          host.remove();
        }"""
    )
    page.wait_for_timeout(300)
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    assert page.evaluate("window.left.deref() === undefined")


# Kinds, steps, layers


def test_layers_keep_their_numbers(browser, tools, weights, tmp_path):
    view = AttentionView(weights, tools.text, layer_numbers=[0, 5], layer=1)
    assert "Layer 5, head 0" in view.alt
    with tools.opened(browser, view.to_html(tmp_path / "some.html")) as page:
        assert tools.read(page)["layer"] == 1
        assert "Layer 5, head 0" in page.locator(".about").inner_text()
        assert head(page, 1).get_attribute("aria-label") == "Layer 5, head 1"
        names = page.get_by_role("combobox", name="Layer").locator("option").all_inner_texts()
        assert names == ["0", "5"]
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save SVG").click()
        assert waiting.value.suggested_filename == "attention-layer-5-head-0.svg"
        assert "layer 5, head 0" in waiting.value.path().read_text(encoding="utf-8")


def test_kinds_have_tokens_of_their_own(browser, tools, tmp_path):
    source, target = ["ein", "Haus", "</s>"], ["<s>", "a", "house", "now", "</s>"]
    layers = {
        "encoder": tools.attention(1, 2, 3)[0],
        "decoder": tools.attention(1, 2, 5, causal=True)[0],
        "cross": tools.attention(1, 2, 5, 3)[0],
    }
    view = AttentionView(
        layers, {"encoder": source, "decoder": target}, kind=["encoder", "decoder", "cross"]
    )
    with tools.opened(browser, view.to_html(tmp_path / "t5.html")) as page:
        for kind, words in enumerate([(source, source), (target, target), (target, source)]):
            page.get_by_role("combobox", name="Kind").select_option(str(kind))
            columns = page.locator(".tokens.query li"), page.locator(".tokens.key li")
            assert tuple(column.all_inner_texts() for column in columns) == words
            shown = tools.read(page)
            true = list(layers.values())[kind][0]
            values = np.reshape(shown["values"], true.shape)
            assert np.abs(values - true).max() <= 0.004
            assert (
                page.get_by_role("combobox", name="Layer").locator("option:not([hidden])").count()
                == 1
            )


def test_a_slider_cuts_the_text_that_was_written(browser, tools, tmp_path):
    n = len(tools.text)
    weights = tools.attention(1, 2, n, causal=True)
    view = AttentionView(weights, tools.text, kind="decoder", steps=4)
    with tools.opened(browser, view.to_html(tmp_path / "grown.html")) as page:
        slider = page.get_by_label("Tokens so far:")
        assert (slider.get_attribute("min"), slider.input_value()) == ("4", str(n))
        slider.fill("6")
        shown = tools.read(page)
        assert shown["queries"] == shown["keys"] == list(range(6))
        values = np.reshape(shown["values"], (6, 6))
        assert np.abs(values - weights[0, 0, :6, :6]).max() <= 0.004


def test_queries_of_a_cached_step_are_fewer_than_the_keys(browser, tools, tmp_path):
    weights = tools.attention(1, 1, 2, 12, causal=True)
    view = AttentionView(weights, tools.text[-2:], key_tokens=tools.text[:12])
    with tools.opened(browser, view.to_html(tmp_path / "cached.html")) as page:
        values = np.reshape(tools.read(page)["values"], (2, 12))
        assert np.abs(values - weights[0, 0]).max() <= 0.004


def test_large_views_load_layers_from_beside_the_page(browser, tools, weights, tmp_path):
    view = AttentionView(weights, tools.text)
    path = view.to_html(tmp_path / "large view.html", max_bytes=100)
    folder = tmp_path / "large view_data"
    assert sorted(file.name for file in folder.iterdir()) == ["0-0.js", "1-0.js"]
    with tools.opened(browser, path) as page:
        page.wait_for_function("document.querySelector('.interpviz').interpviz.read().values")
        assert not any("1-0.js" in url for url in page.asked)
        page.get_by_role("combobox", name="Layer").select_option("1")
        page.wait_for_function("document.querySelector('.interpviz').interpviz.read().values")
        shown = tools.read(page)
        assert shown["layer"] == 1
        values = np.reshape(shown["values"], weights[1, 0].shape)
        assert np.abs(values - weights[1, 0]).max() <= 0.004
        assert all(url.startswith("file:") for url in page.asked)


def test_a_missing_part_is_told(browser, tools, weights, tmp_path):
    path = AttentionView(weights, tools.text).to_html(tmp_path / "v.html", max_bytes=100)
    (tmp_path / "v_data" / "0-0.js").unlink()
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator(".problem:not(:empty)").wait_for()
    assert "v_data/0-0.js is missing" in page.locator(".problem").inner_text()
    context.close()


@pytest.mark.parametrize("text", ["", "(self.interpvizParts??={})['v_data/0-0.js']={};"])
def test_a_part_of_another_view_is_told(browser, tools, weights, tmp_path, text):
    path = AttentionView(weights, tools.text).to_html(tmp_path / "v.html", max_bytes=100)
    (tmp_path / "v_data" / "0-0.js").write_text(text)
    with tools.opened(browser, path) as page:
        page.locator(".problem:not(:empty)").wait_for()
        page.get_by_role("combobox", name="Layer").select_option("1")
        page.wait_for_function("document.querySelector('.interpviz').interpviz.read().values")
        assert page.locator(".problem").inner_text() == ""


# Readers


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(browser, tools, file, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    with tools.opened(browser, file, scheme=scheme, width=width) as page:
        page.get_by_label("Compare heads").check()
        head(page, 1).click()
        query(page, 3).click()
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
        assert [one["id"] for one in found["violations"]] == []


def test_nothing_is_asked_for(page, file):
    query(page, 2).hover()
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
        query(page, 5).tap()
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
        assert head(page, 0).evaluate("item => getComputedStyle(item).transitionDuration") == "0s"


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
            query(page, place).hover()
        with page.expect_download():
            page.get_by_role("button", name="Save SVG").click()
        assert page.evaluate("window.hit") is None
        assert page.locator(".view img, .view script").count() == 0
        assert "Pattern: <b>bold</b>" in page.locator(".about").inner_text()


# Files


def test_svg_and_png_show_what_is_seen(page, tools, weights):
    query(page, 3).click()
    files = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save {kind}").click()
        assert waiting.value.suggested_filename == f"attention-layer-1-head-2.{kind.lower()}"
        files[kind] = waiting.value.path().read_bytes()
    drawing = ElementTree.fromstring(files["SVG"])
    name = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in drawing.iter(f"{name}text")]
    assert texts == ["A cat: layer 1, head 2", *tools.text, *tools.text]
    assert len(list(drawing.iter(f"{name}path"))) == 5
    with Image.open(BytesIO(files["PNG"])) as picture:
        size = tuple(round(2 * float(drawing.get(side))) for side in ("width", "height"))
        assert picture.size == size
        assert len(picture.convert("RGB").getcolors(10**6)) > 20


def test_a_page_holds_several_views_and_one_script(browser, tools, weights, tmp_path):
    views = [AttentionView(weights, tools.text, title=name) for name in ("first", "second")]
    path = write_page(views, tmp_path / "both.html", "Two views")
    text = path.read_text(encoding="utf-8")
    assert text.count("data-interpviz-runtime=") == 1
    with tools.opened(browser, path) as page:
        page.locator(".tokens.query").nth(1).locator("li").nth(2).hover()
        assert tools.read(page, 1)["query"] == 2
        assert tools.read(page, 0)["query"] is None


def test_outputs_of_a_notebook_stand_alone_and_share_a_page(browser, tools, weights, tmp_path):
    outputs = [AttentionView(weights, tools.text)._repr_html_() for _ in range(2)]
    blocks = [
        re.search(r"<script data-interpviz-runtime=.*?</script>", out, re.S)[0] for out in outputs
    ]
    assert blocks[0] == blocks[1]
    both = tmp_path / "both.html"
    # A site may keep only the first script; views behind it start all the same.
    for text in ("".join(outputs), outputs[0] + outputs[1].replace(blocks[1], "")):
        both.write_text(f"<!doctype html><meta charset=utf-8><body>{text}", encoding="utf-8")
        with tools.opened(browser, both) as page:
            assert page.locator(".view").count() == 2
            assert page.locator(".tokens.query li").count() == 2 * len(tools.text)


def test_a_notebook_is_told_when_a_view_is_too_large(tools, weights, monkeypatch):
    monkeypatch.setattr("interpviz.render.views.base.LARGEST", 1000)
    text = AttentionView(weights, tools.text)._repr_html_()
    assert "show less" in text
    assert "<script" not in text


def test_twelve_layers_stay_below_four_megabytes(tools, tmp_path):
    weights = np.full((12, 12, 128, 128), 1 / 128, dtype=np.float32)
    path = AttentionView(weights, [f"t{i}" for i in range(128)]).to_html(tmp_path / "big.html")
    assert path.stat().st_size < 4e6


def test_causal_layers_take_half(tools):
    n = 64
    tokens = [str(i) for i in range(n)]
    sizes = [
        len(json.dumps(AttentionView(tools.attention(1, 2, n, causal=c), tokens).payload()))
        for c in (False, True)
    ]
    assert sizes[1] < 0.65 * sizes[0]


# Mistakes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": -np.ones((1, 1, 2, 2))}, "at least 0"),
        ({"weights": np.full((1, 1, 2, 2), np.nan)}, "finite"),
        ({"weights": []}, "no layers"),
        ({"weights": np.ones((1, 1, 3, 3))}, "2 tokens were given"),
        ({"tokens": "ab"}, "one text"),
        ({"layer": 1}, "no layer 1"),
        ({"head": -2}, "no head -2"),
        ({"kind": "sideways"}, "no kind 'sideways'"),
        ({"kind": ["decoder", "decoder"]}, "1 layers, 1 names and 2 kinds"),
        ({"special_tokens": [True]}, "one value a token"),
        ({"steps": 3}, "from 1 to 2"),
        ({"tokens": {"encoder": ["a", "b"]}, "kind": "encoder", "steps": 1}, "leave it out"),
        ({"layer_numbers": [0, 1]}, "2 numbers"),
        ({"special_tokens": {"encoder": [True, False]}}, "special tokens of 'encoder'"),
        ({"head_info": {"score": [[0.5], [0.5, 0.1]]}}, "rows of one length"),
        ({"head_info": {"score": [["high"]]}}, "no table of numbers"),
        ({"head_info": {"pattern": [["self"], ["self", "self"]]}}, "head_info"),
        ({"head_info": {"number": [[np.inf]]}}, "no number for some heads"),
        ({"head_info": {"number": [[None]]}}, "no number for some heads"),
        ({"head_info": {"entropy": [0.5]}}, "head_info"),
        ({"head_info": {"mood": [[0.5]]}}, "head_info"),
    ],
)
def test_mistakes_are_told_in_a_sentence(change, told):
    options = {"weights": np.ones((1, 1, 2, 2)) / 2, "tokens": ["a", "b"], **change}
    with pytest.raises(InputError, match=re.escape(told)):
        AttentionView(**options)


def test_what_is_not_known_of_a_head_may_be_none():
    info = {"entropy": [[None, 0.5]], "score": [[0.25, np.nan]], "pattern": [["self", None]]}
    view = AttentionView(np.ones((1, 2, 2, 2)) / 2, ["a", "b"], head_info=info)
    assert view.layers[0].info == {
        "entropy": [None, 0.5],
        "score": [0.25, None],
        "pattern": ["self", ""],
    }


def test_foreign_folders_are_left_alone(tools, weights, tmp_path):
    folder = tmp_path / "v_data"
    folder.mkdir()
    (folder / "mine.js").write_text("precious")
    with pytest.raises(InputError, match=r"mine\.js"):
        AttentionView(weights, tools.text).to_html(tmp_path / "v.html", max_bytes=100)
    assert (folder / "mine.js").read_text() == "precious"
    assert not (tmp_path / "v.html").exists()
    with pytest.raises(InputError, match="no folder"):
        AttentionView(weights, tools.text).to_html(tmp_path / "none" / "v.html")


def test_the_still_picture_leaves_pyplot_and_styles_alone(tools, weights):
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        figure = AttentionView(weights, tools.text).still()
        assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert plt.rcParams["text.color"] == "white"
    assert plt.get_fignums() == []
