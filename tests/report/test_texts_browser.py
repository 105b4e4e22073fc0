"""The pages of a report of texts in a real browser, held against the records."""

import base64
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest

if (folder := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(folder)

from report_pages import address, go, opened, write
from text_models import TEXTS, classifier, content, reader, tokenizer, writer

from interpviz.report import build_texts
from interpviz.report.site import shell, write_site
from interpviz.report.site.shell import TEXT_SCRIPTS, render

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = ("index", "texts", "text", "heads", "failures", "about")
LABELS = ["good", "bad", "good", "<i>odd</i>", "other", "bad", "good", "bad", "<i>odd</i>"]
COMMAND = "<img src=x onerror=alert(3)>"


@pytest.fixture(scope="module")
def outs(tmp_path_factory):
    """A report of each kind of model, of texts that look like markup."""
    home = tmp_path_factory.mktemp("texts")
    plain = tokenizer(home / "plain", special=False)
    models = {"classifies": classifier(), "writes": writer(), "reads": reader()}
    found = {}
    for name, model in models.items():
        rows = [(text, label) for text, label in zip(TEXTS, LABELS, strict=True)]
        rows = [*rows, 3, (TEXTS[0], "good")] if name == "classifies" else [*TEXTS, 3]
        own = plain if name == "writes" else tokenizer(home / "words")
        with pytest.MonkeyPatch.context() as patch:
            # Several files of records, as there are of many texts.
            patch.setattr("interpviz.report.texts.data.SHARD", 4)
            build_texts((model, own), rows, home / name, command=COMMAND)
        found[name] = home / name
    return found


@pytest.fixture(scope="module")
def out(outs):
    return outs["classifies"]


def records_of(out):
    paths = sorted((out / "data").glob("records-*.js"))
    return [record for path in paths for record in content(path)["records"]]


@pytest.fixture(scope="module")
def records(out):
    return records_of(out)


def text_address(out, record, place, query=""):
    tail = f"&from={query}" if query else ""
    return address(out, "text", f"{record['key']}&n={place}{tail}")


def await_view(page):
    page.wait_for_function("document.querySelector('.interpviz')?.interpviz")


def shown(page):
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(100)
    links = page.locator(".iv-grid a").evaluate_all("links => links.map(link => link.hash)")
    return [int(parse_qs(link.partition("&")[2])["n"][0]) for link in links]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "dark")])
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("kind", ["classifies", "writes"])
def test_pages_hold_for_all_readers(browser, outs, kind, name, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    out = outs[kind]
    where = text_address(out, records_of(out)[7], 7) if name == "text" else address(out, name)
    with opened(browser, where, width, scheme) as page:
        if name == "text":
            await_view(page)
        page.wait_for_timeout(300)
        # From disk, axe may not load style sheets a second time.
        found = Axe().run(
            page, options={"preload": False, "runOnly": {"type": "tag", "values": RULES}}
        )
        assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        # Texts, labels and names are text wherever they stand.
        assert page.locator("[onerror], [onclick], .iv-page i:has-text('odd')").count() == 0


def test_the_overview_counts(browser, out, records):
    good = [r for r in records if "failed" not in r]
    right = sum(r["label"] == ["bad", "good", "<i>odd</i>"][r["top"][0][0]] for r in good)
    labelled = sum(r["label"] != "other" for r in good)
    with opened(browser, address(out, "index")) as page:
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
def test_a_bar_leads_to_as_many_texts_as_it_says(browser, outs, kind):
    total = sum("failed" not in r for r in records_of(outs[kind]))
    with opened(browser, address(outs[kind], "index")) as page:
        bars = page.locator("a.iv-bar").evaluate_all("all => all.map(a => [a.title, a.href])")
        counts = [int(text.split()[0]) for text, _ in bars]
        # A text of a single token surprises nobody.
        assert sum(counts) == total - (1 if kind == "writes" else 0)
        for count, (_, link) in zip(counts, bars, strict=True):
            go(page, link)
            assert page.locator(".iv-count").inner_text().split()[0 if count < total else 1] == str(
                count
            )


def wanted(records, keep, key=lambda r: 0, down=False):
    good = [i for i, r in enumerate(records) if "failed" not in r and keep(r)]
    return sorted(good, key=lambda i: -key(records[i]) if down else key(records[i]))


def test_filters_choose_what_the_records_say(browser, out, records):
    names = ["bad", "good", "<i>odd</i>"]
    middle = sorted(r["top"][0][1] for r in records if "top" in r)[5] + 1e-3
    labels = content(out / "data" / "index.js")["labels"]
    cases = {
        "": wanted(records, lambda r: True),
        "verdict=wrong": wanted(
            records, lambda r: r["label"] in names and r["label"] != names[r["top"][0][0]]
        ),
        "predicted=1": wanted(records, lambda r: r["top"][0][0] == 1),
        f"label={labels.index('good')}": wanted(records, lambda r: r["label"] == "good"),
        f"confidence={middle}-": wanted(records, lambda r: r["top"][0][1] >= middle),
        "tokens=5-12": wanted(records, lambda r: 5 <= r["tokens"] < 12),
        "tokens=-5&order=tokens&down=1": wanted(
            records, lambda r: r["tokens"] < 5, lambda r: r["tokens"], down=True
        ),
        "order=entropy": wanted(records, lambda r: True, lambda r: round(r["entropy"], 4)),
        "order=nothing&tokens=x-y&predicted=-3": wanted(records, lambda r: True),
    }
    with opened(browser, address(out, "texts")) as page:
        for query, expected in cases.items():
            go(page, address(out, "texts", query))
            assert shown(page) == expected, query


def test_choices_change_the_address_and_lead_through_the_list(browser, out, records):
    with opened(browser, address(out, "texts")) as page:
        assert page.locator(".iv-count").inner_text() == "All 10 texts"
        page.get_by_label("The file says", exact=False).first.select_option(label="good (4)")
        box = page.get_by_role("group", name="Tokens", exact=True).get_by_label("from")
        box.fill("5")
        box.press("Tab")
        page.get_by_label("Order").select_option("tokens")
        keep = wanted(
            records, lambda r: r["label"] == "good" and r["tokens"] >= 5, lambda r: r["tokens"]
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


def test_the_list_is_walked_with_the_keyboard(browser, out):
    with opened(browser, address(out, "texts")) as page:
        page.get_by_role("button", name="Show all").focus()
        page.keyboard.press("Tab")
        at = "+document.activeElement.closest('li').dataset.at"
        for key, expected in [("ArrowDown", 1), ("End", 9), ("Home", 0), ("ArrowUp", 0)]:
            page.keyboard.press(key)
            assert page.evaluate(at) == expected, key
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 10").wait_for()


def test_of_a_long_list_only_what_is_in_sight_is_on_the_page(browser, out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "long")
    index = content(copy / "data" / "index.js")
    raw = {name: base64.b64decode(text) for name, text in index["columns"].items()}
    index["columns"] = {n: base64.b64encode(text * 9000).decode() for n, text in raw.items()}
    index["count"] *= 9000
    index["shard"] = index["count"]
    write(copy / "data" / "index.js", "index", index)
    short = content(copy / "data" / "records-000.js")["records"][0]
    many = {"first": 0, "records": [short] * index["count"]}
    write(copy / "data" / "records-000.js", "records", many)
    query = "label=1&order=tokens"
    with opened(browser, address(copy, "texts", query)) as page:
        assert page.locator(".iv-grid > li").count() < 60
        started = page.evaluate("performance.now()")
        page.get_by_label("Order").select_option("entropy")
        page.wait_for_function("location.hash.includes('entropy')")
        assert page.evaluate("performance.now()") - started < 1500
        page.locator(".iv-grid a").first.focus()
        page.keyboard.press("End")
        assert page.locator(":focus").evaluate("link => +link.parentElement.dataset.at") > 20_000
        assert page.locator(".iv-grid > li").count() < 60


@pytest.mark.parametrize("kind", ["classifies", "writes", "reads"])
def test_a_text_shows_its_own_record_and_weights(browser, outs, kind):
    records = records_of(outs[kind])
    for place in (2, 7):
        record = records[place]
        key = record["key"]
        view = content(outs[kind] / "data" / "texts" / key[:2] / f"{key}.js")
        with opened(browser, text_address(outs[kind], record, place)) as page:
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
            run = content(outs[kind] / "data" / "run.js")
            heads = np.frombuffer(base64.b64decode(view["heads"]), "<f4")
            heads = heads.reshape(len(run["layers"]), len(run["columns"]), run["heads"])
            assert cells == [f"{value:.2f}" for value in heads[:, 0].ravel()]
            if kind == "writes":
                said = page.locator(".iv-token small").all_inner_texts()
                assert [float(one) for one in said] == pytest.approx(view["surprise"][1:], abs=0.06)
            assert (page.get_by_role("heading", name="What the model says").count() == 1) == (
                kind == "classifies"
            )


def test_copies_and_old_addresses_lead_to_the_text(browser, out, records):
    assert records[0]["key"] == records[10]["key"]
    with opened(browser, text_address(out, records[0], 0)) as page:
        page.get_by_role("link", name="text 11").click()
        page.wait_for_function("location.hash.includes('n=10')")
        go(page, address(out, "text", f"{records[1]['key']}&n=99999"))
        assert page.locator("h1").inner_text() == records[1]["text"]
        for fragment in ("", "nothing", "0" * 20, "%3Cb%3E&n=x"):
            go(page, address(out, "text", fragment))
            assert page.get_by_text("There is no such text").is_visible()


def test_the_mean_of_all_heads_is_shown(browser, out):
    summary, run = (content(out / "data" / f"{name}.js") for name in ("summary", "run"))
    heads = np.frombuffer(base64.b64decode(summary["heads"]), "<f4")
    heads = heads.reshape(len(run["layers"]), len(run["columns"]), run["heads"])
    with opened(browser, address(out, "heads")) as page:
        for name, digits in (("entropy", 2), ("distance", 1), ("special", 2)):
            page.get_by_label("What to show").select_option(name)
            cells = page.locator(".iv-heads tbody td").all_inner_texts()
            column = heads[:, run["columns"].index(name)].ravel()
            assert [float(cell) for cell in cells] == pytest.approx(column, abs=0.51 * 10**-digits)


def test_failures_and_about(browser, out):
    run = content(out / "data" / "run.js")
    with opened(browser, address(out, "failures")) as page:
        assert page.locator(".iv-facts dt").all_inner_texts() == ["text 9"]
        assert "no text" in page.locator(".iv-facts dd").inner_text()
        go(page, address(out, "about"))
        text = page.locator(".iv-page").inner_text()
        for part in (run["model"], run["model_digest"], *run["versions"].values()):
            assert part in text
        assert page.locator("pre").inner_text().strip() == COMMAND


def test_a_missing_file_is_told(browser, out, records, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    key = records[1]["key"]
    (copy / "data" / "texts" / key[:2] / f"{key}.js").unlink()
    with opened(browser, text_address(copy, records[1], 1), silent=False) as page:
        assert f"{key}.js is missing" in page.get_by_role("alert").inner_text()


def test_every_source_ships_and_nothing_of_a_report_is_in_its_shell(out, tmp_path):
    own = Path(shell.__file__).parent
    sources = {f"texts/{path.stem}" for path in (own / "js" / "texts").glob("*.js")}
    assert sources == {name for name in TEXT_SCRIPTS if "/" in name}
    assert {path.stem for path in (own / "shell" / "texts").glob("*.md")} == set(PAGES)
    write_site(tmp_path, "texts")
    for name, data in render("texts").items():
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes() == data
