"""The list of a report's images, held against the records."""

from itertools import pairwise

from report_pages import NAMES, address, go, opened, shown, wanted


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
        page.get_by_label("The folder says").first.select_option(label="plum (9)")
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
