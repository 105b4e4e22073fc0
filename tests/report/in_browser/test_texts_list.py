"""The list of a report's texts, held against the records."""

from report_pages import address, await_view, go, opened, shown, wanted
from text_models import content


def test_filters_choose_what_the_records_say(browser, text_out, text_records):
    names = ["bad", "good", "<i>odd</i>"]
    middle = sorted(r["top"][0][1] for r in text_records if "top" in r)[5] + 1e-3
    labels = content(text_out / "data" / "index.js")["labels"]
    cases = {
        "": wanted(text_records, lambda r: True),
        "verdict=wrong": wanted(
            text_records, lambda r: r["label"] in names and r["label"] != names[r["top"][0][0]]
        ),
        "predicted=1": wanted(text_records, lambda r: r["top"][0][0] == 1),
        f"label={labels.index('good')}": wanted(text_records, lambda r: r["label"] == "good"),
        f"confidence={middle}-": wanted(text_records, lambda r: r["top"][0][1] >= middle),
        "tokens=5-12": wanted(text_records, lambda r: 5 <= r["tokens"] < 12),
        "tokens=-5&order=tokens&down=1": wanted(
            text_records, lambda r: r["tokens"] < 5, lambda r: r["tokens"], down=True
        ),
        "order=entropy": wanted(text_records, lambda r: True, lambda r: round(r["entropy"], 4)),
        "order=nothing&tokens=x-y&predicted=-3": wanted(text_records, lambda r: True),
    }
    with opened(browser, address(text_out, "texts")) as page:
        for query, expected in cases.items():
            go(page, address(text_out, "texts", query))
            assert shown(page) == expected, query


def test_choices_change_the_address_and_lead_through_the_list(browser, text_out, text_records):
    with opened(browser, address(text_out, "texts")) as page:
        assert page.locator(".iv-count").inner_text() == "All 10 texts"
        page.get_by_label("The file says", exact=False).first.select_option(label="good (4)")
        box = page.get_by_role("group", name="Tokens", exact=True).get_by_label("from")
        box.fill("5")
        box.press("Tab")
        page.get_by_label("Order").select_option("tokens")
        keep = wanted(
            text_records, lambda r: r["label"] == "good" and r["tokens"] >= 5, lambda r: r["tokens"]
        )
        assert shown(page) == keep
        assert page.locator(".iv-count").inner_text() == f"{len(keep)} of 10 texts"
        page.locator(".iv-grid a").first.click()
        await_view(page)
        page.get_by_role("link", name="Next").click()
        page.get_by_text(f"2 of {len(keep)}").wait_for()
        assert f"&n={keep[1]}&" in page.url
        page.get_by_role("link", name="Back to the list").click()
        page.get_by_text(f"{len(keep)} of 10 texts").wait_for()
        page.get_by_role("button", name="Show all").click()
        assert page.locator(".iv-count").inner_text() == "All 10 texts"


def test_the_list_is_walked_with_the_keyboard(browser, text_out):
    with opened(browser, address(text_out, "texts")) as page:
        page.get_by_role("button", name="Show all").focus()
        page.keyboard.press("Tab")
        at = "+document.activeElement.closest('li').dataset.at"
        for key, expected in [("ArrowDown", 1), ("End", 9), ("Home", 0), ("ArrowUp", 0)]:
            page.keyboard.press(key)
            assert page.evaluate(at) == expected, key
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 10").wait_for()
