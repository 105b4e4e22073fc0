"""What the tests of a report's pages share: its files, its addresses, a page in a browser."""

import json
from contextlib import contextmanager
from urllib.parse import parse_qs

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = ["<img src=x onerror=alert(1)>", "pear & co", "plum"]


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
    assert not silent or problems == [], problems


def go(page, address):
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_function("performance.getEntriesByName('interpviz-drawn').length")


def violations(page):
    """What keeps readers out of a page, as axe finds it."""
    from axe_playwright_python.sync_playwright import Axe

    # From disk, axe may not load style sheets a second time.
    found = Axe().run(page, options={"preload": False, "runOnly": {"type": "tag", "values": RULES}})
    return [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]]


def await_view(page):
    page.wait_for_function("document.querySelector('.interpviz')?.interpviz")


def records_of(out):
    paths = sorted((out / "data").glob("records-*.js"))
    return [record for path in paths for record in read(path)["records"]]


def wanted(records, keep, key=lambda r: 0, down=False):
    """The places of the records that a list should show, in its order."""
    good = [i for i, r in enumerate(records) if "failed" not in r and keep(r)]
    return sorted(good, key=lambda i: -key(records[i]) if down else key(records[i]))


def address(out, page, fragment=""):
    return f"{(out / page).as_uri()}.html{fragment and '#'}{fragment}"


def place_of(records, name):
    return next(i for i, r in enumerate(records) if r["id"].endswith(name))


def image_address(out, records, place, query=""):
    tail = f"&from={query}" if query else ""
    return address(out, "image", f"{records[place]['key']}&n={place}{tail}")


def text_address(out, record, place):
    return address(out, "text", f"{record['key']}&n={place}")


def places(links):
    """The places of the images or texts that links lead to."""
    found = links.evaluate_all("links => links.map(link => link.hash)")
    return [int(parse_qs(link.partition("&")[2])["n"][0]) for link in found]


def shown(page):
    """The places in the list, which must all be in sight."""
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(100)
    return places(page.locator(".iv-grid a"))
