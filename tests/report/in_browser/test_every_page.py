"""The pages of a report hold for all readers, from any folder, for any data."""

import base64
import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from report_pages import address, await_view, go, image_address, opened, read, violations, write

from interpviz.report.site import write_site

PAGES = ("index", "images", "image", "mistakes", "classes", "failures", "about")


# Every page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_for_all_readers(browser, out, records, name, width, scheme):
    where = image_address(out, records, 0) if name == "image" else address(out, name)
    with opened(browser, where, width, scheme) as page:
        if name == "image":
            await_view(page)
        page.wait_for_timeout(300)
        assert violations(page) == []
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
            await_view(page)
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
