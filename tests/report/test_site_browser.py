"""The pages of a report in a real browser, held against the records."""

import base64
import json
import shutil
import sys
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image
from torch import nn
from torch.nn import functional as F

from interpviz.report import build
from interpviz.report.site import write_site
from interpviz.zoo.preprocess import Preprocess

SITE = Path(__file__).parents[1] / "site"
if str(SITE) not in sys.path:
    sys.path.append(str(SITE))

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = ["<img src=x onerror=alert(1)>", "pear & co", "plum"]
PAGES = ("index", "images", "image", "mistakes", "classes", "failures", "about")
HALF = (0.5, 0.5, 0.5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=4)
        self.head = nn.Linear(6, 3)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


def draw(folder, masks):
    random = np.random.default_rng(0)
    for index in range(27):
        name = f"{NAMES[index % 3]}/{index:02d} <b onclick=alert(2)>.png"
        small = Image.fromarray(random.integers(0, 255, (5, 6, 3), dtype=np.uint8))
        for root, picture in ((folder, small), (masks, small.convert("L"))):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            picture.resize((44, 40)).save(root / name)
    for root in (folder, masks):
        shutil.copy(root / NAMES[0] / "00 <b onclick=alert(2)>.png", root / NAMES[0] / "copy.png")
    (folder / NAMES[2] / "no <i>picture.png").write_bytes(b"<script>alert(3)</script>")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    draw(folder / "photos", folder / "masks")
    pair = (Net().eval(), Preprocess(36, 32, Image.Resampling.BILINEAR, HALF, HALF))
    options = {"methods": ["gradcam", "eigencam"], "masks": folder / "masks", "categories": NAMES}
    with pytest.MonkeyPatch.context() as patch:
        # Several files of records, as there are of many images.
        patch.setattr("interpviz.report.data.SHARD", 10)
        build(pair, folder / "photos", folder / "out", command=NAMES[0], **options)
    return folder / "out"


@pytest.fixture(scope="module")
def records(out):
    found = []
    for path in sorted((out / "data").glob("records-*.js")):
        found += read(path)["records"]
    return found


