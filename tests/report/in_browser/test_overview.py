"""The first page of a report, held against the records."""

import pytest
from report_pages import NAMES, address, go, opened, places, read

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


STRANGE = {
    "Least sure": lambda r: r["top"][0][1],
    "Furthest from their class": lambda r: r["label_p"],
    "Widest maps": lambda r: -r["spread"][0],
    "Outside of the object": lambda r: -r["outside"][0],
}


def test_the_strangest_images_come_first(browser, out, records):
    good = [r for r in records if "failed" not in r]
    kinds = dict.fromkeys(STRANGE, good)
    kinds["Furthest from their class"] = [r for r in good if r["label"] != NAMES[r["top"][0][0]]]
    kinds["Outside of the object"] = [r for r in good if r.get("outside")]
    with opened(browser, address(out, "index")) as page:
        for title, key in STRANGE.items():
            box = page.locator("section div", has=page.get_by_role("heading", name=title))
            found = [records[place] for place in places(box.locator(".iv-strip a"))]
            expected = sorted(map(key, kinds[title]))[:8]
            assert len({*expected}) > 2, title
            # The pages know the numbers to one part in 65534.
            assert [key(r) for r in found] == pytest.approx(expected, abs=2e-5), title
            assert all(r in kinds[title] for r in found), title
        page.get_by_role("heading", name="Widest maps").scroll_into_view_if_needed()
        page.locator(".iv-tile canvas").first.wait_for()
        names = page.locator(".iv-matrix thead th").all_text_contents()
        assert names == NAMES


# Failures, about


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
