"""The attention view by mouse and by keyboard."""

import re

import pytest

from interpviz.render.views import AttentionView


def test_a_kept_token_stays_when_the_mouse_leaves(page, tools):
    tools.query(page, 3).click()
    tools.query(page, 5).hover()
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
    tools.query(page, 0).focus()
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
    tools.head(page, 0).click()
    tools.query(page, 4).click()
    shown = tools.read(page)
    assert sorted(shown["heads"]) == [0, 2]
    assert {link["head"] for link in shown["links"]} == {0, 2}
    colours = page.locator(".readout li").evaluate_all(
        "items => items.map(item => getComputedStyle(item).borderLeftColor)"
    )
    assert len(set(colours)) == 2
    tools.head(page, 0).focus()
    page.keyboard.press(" ")
    assert tools.read(page)["heads"] == [2]


def test_what_is_known_of_a_head_is_told(page):
    told = page.locator(".about").inner_text()
    assert "Layer 1, head 2" in told
    assert "Entropy 0.50" in told
    assert "Pattern: local, score 0.75" in told


def test_shortcuts_of_the_browser_stay_its_own(page, tools):
    tools.query(page, 1).focus()
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
            tools.head(page, place).click()
            assert tools.read(page)["head"] == place
        tools.head(page, 7).click()
        assert tools.read(page)["head"] == 3
        tools.head(page, 4).click()
        tools.head(page, 6).click()
        assert tools.read(page)["head"] == 4
        assert "6 heads" in page.locator(".problem").inner_text()
        tools.head(page, 5).click()
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
