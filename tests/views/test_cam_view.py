"""The view of maps over a photo in a real browser, its numbers held against the maps."""

import base64
import io
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.render import colorize
from interpviz.render.images import resize
from interpviz.render.views import AttentionView, CamView, write_page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = ["tiger cat (39%)", "Egyptian cat (36%)", "a remote control (2%)"]
ROWS, COLUMNS = 5, 7


@pytest.fixture(scope="module")
def photo():
    down, across = np.mgrid[0:1:90j, 0:1:126j]
    return np.stack([down, across, 1 - down], -1)


@pytest.fixture(scope="module")
def maps():
    """Two methods, three classes, each weaker than the one before."""
    values = np.random.default_rng(0).gamma(0.7, size=(2, 3, ROWS, COLUMNS))
    return values * np.array([0.02, 0.005, 0.001])[:, None, None]


@pytest.fixture(scope="module")
def signed():
    return np.random.default_rng(1).normal(size=(2, 4, 4)) * [[[3.0]], [[0.5]]]


@pytest.fixture(scope="module")
def file(photo, maps, tmp_path_factory):
    view = CamView(photo, {"GradCAM": maps[0], "LayerCAM": maps[1]}, names=NAMES, title="A cat")
    return view.to_html(tmp_path_factory.mktemp("cam") / "view.html")


@pytest.fixture
def page(browser, tools, file):
    with tools.opened(browser, file) as page:
        yield page


def choose(page, label, place):
    page.get_by_role("combobox", name=label, exact=True).select_option(str(place))


def compare(page):
    page.get_by_label("Compare with another map").check()


def layer(page, place=0):
    """The pixels of a map as it is drawn, `(h, w, 4)`."""
    address = page.locator(".map canvas").nth(place).evaluate("one => one.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGBA")).astype(int)


def pointer(page, x, y):
    """Where on the screen a share of the photo's width and height lies."""
    box = page.locator(".map").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def between(values, x, y):
    """The bilinear value at a share of the width and height, in plain words."""
    rows, columns = values.shape
    v = min(max(y * rows - 0.5, 0), rows - 1)
    u = min(max(x * columns - 0.5, 0), columns - 1)
    total = 0.0
    for row in range(rows):
        for column in range(columns):
            near = max(0, 1 - abs(v - row)) * max(0, 1 - abs(u - column))
            total += near * values[row, column]
    return total


# Values


def test_every_map_holds_its_values(page, tools, maps):
    for method in range(2):
        choose(page, "Method", method)
        for place in range(3):
            choose(page, "Class", place)
            shown = tools.read(page)
            true = maps[method, place]
            assert shown["picks"] == [{"of": place, "method": method}]
            off = np.abs(np.reshape(shown["values"], true.shape) - true).max()
            assert off <= true.max() / 510 * (1 + 1e-5)
            assert shown["peaks"] == [pytest.approx(true.max(), rel=1e-6)]
            assert shown["tops"] == shown["peaks"]


def test_signed_maps_keep_their_sign_and_their_zero(browser, tools, photo, signed, tmp_path):
    given = signed.copy()
    given[0, 0, 0] = 0
    path = CamView(photo, given, signed=True).to_html(tmp_path / "signed.html")
    with tools.opened(browser, path) as page:
        values = np.reshape(tools.read(page)["values"], (4, 4))
        assert values[0, 0] == 0
        assert np.abs(values - given[0]).max() <= np.abs(given[0]).max() / 254 * (1 + 1e-5)
        low, high = page.locator(".legend span").all_inner_texts()
        assert float(high) == pytest.approx(np.abs(given[0]).max(), rel=0.005)
        assert low == f"-{high}"
        drawn = layer(page)[..., :3]
        top = np.abs(given[0]).max()
        true = colorize(resize(given[0], *drawn.shape[:2]), "RdBu_r", -top, top)
        assert np.abs(drawn - true.astype(int)).max() <= 6


def test_colours_are_those_of_the_enlarged_map(page, maps):
    drawn = layer(page)
    enlarged = resize(maps[0, 0], *drawn.shape[:2])
    true = colorize(enlarged / maps[0, 0].max()).astype(int)
    assert (drawn[..., 3] == 255).all()
    assert np.abs(drawn[..., :3] - true).max() <= 6
    assert np.abs(drawn[..., :3] - true).mean() < 1