def read(path):
    text = path.read_text("ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def write(path, kind, content):
    path.write_text(f'interpvizReport("{kind}",{json.dumps(content)});\n')


@contextmanager
def opened(browser, address, width=1280, scheme="light", silent=True):
    """A page; fails where a script failed, spoke up, or asked for something elsewhere."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console", lambda line: line.type in ("error", "warning") and problems.append(line.text)
    )
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    local = ("file:", "data:", "blob:", "http://127.0.0.1")
    page.on("request", lambda r: r.url.startswith(local) or problems.append(r.url))
    go(page, address)
    try:
        yield page
    finally:
        context.close()
    assert not silent or problems == []


def go(page, address):
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_function("performance.getEntriesByName('interpviz-drawn').length")


def address(out, page, fragment=""):
    return f"{(out / page).as_uri()}.html{fragment and '#'}{fragment}"


def place_of(records, name):
    return next(i for i, r in enumerate(records) if r["id"].endswith(name))


def image_address(out, records, place, query=""):
    tail = f"&from={query}" if query else ""
    return address(out, "image", f"{records[place]['key']}&n={place}{tail}")


def shown(page):
    """The places of the images in the list, which must all be in sight."""
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(100)
    links = page.locator(".iv-grid a").evaluate_all("links => links.map(link => link.hash)")
    return [int(parse_qs(link.partition("&")[2])["n"][0]) for link in links]


# Every page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_for_all_readers(browser, out, records, name, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    where = image_address(out, records, 0) if name == "image" else address(out, name)
    with opened(browser, where, width, scheme) as page:
        if name == "image":
            page.wait_for_function("document.querySelector('.interpviz').interpviz")
        page.wait_for_timeout(300)
        # From disk, axe may not load style sheets a second time.
        found = Axe().run(
            page, options={"preload": False, "runOnly": {"type": "tag", "values": RULES}}
        )
        told = [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]]
        assert told == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        assert page.locator("img:not([alt])").count() == 0
        # Names are text wherever they stand.
        assert page.locator("[onerror], [onclick], i:has-text('picture')").count() == 0


def test_pages_work_from_any_folder_of_a_host(browser, out, records):
    from browser import serve

    with serve(out.parent) as root:
        fragment = f"{records[0]['key']}&n=0"
        with opened(browser, f"{root}out/image.html#{fragment}") as page:
            page.wait_for_function("document.querySelector('.interpviz').interpviz")
            photo = page.evaluate(
                "document.querySelector('.interpviz').shadowRoot.querySelector('.map img').src"
            )
            # What is saved from the view holds the picture.
            with Image.open(BytesIO(base64.b64decode(photo.partition(",")[2]))) as picture:
                assert picture.size == (32, 32)


def test_a_missing_file_is_told(browser, out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    (copy / "data" / "summary.js").unlink()
    with opened(browser, address(copy, "index"), silent=False) as page:
        assert "data/summary.js is missing" in page.get_by_role("alert").inner_text()


# Overview


def test_the_overview_counts(browser, out, records):
    good = [r for r in records if "failed" not in r]
    right = sum(r["label"] == NAMES[r["top"][0][0]] for r in good)
    with opened(browser, address(out, "index")) as page:
        text = page.locator(".iv-figures").inner_text()
        for number in (len(good), len(good) - right, 1):
            assert str(number) in text.split()
        assert f"{100 * right / len(good):.0f} %" in text
        cells = page.locator(".iv-matrix tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => +td.textContent))"
        )
        counts = [[0] * 3 for _ in range(3)]
        for r in good:
            counts[NAMES.index(r["label"])][r["top"][0][0]] += 1
        assert cells == counts
        assert page.locator(".iv-matrix tbody th").all_inner_texts() == NAMES


def test_a_bar_leads_to_as_many_images_as_it_says(browser, out):
    with opened(browser, address(out, "index")) as page:
        bars = page.locator("a.iv-bar").evaluate_all("all => all.map(a => [a.title, a.href])")
        assert sum(int(text.split()[0]) for text, _ in bars) == 28
        for text, link in bars:
            go(page, link)
            assert page.locator(".iv-count").inner_text().split()[0] == text.split()[0]


def test_the_strangest_images_come_first(browser, out, records):
    good = [i for i, r in enumerate(records) if "failed" not in r]
    orders = {
        "Least sure": sorted(good, key=lambda i: records[i]["top"][0][1]),
        "Widest maps": sorted(good, key=lambda i: -records[i]["spread"][0]),
        "Outside of the object": sorted(
            (i for i in good if records[i].get("outside")), key=lambda i: -records[i]["outside"][0]
        ),
    }
    with opened(browser, address(out, "index")) as page:
        for title, expected in orders.items():
            box = page.locator("section div", has=page.get_by_role("heading", name=title))
            links = box.locator(".iv-strip a").evaluate_all("all => all.map(a => a.hash)")
            first = int(parse_qs(links[0].partition("&")[2])["n"][0])
            # Two images have one content.
            assert records[first]["key"] == records[expected[0]]["key"], title
        page.get_by_role("heading", name="Widest maps").scroll_into_view_if_needed()
        page.locator(".iv-tile canvas").first.wait_for()
        names = page.locator(".iv-matrix thead th").all_text_contents()
        assert names == NAMES


# The list


def wanted(records, keep, key=lambda r: 0, down=False):
    good = [i for i, r in enumerate(records) if "failed" not in r and keep(r)]
    return sorted(good, key=lambda i: -key(records[i]) if down else key(records[i]))


def test_filters_choose_what_the_records_say(browser, out, records):
    middle = sorted(r["top"][0][1] for r in records if "top" in r)[14] + 1e-3
    wide = sorted(r["spread"][0] for r in records if "top" in r)[14] + 1e-3
    pear = NAMES.index("pear & co")
    cases = {
        "": wanted(records, lambda r: True),
        "verdict=wrong": wanted(records, lambda r: r["label"] != NAMES[r["top"][0][0]]),
        "predicted=2": wanted(records, lambda r: r["top"][0][0] == 2),
        f"confidence={middle}-1": wanted(records, lambda r: r["top"][0][1] >= middle),
        f"spread=0-{wide}": wanted(records, lambda r: r["spread"][0] < wide),
        "label=1&verdict=right": wanted(
            records, lambda r: r["label"] == "pear & co" and r["top"][0][0] == pear
        ),
        "order=outside&down=1": wanted(
            records, lambda r: True, lambda r: (r.get("outside") or [-1])[0], down=True
        ),
        "order=nothing&confidence=x-y&predicted=-3": wanted(records, lambda r: True),
    }
    with opened(browser, address(out, "images")) as page:
        for query, expected in cases.items():
            go(page, address(out, "images", query))
            assert shown(page) == expected, query


def test_choices_change_the_address_and_can_be_taken_back(browser, out, records):
    with opened(browser, address(out, "images")) as page:
        page.get_by_label("The folder says").select_option(label="plum (9)")
        page.get_by_label("Order").select_option("confidence")
        page.get_by_role("group", name="Confidence").get_by_label("to").fill("99")
        page.get_by_role("group", name="Confidence").get_by_label("to").press("Tab")
        expected = wanted(records, lambda r: r["label"] == "plum", lambda r: r["top"][0][1])
        assert shown(page) == expected
        assert page.locator(".iv-count").inner_text() == "9 of 28 images"
        link = page.url
        page.get_by_role("button", name="Show all").click()
        assert page.locator(".iv-count").inner_text() == "All 28 images"
        go(page, link)
        assert shown(page) == expected
        page.locator(".iv-grid a").nth(1).click()
        page.get_by_text("2 of 9").wait_for()
        page.get_by_role("link", name="Next").click()
        page.get_by_text("3 of 9").wait_for()
        assert f"&n={expected[2]}&" in page.url
        page.get_by_role("link", name="Back to the list").click()
        page.get_by_text("9 of 28 images").wait_for()


def test_the_list_is_walked_with_the_keyboard(browser, out, records):
    with opened(browser, address(out, "images")) as page:
        page.get_by_role("button", name="Show all").focus()
        page.keyboard.press("Tab")
        at = "+document.activeElement.closest('li').dataset.at"
        columns = page.evaluate(
            "new Set([...document.querySelectorAll('.iv-grid li')].map(li => "
            "li.getBoundingClientRect().left)).size"
        )
        steps = [("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowLeft", columns)]
        steps += [("ArrowUp", 0), ("End", 27), ("ArrowRight", 27), ("Home", 0), ("ArrowUp", 0)]
        for key, expected in steps:
            page.keyboard.press(key)
            assert page.evaluate(at) == expected, key
            assert page.locator(".iv-grid [tabindex='0']").count() == 1
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 28").wait_for()


@pytest.fixture(scope="module")
def long(out, tmp_path_factory):
    """The report, with every image 500 times in its index."""
    copy = tmp_path_factory.mktemp("long") / "out"
    shutil.copytree(out, copy)
    index = read(out / "data" / "index.js")
    raw = {name: base64.b64decode(text) for name, text in index["columns"].items()}
    index["columns"] = {n: base64.b64encode(text * 500).decode() for n, text in raw.items()}
    index["count"] *= 500
    write(copy / "data" / "index.js", "index", index)
    return copy


def test_of_a_long_list_only_what_is_in_sight_is_on_the_page(browser, long):
    with opened(browser, address(long, "images", "label=2&order=confidence")) as page:
        items = page.locator(".iv-grid > li")
        assert items.count() < 100
        page.locator(".iv-grid a").first.focus()
        page.keyboard.press("End")
        last = page.locator(":focus")
        assert last.evaluate("link => +link.parentElement.dataset.at") == 9 * 500 - 1
        assert last.locator("img").evaluate("image => image.closest('li').ariaPosInSet") == "4500"
        box = last.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
        assert items.count() < 100
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        page.wait_for_timeout(100)
        # What has the focus stays, so that the next key goes on from there.
        page.keyboard.press("ArrowLeft")
        assert page.locator(":focus").evaluate("a => +a.parentElement.dataset.at") == 4498


def test_the_worst_mistakes_come_first(browser, out, records):
    with opened(browser, address(out, "mistakes")) as page:
        expected = wanted(
            records,
            lambda r: r["label"] != NAMES[r["top"][0][0]],
            lambda r: round(r["top"][0][1] - r["label_p"], 4),
            down=True,
        )
        gaps = [records[i]["top"][0][1] - records[i]["label_p"] for i in shown(page)]
        assert sorted(shown(page)) == sorted(expected)
        assert all(a >= b - 1e-4 for a, b in pairwise(gaps))


# One image


def test_an_image_shows_its_own_record_and_maps(browser, out, records):
    ramp = colormaps["inferno"](np.arange(256))[:, :3] * 255
    for place in (0, 13, 27):
        record = records[place]
        assert "failed" not in record
        with opened(browser, image_address(out, records, place)) as page:
            assert page.locator("h1").inner_text() == record["id"].split("/")[-1]
            assert record["id"] in page.locator(".iv-facts").inner_text()
            names = page.locator(".iv-top li > span:first-child").all_inner_texts()
            assert [n.removesuffix(" (the folder's)") for n in names] == [
                NAMES[index] for index, _ in record["top"]
            ]
            pixels = page.locator(".iv-glance canvas").evaluate_all(
                "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, 32, 32).data])"
            )
            high, wide = record["grid"]
            maps = np.frombuffer(base64.b64decode(record["maps"]), np.uint8)
            maps = torch.from_numpy(maps.reshape(-1, high, wide).astype(np.float32))
            assert len(pixels) == len(maps) == 3
            for found, map_ in zip(pixels, maps, strict=True):
                levels = F.interpolate(map_[None, None], (32, 32), mode="bilinear")[0, 0]
                expected = ramp[levels.round().long().clamp(0, 255).numpy()]
                colours = np.reshape(found, (32, 32, 4))[..., :3]
                # Between eleven colours of the scale the others are mixed.
                assert np.abs(colours - expected).max() < 9


def test_the_view_of_maps_reads_raw_values(browser, out, records):
    record = records[0]
    with opened(browser, image_address(out, records, 0)) as page:
        page.wait_for_function("document.querySelector('.interpviz').interpviz")
        shown = page.evaluate("document.querySelector('.interpviz').interpviz.read()")
        codes = np.frombuffer(base64.b64decode(record["maps"]), np.uint8)
        first = codes[: np.prod(record["grid"])] / 255 * record["peaks"][0]
        np.testing.assert_allclose(shown["values"], first, atol=1e-6)


def test_copies_and_old_addresses_lead_to_the_image(browser, out, records):
    first, copy = place_of(records, "00 <b onclick=alert(2)>.png"), place_of(records, "copy.png")
    key = records[first]["key"]
    assert key == records[copy]["key"]
    with opened(browser, image_address(out, records, first)) as page:
        page.get_by_role("link", name=f"image {copy + 1} in {NAMES[0]}").click()
        page.get_by_role("heading", name="copy.png", level=1).wait_for()
        for fragment in (key, f"{key}&n=5", f"{key}&n=99999"):
            go(page, address(out, "image", fragment))
            assert page.locator("h1").inner_text() == records[min(first, copy)]["id"].split("/")[-1]
        for fragment in ("", "nothing", "0" * 20, f"{'0' * 20}&n=-1", "%3Cb%3E&n=x"):
            go(page, address(out, "image", fragment))
            assert page.get_by_text("There is no such image").is_visible()


# Classes, failures, about


def test_a_class_shows_its_average_map_and_pictures(browser, out, records):
    from browser import serve

    # Pixels of pictures can only be read back from a host.
    with serve(out) as root, opened(browser, f"{root}classes.html") as page:
        page.set_viewport_size({"width": 1280, "height": 3000})
        page.locator(".iv-pane canvas").first.wait_for()
        page.wait_for_timeout(500)
        name = page.locator(".iv-classes h3").first.inner_text()
        own = [r for r in records if "top" in r and NAMES[r["top"][0][0]] == name]
        assert f"{len(own)} images" in page.locator(".iv-classes a").first.inner_text()
        shown = (
            page.locator(".iv-pair")
            .first.locator("canvas")
            .evaluate_all(
                "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, 224, 224).data])"
            )
        )
        paths = [out / "images" / r["key"][:2] / f"{r['key']}.webp" for r in own[:16]]
        pictures = [np.asarray(Image.open(path).convert("RGB"), float) for path in paths]
        blended = np.reshape(shown[1], (224, 224, 4))[3::7, 3::7, :3]
        assert np.abs(blended - np.mean(pictures, 0)).max() < 12
        assert np.ptp(np.reshape(shown[0], (-1, 4)), axis=0).max() > 50


def test_failures_are_listed_with_reasons(browser, out):
    with opened(browser, address(out, "failures")) as page:
        rows = page.locator("tbody tr").all_inner_texts()
        assert len(rows) == 1
        assert "no <i>picture.png" in rows[0]
        assert "not a picture of a known format" in rows[0]


def test_about_tells_model_versions_and_command(browser, out):
    run = read(out / "data" / "run.js")
    with opened(browser, address(out, "about")) as page:
        text = page.locator(".iv-page").inner_text()
        for part in (run["model"], run["model_digest"], "Eigen-CAM", *run["versions"].values()):
            assert part in text
        assert page.locator("pre").inner_text().strip() == NAMES[0]


# Other reports


def test_reports_without_folders_or_results_say_so(browser, out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    index, summary = read(copy / "data" / "index.js"), read(copy / "data" / "summary.js")
    index["labels"], index["label_class"] = [], []
    index["columns"]["label"] = base64.b64encode(np.full(index["count"], -1, "<i4")).decode()
    none = base64.b64encode(np.full(index["count"], 65535, "<u2")).decode()
    index["columns"] |= {"label_p": none, "outside": none}
    summary |= {"labelled": 0, "right": 0, "confusion": []}
    write(copy / "data" / "index.js", "index", index)
    write(copy / "data" / "summary.js", "summary", summary)
    with opened(browser, address(copy, "index")) as page:
        assert page.get_by_role("heading", name="Furthest").count() == 0
        go(page, address(copy, "mistakes"))
        assert "cannot be told" in page.locator(".iv-page").inner_text()
        go(page, address(copy, "images"))
        assert page.get_by_label("Right or wrong").count() == 0
        index["columns"]["state"] = base64.b64encode(np.ones(index["count"], np.uint8)).decode()
        write(copy / "data" / "index.js", "index", index)
        write(copy / "data" / "summary.js", "summary", summary | {"explained": 0, "averages": {}})
        go(page, address(copy, "index"))
        assert "None of the files could be explained" in page.locator(".iv-page").inner_text()
        go(page, address(copy, "classes"))
        assert "no heat maps" in page.locator(".iv-page").inner_text()
        go(page, address(copy, "images"))
        assert page.locator(".iv-grid li").count() == 0


def test_pages_are_the_same_for_any_data(out, tmp_path):
    write_site(tmp_path)
    for path in tmp_path.glob("*.html"):
        assert path.read_bytes() == (out / path.name).read_bytes()
