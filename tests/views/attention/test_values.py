"""The attention view shows the weights that it was given."""

import numpy as np
import pytest

from interpviz.render.views import AttentionView
from interpviz.render.views.quantise import error_bound, renormalised_error_bound, scales_of

# Values


def test_every_head_shows_its_own_weights(page, tools, weights, special):
    for layer in range(2):
        page.get_by_role("combobox", name="Layer").select_option(str(layer))
        for place in range(3):
            tools.head(page, place).click()
            shown = tools.read(page)
            true = weights[layer, place]
            scale = np.where(special, *scales_of(true, special)[::-1])
            off = np.abs(np.reshape(shown["values"], true.shape) - true)
            assert (shown["layer"], shown["head"]) == (layer, place)
            assert (off <= error_bound(true, scale) + 1e-7).all()


def test_links_of_a_query_are_its_greatest_weights(page, tools, weights):
    tools.query(page, 4).hover()
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
    tools.key(page, 6).hover()
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
    tools.query(page, 2).click()
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


# Kinds, steps, layers


def test_layers_keep_their_numbers(browser, tools, weights, tmp_path):
    view = AttentionView(weights, tools.text, layer_numbers=[0, 5], layer=1)
    assert "Layer 5, head 0" in view.alt
    with tools.opened(browser, view.to_html(tmp_path / "some.html")) as page:
        assert tools.read(page)["layer"] == 1
        assert "Layer 5, head 0" in page.locator(".about").inner_text()
        assert tools.head(page, 1).get_attribute("aria-label") == "Layer 5, head 1"
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
