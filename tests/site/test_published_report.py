"""The finished report on the site: made once, found at its own address, and a whole one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from browser import opened
from tiny_site import CONFIG, lay_out

from interpviz.errors import AssetError
from interpviz.zoo import load_model

HOOKS = "[docs/site/hooks.py, docs/site/published_report.py]"
LINK = "\n[A report](generated/report/index.html)\n"
# Stands for the maker: a page, and a line for each time that it ran.
FAKE = """
def main(out):
    import os
    from pathlib import Path
    with Path(os.environ["RAN"]).open("a") as log:
        log.write("report\\n")
    if os.environ.get("FAILS"):
        sys.exit("no weights today")
    (Path(out) / ".interpviz").mkdir(parents=True)
    (Path(out) / ".interpviz" / "kept").write_text("x")
    (Path(out) / "index.html").write_text("<h1>aardvark</h1>")


if __name__ == "__main__":
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("report") / "tiny")
    config = CONFIG.replace("[docs/site/hooks.py]", HOOKS).replace(
        "plugins:", "plugins:\n  search:"
    )
    assert config.count("published_report") == config.count("search:") == 1
    site.write("mkdocs.yml", config)
    maker = site.root / "docs/site/published_report.py"
    text = maker.read_text()
    assert text.count('if __name__ == "__main__":\n') == 1
    maker.write_text(text.replace('if __name__ == "__main__":\n', FAKE))
    site.write("docs/index.md", f"# Home\n{LINK}")
    return site


def test_the_report_is_made_once_at_its_own_address(tiny):
    done = tiny.build()
    assert done.returncode == 0, done.stderr
    assert tiny.ran().count("report") == 1
    assert (tiny.root / "site/report/index.html").read_text() == "<h1>aardvark</h1>"
    assert 'href="report/"' in (tiny.root / "site/index.html").read_text()
    assert not (tiny.root / "site/generated/report").exists()
    assert not list((tiny.root / "site").rglob(".*"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == []
    assert (tiny.root / "site/report/index.html").is_file()


def test_it_is_in_neither_the_search_nor_the_sitemap(tiny):
    tiny.build()
    for name in ("search/search_index.json", "sitemap.xml"):
        text = (tiny.root / "site" / name).read_text()
        assert "Home" in text or "example.org" in text
        assert "aardvark" not in text
        assert "report/" not in re.sub(r'"text":"[^"]*"', "", text)


def test_a_change_in_the_library_makes_it_again(tiny):
    tiny.build()
    tiny.write("interpviz/__init__.py", "changed = 1\n")
    assert tiny.build().returncode == 0
    assert tiny.ran().count("report") == 1


def test_a_failure_ends_the_build_with_its_reason_and_is_tried_again(tiny):
    tiny.build()
    (tiny.root / "docs/generated/report/index.html").unlink()
    done = tiny.build(FAILS="1")
    assert done.returncode != 0
    assert "no weights today" in done.stderr
    assert "Traceback" not in done.stderr
    assert tiny.build().returncode == 0
    assert (tiny.root / "site/report/index.html").is_file()


def test_it_is_in_the_copy_for_offline(tiny, tmp_path):
    import offline

    tiny.build()
    archive = ZipFile(offline.pack(tiny.root / "site", "tiny"))
    assert archive.read("tiny/report/index.html") == b"<h1>aardvark</h1>"


def test_what_decides_is_named():
    from published_report import key

    now = {"interpviz/": "a", "installed versions": "b", "INTERPVIZ_WEIGHTS": "", "other": "c"}
    first = key(now)
    assert key({**now, "other": "d"}) == first
    assert key({**now, "interpviz/": "d"}) != first
    assert key({**now, "installed versions": "d"}) != first


@pytest.mark.network
def test_the_real_one_is_whole(tmp_path):
    try:
        load_model("efficientnet_lite0")
    except AssetError as error:
        pytest.skip(f"the weights cannot be had: {error}")
    from published_report import FOLDERS, OPTIONS, PARTS, main

    main(str(tmp_path / "report"))
    run = (tmp_path / "report/data/run.js").read_text()
    about = json.loads(re.search(r"\{.*\}", run, re.DOTALL)[0])
    assert about["options"]["methods"] == OPTIONS["methods"]
    assert str(tmp_path) not in run
    pictures = list((tmp_path / "report/images").rglob("*.webp"))
    assert len(pictures) >= len(FOLDERS) * len(PARTS)
    shown = (p for p in (tmp_path / "report").rglob("*") if ".interpviz" not in p.parts)
    assert sum(path.stat().st_size for path in shown if path.is_file()) < 2_000_000


def test_the_built_site_leads_to_it(browser, address, site):
    if not (site / "report").is_dir():
        pytest.skip("the built site has no report")
    said = []
    with opened(browser, address) as view:
        view.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        view.on("pageerror", lambda error: said.append(str(error)))
        view.get_by_role("link", name="See a finished report").click()
        view.wait_for_url("**/report/")
        view.get_by_role("link", name="the worst mistakes").click()
        view.wait_for_url("**/report/mistakes.html")
        view.locator("article img, article canvas").first.wait_for()
    assert said == []


def test_the_home_page_links_to_it():
    home = Path(__file__).parents[2] / "docs/index.md"
    assert "(generated/report/index.html)" in home.read_text(encoding="utf-8")
