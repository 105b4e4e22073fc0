"""What the tests of a report's pages share: its files, its addresses, a page in a browser."""

import json
from contextlib import contextmanager
from urllib.parse import parse_qs

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
