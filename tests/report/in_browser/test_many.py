"""Pages of 100,000 entries: right counts, and no more is read or on the page than is seen."""

import base64
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from report_pages import address, go, opened, places, read, write

from interpviz.report.data import SHARD
from interpviz.report.site import write_site

if (folder := str(Path(__file__).parents[2] / "benchmarks")) not in sys.path:
    sys.path.append(folder)

COUNT = 100_000
WHOLE = {"run.js", "index.js", "summary.js"}


def column(out, name, kind):
    text = read(out / "data" / "index.js")["columns"][name]
    return np.frombuffer(base64.b64decode(text), kind)


def loaded(page):
    """The files of data that a page has asked for."""
    scripts = page.locator("script[src^='data/']")
    return {*scripts.evaluate_all("all => all.map(one => one.getAttribute('src').slice(5))")}


def shards(found, size):
    return {f"records-{place // size:03d}.js" for place in found}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Made-up numbers of a benchmark, with a record of each image."""
    from report_site import make_up

    out = tmp_path_factory.mktemp("images")
    make_up(out, COUNT)
    record = {"view": [8, 8], "grid": [2, 2], "maps": "AP8A/w==", "classes": [0], "peaks": [1]}
    record |= {"id": "one.png", "size": [8, 8], "top": [[0, 1]], "spread": [0.5]}
    for number, first in enumerate(range(0, COUNT, SHARD)):
        content = {"first": first, "records": [record] * SHARD}
        write(out / "data" / f"records-{number:03d}.js", "records", content)
    write_site(out)
    return out


def test_the_overview_counts_many_images(browser, images):
    label, predicted = (column(images, name, "<i4") for name in ("label", "predicted"))
    sure = column(images, "confidence", "<u2") / 65534
    with opened(browser, address(images, "index")) as page:
        figures = " ".join(page.locator(".iv-figures").inner_text().split())
        assert "100,000 images explained" in figures
        assert f"{(label != predicted).sum():,} mistakes" in figures
        titles = page.locator("a.iv-bar").evaluate_all("all => all.map(a => a.title)")
        counts = [int(title.split()[0].replace(",", "")) for title in titles]
        assert counts == [*np.histogram(sure, 20, (0, 1))[0]]
        page.get_by_role("heading", name="Outside of the object").scroll_into_view_if_needed()
        page.locator(".iv-tile canvas").first.wait_for()
        strange = places(page.locator(".iv-strip a"))
        assert len(strange) == 4 * 8
        assert WHOLE < loaded(page) <= WHOLE | shards(strange, SHARD)


def test_the_list_holds_many_images(browser, images):
    predicted = column(images, "predicted", "<i4")
    sure = column(images, "confidence", "<u2")
    with opened(browser, address(images, "images")) as page:
        items = page.locator(".iv-grid > li")
        assert page.locator(".iv-count").inner_text() == "All 100,000 images"
        assert places(page.locator(".iv-grid a"))[:8] == [*range(8)]
        assert items.count() < 100
        page.locator(".iv-grid a").first.focus()
        page.keyboard.press("End")
        last = page.locator(":focus")
        assert last.evaluate("link => +link.parentElement.dataset.at") == COUNT - 1
        assert last.evaluate("link => link.parentElement.ariaPosInSet") == "100000"
        assert places(last) == [COUNT - 1]
        box = last.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
        assert items.count() < 100
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        page.wait_for_timeout(100)
        # What has the focus stays, so that the next key goes on from there.
        page.keyboard.press("ArrowLeft")
        assert page.locator(":focus").evaluate("a => +a.parentElement.dataset.at") == COUNT - 2

        page.get_by_label("The model says").first.select_option("7")
        page.get_by_label("Order").select_option("confidence")
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(100)
        own = np.flatnonzero(predicted == 7)
        assert page.locator(".iv-count").inner_text() == f"{len(own)} of 100,000 images"
        expected = own[np.argsort(sure[own], kind="stable")]
        seen = places(page.locator(".iv-grid a"))
        assert seen == [*expected[: len(seen)]]
        assert 8 <= len(seen) < 100
        # The list needs no record of any image.
        assert loaded(page) == WHOLE


def test_one_of_many_images_needs_its_own_records_only(browser, images):
    key = column(images, "key", np.uint8)[54_321 * 10 :][:10].tobytes().hex()
    with opened(browser, address(images, "image", f"{key}&n=54321")) as page:
        assert page.get_by_text("54,322 of 100,000").is_visible()
        assert loaded(page) == WHOLE | {"records-054.js"}


@pytest.fixture(scope="module")
def texts(text_out, tmp_path_factory):
    """The small report of texts again and again."""
    out = tmp_path_factory.mktemp("texts") / "out"
    shutil.copytree(text_out, out)
    records = [
        r for path in sorted((out / "data").glob("records-*.js")) for r in read(path)["records"]
    ]
    index = read(out / "data" / "index.js")
    index["shard"] = len(records) * 100
    rounds = -(-COUNT // index["shard"])
    raw = {name: base64.b64decode(text) for name, text in index["columns"].items()}
    index["columns"] = {
        name: base64.b64encode(text * 100 * rounds).decode() for name, text in raw.items()
    }
    index["count"] = index["shard"] * rounds
    summary = read(out / "data" / "summary.js")
    for name in ("explained", "failed", "labelled", "right", "tokens"):
        summary[name] *= 100 * rounds
    write(out / "data" / "index.js", "index", index)
    write(out / "data" / "summary.js", "summary", summary)
    for number in range(rounds):
        content = {"first": number * index["shard"], "records": records * 100}
        write(out / "data" / f"records-{number:03d}.js", "records", content)
    return out


def test_the_list_holds_many_texts(browser, texts):
    index = read(texts / "data" / "index.js")
    state, label = column(texts, "state", np.uint8), column(texts, "label", "<i4")
    width = column(texts, "entropy", "<u2")
    good = index["labels"].index("good")
    explained = (state == 0).sum()
    with opened(browser, address(texts, "index")) as page:
        figures = " ".join(page.locator(".iv-figures").inner_text().split())
        assert f"{explained:,} texts explained" in figures
        rows = places(page.locator(".iv-lines a"))
        page.get_by_text("Text 1", exact=True).first.wait_for(state="detached")
        assert loaded(page) == WHOLE | shards(rows, index["shard"])
        go(page, address(texts, "texts"))
        items = page.locator(".iv-grid > li")
        assert page.locator(".iv-count").inner_text() == f"All {explained:,} texts"
        page.get_by_label("The file says").first.select_option(str(good))
        page.get_by_label("Order").select_option("entropy")
        own = np.flatnonzero((label == good) & (state == 0))
        assert page.locator(".iv-count").inner_text() == f"{len(own):,} of {explained:,} texts"
        expected = own[np.argsort(width[own], kind="stable")]
        seen = places(page.locator(".iv-grid a"))
        assert seen == [*expected[: len(seen)]]
        assert 8 <= len(seen) < 60
        first = loaded(page)
        assert first <= WHOLE | shards({*seen, *range(60)}, index["shard"])
        page.locator(".iv-grid a").first.focus()
        page.keyboard.press("End")
        last = page.locator(":focus")
        assert last.evaluate("link => +link.parentElement.dataset.at") == len(own) - 1
        assert items.count() < 60
        ends = places(page.locator(".iv-grid a"))
        assert loaded(page) <= first | shards(ends, index["shard"])