def test_one_scale_for_all_classes_makes_weak_maps_dark(page, tools, maps):
    choose(page, "Class", 2)
    bright = layer(page)[..., :3].max()
    page.get_by_label("One scale for all classes").check()
    shown = tools.read(page)
    assert shown["tops"] == [pytest.approx(maps[0].max(), rel=1e-6)]
    assert shown["peaks"] == [pytest.approx(maps[0, 2].max(), rel=1e-6)]
    assert layer(page)[..., :3].max() < bright
    drawn = layer(page)[..., :3]
    true = colorize(resize(maps[0, 2], *drawn.shape[:2]) / maps[0].max()).astype(int)
    assert np.abs(drawn - true).max() <= 6
    told = page.locator(".main").inner_text()
    assert f"Raw peak {float(f'{maps[0, 2].max():.3g}'):g}" in told
    assert "share one scale" in told


def test_a_map_of_zeros_is_dark(browser, tools, photo, tmp_path):
    path = CamView(photo, np.zeros((3, 3))).to_html(tmp_path / "zeros.html")
    with tools.opened(browser, path) as page:
        assert tools.read(page)["peaks"] == [0]
        assert layer(page)[..., :3].max() <= 4
        page.mouse.move(*pointer(page, 0.5, 0.5))
        assert "0, 0.00 of the scale" in page.locator(".readout").inner_text()


# Mouse, keyboard, touch


def test_the_value_under_the_pointer(page, tools, maps):
    for x, y in [(0.31, 0.62), (0.02, 0.97), (0.5, 0.5)]:
        page.mouse.move(*pointer(page, x, y))
        shown = tools.read(page)
        at = shown["at"]
        assert (at["x"], at["y"]) == (pytest.approx(x, abs=0.01), pytest.approx(y, abs=0.01))
        true = between(maps[0, 0], at["x"], at["y"])
        assert shown["here"] == [pytest.approx(true, abs=maps[0, 0].max() / 510)]
        said = re.search(
            r"tiger cat \(39%\) by GradCAM: (\S+),", page.locator(".readout").inner_text()
        )
        assert float(said[1]) == pytest.approx(shown["here"][0], rel=0.005)


def test_a_kept_place_stays_when_the_mouse_leaves(page, tools):
    page.mouse.click(*pointer(page, 0.2, 0.3))
    page.mouse.move(*pointer(page, 0.8, 0.6))
    assert tools.read(page)["at"]["x"] == pytest.approx(0.8, abs=0.01)
    page.mouse.move(2, 2)
    assert tools.read(page)["at"]["x"] == pytest.approx(0.2, abs=0.01)
    page.locator(".map").focus()
    page.keyboard.press("Escape")
    assert tools.read(page)["at"] is None


def test_arrows_walk_through_cells_and_are_read_out(page, tools, maps):
    page.locator(".map").focus()
    page.keyboard.press("Home")
    assert tools.read(page)["here"] == [pytest.approx(maps[0, 0].max(), rel=1e-5)]
    for _ in range(COLUMNS):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    for _ in range(ROWS):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    near = maps[0, 0].max() / 510 * (1 + 1e-5)
    assert tools.read(page)["here"] == [pytest.approx(maps[0, 0, 1, 1], abs=near)]
    page.wait_for_timeout(400)
    live = page.locator("[aria-live=polite]").inner_text()
    assert f"Row 2 of {ROWS}, column 2 of {COLUMNS}." in live
    told = float(re.search(r"GradCAM: (\S+),", live)[1])
    assert told == pytest.approx(maps[0, 0, 1, 1], abs=near + 0.005 * maps[0, 0, 1, 1])


