"""The first page of a report, held against the records."""

from urllib.parse import parse_qs

import numpy as np
from PIL import Image
from report_pages import NAMES, address, go, opened, read

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
