"""The pages of a report of texts, held against the records."""

import base64
import shutil

import numpy as np
import pytest
from report_pages import (
    NAMES,
    address,
    await_view,
    go,
    opened,
    records_of,
    text_address,
    violations,
)
from text_models import content

from interpviz.report.site import write_site
from interpviz.report.site.shell import render

PAGES = ("index", "texts", "text", "heads", "failures", "about")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "dark")])
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("kind", ["classifies", "writes"])
def test_pages_hold_for_all_readers(browser, text_outs, kind, name, width, scheme):
    out = text_outs[kind]
    where = text_address(out, records_of(out)[7], 7) if name == "text" else address(out, name)
    with opened(browser, where, width, scheme) as page:
        if name == "text":
            await_view(page)
        page.wait_for_timeout(300)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        # Texts, labels and names are text wherever they stand.
        assert page.locator("[onerror], [onclick], .iv-page i:has-text('odd')").count() == 0


def test_the_overview_counts(browser, text_out, text_records):
    good = [r for r in text_records if "failed" not in r]
    right = sum(r["label"] == ["bad", "good", "<i>odd</i>"][r["top"][0][0]] for r in good)
    labelled = sum(r["label"] != "other" for r in good)
    with opened(browser, address(text_out, "index")) as page:
        text = page.locator(".iv-figures").inner_text().split()
        for number in (len(good), sum(r["tokens"] for r in good), labelled - right, 1):
            assert str(number) in text
        assert f"{100 * right / labelled:.0f} %" in " ".join(text)
        region = page.get_by_role("region", name="Confusion matrix")
        cells = [int(cell) for cell in region.locator("tbody td").all_inner_texts()]
        assert sum(cells) == labelled
        box = page.locator("section div", has=page.get_by_role("heading", name="Least sure"))
        first = box.locator(".iv-lines a").first
        least = min(good, key=lambda r: r["top"][0][1])
        assert least["key"] in first.get_attribute("href")
        assert first.locator(".iv-words").inner_text() == least["text"]


@pytest.mark.parametrize("kind", ["classifies", "writes", "reads"])
def test_a_bar_leads_to_as_many_texts_as_it_says(browser, text_outs, kind):
    total = sum("failed" not in r for r in records_of(text_outs[kind]))
    with opened(browser, address(text_outs[kind], "index")) as page:
        bars = page.locator("a.iv-bar").evaluate_all("all => all.map(a => [a.title, a.href])")
        counts = [int(text.split()[0]) for text, _ in bars]
        # A text of a single token surprises nobody.
        assert sum(counts) == total - (1 if kind == "writes" else 0)
        for count, (_, link) in zip(counts, bars, strict=True):
            go(page, link)
            assert page.locator(".iv-count").inner_text().split()[0 if count < total else 1] == str(
                count
            )


@pytest.mark.parametrize("kind", ["classifies", "writes", "reads"])
def test_a_text_shows_its_own_record_and_weights(browser, text_outs, kind):
    records = records_of(text_outs[kind])
    for place in (2, 7):
        record = records[place]
        key = record["key"]
        view = content(text_outs[kind] / "data" / "texts" / key[:2] / f"{key}.js")
        with opened(browser, text_address(text_outs[kind], record, place)) as page:
            await_view(page)
            seen = page.evaluate("document.querySelector('.interpviz').interpviz.read()")
            assert page.locator("h1").inner_text()[:70] == record["text"][:70]
            facts = page.locator(".iv-facts").inner_text()
            assert record["text"] in facts
            assert record["id"] in facts
            layer = view["attention"]["layers"][seen["layer"]]
            values = np.reshape(seen["values"], layer["shape"])
            np.testing.assert_allclose(values.sum(1), 1, atol=0.1)
            cells = page.locator(".iv-heads tbody td").all_inner_texts()
            run = content(text_outs[kind] / "data" / "run.js")
            heads = np.frombuffer(base64.b64decode(view["heads"]), "<f4")
            heads = heads.reshape(len(run["layers"]), len(run["columns"]), run["heads"])
            assert cells == [f"{value:.2f}" for value in heads[:, 0].ravel()]
            if kind == "writes":
                said = page.locator(".iv-token small").all_inner_texts()
                assert [float(one) for one in said] == pytest.approx(view["surprise"][1:], abs=0.06)
            assert (page.get_by_role("heading", name="What the model says").count() == 1) == (
                kind == "classifies"
            )


def test_copies_and_old_addresses_lead_to_the_text(browser, text_out, text_records):
    assert text_records[0]["key"] == text_records[10]["key"]
    with opened(browser, text_address(text_out, text_records[0], 0)) as page:
        page.get_by_role("link", name="text 11").click()
        page.wait_for_function("location.hash.includes('n=10')")
        go(page, address(text_out, "text", f"{text_records[1]['key']}&n=99999"))
        assert page.locator("h1").inner_text() == text_records[1]["text"]
        for fragment in ("", "nothing", "0" * 20, "%3Cb%3E&n=x"):
            go(page, address(text_out, "text", fragment))
            assert page.get_by_text("There is no such text").is_visible()


def test_the_mean_of_all_heads_is_shown(browser, text_out):
    summary, run = (content(text_out / "data" / f"{name}.js") for name in ("summary", "run"))
    heads = np.frombuffer(base64.b64decode(summary["heads"]), "<f4")
    heads = heads.reshape(len(run["layers"]), len(run["columns"]), run["heads"])
    with opened(browser, address(text_out, "heads")) as page:
        for name, digits in (("entropy", 2), ("distance", 1), ("special", 2)):
            page.get_by_label("What to show").select_option(name)
            cells = page.locator(".iv-heads tbody td").all_inner_texts()
            column = heads[:, run["columns"].index(name)].ravel()
            assert [float(cell) for cell in cells] == pytest.approx(column, abs=0.51 * 10**-digits)


def test_failures_and_about(browser, text_out):
    run = content(text_out / "data" / "run.js")
    with opened(browser, address(text_out, "failures")) as page:
        cells = page.locator("tbody td").all_inner_texts()
        assert cells == ["text 9", "good", "the text is empty"]
        go(page, address(text_out, "about"))
        text = page.locator(".iv-page").inner_text()
        for part in (run["model"], run["model_digest"], *run["versions"].values()):
            assert part in text
        assert page.locator("pre").inner_text().strip() == NAMES[0]


def test_a_missing_file_is_told(browser, text_out, text_records, tmp_path):
    copy = shutil.copytree(text_out, tmp_path / "copy")
    key = text_records[1]["key"]
    (copy / "data" / "texts" / key[:2] / f"{key}.js").unlink()
    with opened(browser, text_address(copy, text_records[1], 1), silent=False) as page:
        assert f"{key}.js is missing" in page.get_by_role("alert").inner_text()


def test_pages_are_the_same_for_any_data(text_out, tmp_path):
    write_site(tmp_path, "texts")
    for name, data in render("texts").items():
        assert (tmp_path / name).read_bytes() == (text_out / name).read_bytes() == data