def test_the_keyboard_reaches_everything(page):
    compare(page)
    page.mouse.click(2, 2)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const at = document.activeElement?.shadowRoot?.activeElement;
              if (!at) return null;
              const name = at.getAttribute('aria-label') || at.labels?.[0]?.innerText;
              return [name || at.textContent, getComputedStyle(at).outlineStyle];
            }"""
        )
        if found:
            reached.append(found)
    assert all(outline not in ("none", "") for _, outline in reached)
    starts = (
        "Class", "Method", "Compare", "One scale", "Opacity", "Class, right", "Method, right",
        "Map over the photo", "Divider", "Save SVG", "Save PNG",
    )  # fmt: skip
    assert len(reached) == len(starts)
    for (name, _), start in zip(reached, starts, strict=True):
        assert name.startswith(start)


def test_opacity_fades_the_map(page, tools):
    slider = page.get_by_label("Opacity of the map:")
    assert slider.input_value() == "60"
    for percent in (0, 35, 100):
        slider.fill(str(percent))
        assert tools.read(page)["opacity"] == percent
        seen = page.locator(".map canvas").first.evaluate("one => getComputedStyle(one).opacity")
        assert float(seen) == percent / 100
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert tools.read(page)["opacity"] == 99


# Two maps


def test_two_maps_are_compared_with_both_values(page, tools, maps):
    compare(page)
    choose(page, "Class, right", 2)
    choose(page, "Method, right", 1)
    page.mouse.move(*pointer(page, 0.3, 0.7))
    shown = tools.read(page)
    assert shown["picks"] == [{"of": 0, "method": 0}, {"of": 2, "method": 1}]
    at = shown["at"]["x"], shown["at"]["y"]
    for here, true in zip(shown["here"], (maps[0, 0], maps[1, 2]), strict=True):
        assert here == pytest.approx(between(true, *at), abs=true.max() / 500)
    told = page.locator(".readout").inner_text()
    assert "Left: tiger cat (39%) by GradCAM" in told
    assert "Right: a remote control (2%) by LayerCAM" in told
    assert page.locator(".legend").count() == 2
    drawn = layer(page, 1)[..., :3]
    true = colorize(resize(maps[1, 2], *drawn.shape[:2]) / maps[1, 2].max()).astype(int)
    assert np.abs(drawn - true).max() <= 6


def test_each_map_is_seen_on_its_side_of_the_divider(page, tools, maps):
    compare(page)
    page.get_by_label("Opacity of the map:").fill("100")
    divider = page.get_by_role("slider", name="Divider")
    divider.focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("PageUp")
    assert tools.read(page)["split"] == 30
    assert divider.get_attribute("aria-valuenow") == "30"
    divider.evaluate("one => one.blur()")
    left, right = (layer(page, side)[..., :3] for side in (0, 1))
    seen = np.asarray(
        Image.open(io.BytesIO(page.locator(".map").screenshot()))
        .convert("RGB")
        .resize(left.shape[1::-1], Image.Resampling.BILINEAR)
    ).astype(int)
    cut = round(0.3 * left.shape[1])
    for side, columns in ((left, slice(4, cut - 20)), (right, slice(cut + 20, -4))):
        assert np.abs(seen[4:-4, columns] - side[4:-4, columns]).mean() < 3


def test_the_divider_is_dragged(page, tools):
    compare(page)
    page.mouse.move(*pointer(page, 0.5, 0.4))
    page.mouse.down()
    for x in (0.6, 0.7, 0.8):
        page.mouse.move(*pointer(page, x, 0.4))
    page.mouse.up()
    assert tools.read(page)["split"] == pytest.approx(80, abs=1)
    page.mouse.move(*pointer(page, 0.2, 0.4))
    assert tools.read(page)["split"] == pytest.approx(80, abs=1)
    for press, split in (("ArrowLeft", 79), ("ArrowUp", 80), ("End", 100), ("ArrowRight", 100)):
        page.keyboard.press(press)
        assert tools.read(page)["split"] == pytest.approx(split, abs=1)


def test_touch_reads_and_drags_on_a_phone(browser, tools, file):
    with tools.opened(browser, file, width=360, has_touch=True, is_mobile=True) as page:
        compare(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.locator(".map").scroll_into_view_if_needed()
        page.touchscreen.tap(*pointer(page, 0.25, 0.25))
        assert tools.read(page)["at"]["x"] == pytest.approx(0.25, abs=0.01)
        touch = page.context.new_cdp_session(page)
        for kind, x in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.7)):
            where = dict(zip("xy", pointer(page, x, 0.5), strict=True))
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [where]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(50)
        assert tools.read(page)["split"] == pytest.approx(70, abs=1)


def test_what_cannot_be_chosen_has_no_control(browser, tools, photo, maps, tmp_path):
    path = CamView(photo, maps[0, 0], names="cat").to_html(tmp_path / "one.html")
    with tools.opened(browser, path) as page:
        assert page.get_by_role("combobox").count() == 0
        assert page.get_by_role("checkbox").count() == 0
        assert page.get_by_role("slider").count() == 1


# Readers


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(browser, tools, file, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    with tools.opened(browser, file, scheme=scheme, width=width) as page:
        compare(page)
        page.locator(".map").focus()
        page.keyboard.press("Home")
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
        assert [one["id"] for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_is_asked_for(page, file):
    compare(page)
    page.mouse.move(*pointer(page, 0.5, 0.2))
    # The photo lies in the page.
    assert [url for url in page.asked if not url.startswith("data:image/")] == [file.as_uri()]


def test_dark_pages_are_followed(browser, tools, file):
    with tools.opened(browser, file) as page:
        page.evaluate("document.body.dataset.mdColorScheme = 'slate'")
        page.locator(".view[data-scheme=dark]").wait_for()
        assert np.ptp(layer(page)[..., :3]) > 100


def test_without_scripts_the_picture_stands_there(browser, tools, file):
    with tools.opened(browser, file, java_script_enabled=False) as page:
        picture = page.locator(".interpviz > img")
        assert picture.is_visible()
        told = picture.get_attribute("alt")
        assert all(name in told for name in NAMES)
        assert "by GradCAM, LayerCAM" in told
        assert picture.evaluate("image => image.naturalWidth") > 300


def test_paper_shows_the_picture(page):
    picture, view = page.locator(".interpviz > img"), page.locator(".view")
    assert view.is_visible()
    page.emulate_media(media="print")
    assert picture.is_visible()
    assert not view.is_visible()


def test_nothing_moves_by_itself(browser, tools, file):
    with tools.opened(browser, file, reduced_motion="reduce") as page:
        moving = page.locator(".view *").evaluate_all(
            "all => all.filter(one => getComputedStyle(one).transitionDuration !== '0s').length"
        )
        assert moving == 0


def test_markup_in_names_is_shown_and_runs_nothing(browser, tools, photo, maps, tmp_path):
    evil = [
        "<img src=x onerror=window.hit=1>",
        "</script><script>window.hit=1</script>",
        "\u2028'\"&amp; a\x07",
    ]
    view = CamView(
        photo, {"<b>bold</b>": maps[0], "<!--": maps[1]}, names=evil, title="</title><i>"
    )
    with tools.opened(browser, view.to_html(tmp_path / "evil.html")) as page:
        names = page.get_by_role("combobox", name="Class", exact=True).locator("option")
        shown = names.evaluate_all("all => all.map(one => one.textContent)")
        assert shown == [*evil[:2], "\u2028'\"&amp; a\\x07"]
        compare(page)
        page.mouse.move(*pointer(page, 0.3, 0.3))
        assert f"{evil[0]} by <b>bold</b>" in page.locator(".readout").inner_text()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save SVG").click()
        ElementTree.fromstring(waiting.value.path().read_bytes())
        assert page.evaluate("window.hit") is None
        assert page.locator(".view img").count() == 1
        assert page.locator(".view script, .view b b").count() == 0


# Files


def test_svg_and_png_show_what_is_seen(page, tools, maps):
    compare(page)
    page.get_by_label("Opacity of the map:").fill("100")
    files = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save {kind}").click()
        assert waiting.value.suggested_filename.endswith(f".{kind.lower()}")
        assert "tiger-cat" in waiting.value.suggested_filename
        files[kind] = waiting.value.path().read_bytes()
    drawing = ElementTree.fromstring(files["SVG"])
    name = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in drawing.iter(f"{name}text")]
    assert texts[:2] == ["A cat", "Left: tiger cat (39%) by GradCAM"]
    assert texts[3] == "Right: Egyptian cat (36%) by GradCAM"
    left, right = (layer(page, side)[..., :3] for side in (0, 1))
    height, width = left.shape[:2]
    with Image.open(io.BytesIO(files["PNG"])) as picture:
        assert picture.size == tuple(2 * float(drawing.get(side)) for side in ("width", "height"))
        seen = picture.convert("RGB").crop((48, 96, 48 + 2 * width, 96 + 2 * height))
        seen = np.asarray(seen.resize((width, height), Image.Resampling.BOX)).astype(int)
    half = width // 2
    for side, columns in ((left, slice(2, half - 4)), (right, slice(half + 4, -2))):
        assert np.abs(seen[2:-2, columns] - side[2:-2, columns]).mean() < 3


def test_views_of_both_kinds_share_a_page_and_a_script(browser, tools, photo, maps, tmp_path):
    weights = tools.attention(1, 2, len(tools.text))
    views = [
        CamView(photo, maps, names=NAMES, title="first"),
        AttentionView(weights, tools.text, title="second"),
        CamView(photo, maps[0], names=NAMES, title="third"),
    ]
    path = write_page(views, tmp_path / "page.html", "Three views")
    assert path.read_text(encoding="utf-8").count("data-interpviz-runtime=") == 1
    with tools.opened(browser, path) as page:
        page.get_by_role("combobox", name="Class", exact=True).nth(1).select_option("1")
        page.locator(".tokens.query li").nth(3).hover()
        assert [tools.read(page, place).get("picks") for place in range(3)] == [
            [{"of": 0, "method": 0}], None, [{"of": 1, "method": 0}],
        ]  # fmt: skip
        assert tools.read(page, 1)["query"] == 3


def test_the_photo_is_held_once_and_maps_are_small(photo, maps):
    view = CamView(np.random.default_rng(0).uniform(size=(1000, 1500, 3)), maps)
    payload = view.payload()
    assert view.photo.shape == (512, 768, 3)
    cells = ROWS * COLUMNS
    lengths = {len(text) for method in payload["methods"] for text in method["maps"]}
    assert lengths == {-(-cells // 3) * 4}
    assert view.size() >= len(payload["photo"]) * 0.99
    small = CamView(photo, maps).payload()
    assert max(small["size"]) == 480


# Mistakes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"maps": -np.ones((2, 3, 3))}, "signed=True"),
        ({"maps": np.full((2, 3, 3), np.nan)}, "finite"),
        ({"maps": {}}, "no maps"),
        ({"maps": np.ones(3)}, "(classes, height, width)"),
        ({"maps": {"a": np.ones((2, 3, 3)), "b": np.ones((3, 3, 3))}}, "maps of 2, 3 classes"),
        ({"maps": {"a": np.ones((2, 3, 3))}, "methods": ["b"]}, "named twice"),
        ({"methods": ["a", "b"]}, "1 methods and 2 names"),
        ({"names": ["a"]}, "1 class names"),
        ({"alpha": 2}, "between 0 (photo) and 1 (map)"),
        ({"cmap": "infernal"}, "no colour map 'infernal'"),
        ({"image": np.full((4, 4, 3), 9.5)}, "floats"),
    ],
)
def test_mistakes_are_told_in_a_sentence(change, told):
    options = {"image": np.zeros((4, 4, 3)), "maps": np.ones((2, 3, 3)), **change}
    with pytest.raises(InputError, match=re.escape(told)):
        CamView(options.pop("image"), options.pop("maps"), **options)


@pytest.mark.parametrize("shared", [True, False])
def test_the_still_picture_has_all_maps_and_leaves_pyplot_alone(photo, maps, shared):
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        figure = CamView(photo, maps, names=NAMES, methods=["A", "B"], shared=shared).still()
        assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert plt.rcParams["text.color"] == "white"
    assert plt.get_fignums() == []
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == [f"{name}\n{method}" for method in "AB" for name in NAMES]
    # Over the photo lies the map: its greatest value is that of the scale, or less where shared.
    tops = [float(ax.images[1].get_array().max()) for ax in figure.axes if len(ax.images) == 2]
    if shared:
        assert tops[0] > 0.8
        assert tops[2] < 0.3
    else:
        assert min(tops) > 0.8


def test_tensors_are_taken(photo):
    torch = pytest.importorskip("torch")
    half = torch.rand(1, 2, 3, 3, dtype=torch.bfloat16)
    view = CamView(torch.from_numpy(photo).permute(2, 0, 1), half)
    assert view.methods[0].maps == pytest.approx(half[0].double().numpy())
    assert SimpleNamespace(**view.payload()).classes == ["class 0", "class 1"]
