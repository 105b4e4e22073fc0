"""The finished report on the site: made once, found at its own address, and a whole one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
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
    done = site.build()
    assert done.returncode == 0, done.stderr
    site.first = site.ran()
    return site


@pytest.fixture
def layout(tmp_path):
    from layout import Layout

    (tmp_path / "docs/generated").mkdir(parents=True)
    return Layout(tmp_path, tmp_path / "docs", tmp_path / "gallery")


class Maker:
    """Stands for the process that makes the report; `cut_off` ends it half-way."""

    def __init__(self):
        self.runs = 0
        self.cut_off = None

    def __call__(self, place):
        self.runs += 1
        (place / "data").mkdir(parents=True)
        (place / "index.html").write_text("<h1>aardvark</h1>")
        if self.cut_off:
            raise self.cut_off
        (place / "data/run.js").write_text(f"run {self.runs}")


def test_the_report_is_made_once_at_its_own_address(tiny):
    assert tiny.first.count("report") == 1
    assert (tiny.root / "site/report/index.html").read_text() == "<h1>aardvark</h1>"
    assert 'href="report/"' in (tiny.root / "site/index.html").read_text()
    assert not (tiny.root / "site/generated/report").exists()
    assert not list((tiny.root / "site").rglob(".*"))
    assert not list((tiny.root / "docs/generated").glob(".report-*"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == []
    assert (tiny.root / "site/report/index.html").is_file()


def test_it_is_in_neither_the_search_nor_the_sitemap(tiny):
    for name in ("search/search_index.json", "sitemap.xml"):
        text = (tiny.root / "site" / name).read_text()
        assert "Home" in text or "example.org" in text
        assert "aardvark" not in text
        assert "report/" not in re.sub(r'"text":"[^"]*"', "", text)


def test_a_change_in_a_style_sheet_makes_it_again(tiny):
    tiny.write("interpviz/report/report.css", "h1 { color: red }\n")
    assert tiny.build().returncode == 0
    assert "report" in tiny.ran()


def test_a_failure_ends_the_build_with_its_reason_and_is_tried_again(tiny):
    (tiny.root / "docs/generated/report/index.html").unlink()
    done = tiny.build(FAILS="1")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "no weights today" in line]
    assert len(said) == 1
    assert said[0].endswith("The report of free photos could not be made: no weights today")
    assert "Traceback" not in done.stderr
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["report"]
    assert (tiny.root / "site/report/index.html").is_file()


def test_what_cannot_be_written_is_one_sentence(tiny):
    report = tiny.root / "docs/generated/report"
    kept = report.rename(report.with_name("kept"))
    report.write_text("in the way")
    try:
        done = tiny.build()
    finally:
        report.unlink()
        kept.rename(report)
    assert done.returncode != 0
    assert f"cannot write {report}" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_is_made_again_only_when_what_decides_has_changed(layout):
    from published_report import make

    run = Maker()
    assert make(layout, {"library": "a"}, run)
    assert not make(layout, {"library": "a"}, run)
    assert make(layout, {"library": "b"}, run)
    assert run.runs == 2


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_half_made_one_is_not_believed(layout, error):
    from published_report import folder, make

    run = Maker()
    make(layout, {"library": "a"}, run)
    run.cut_off = error
    with pytest.raises(type(error)):
        make(layout, {"library": "b"}, run)
    assert not list(layout.generated.iterdir())
    run.cut_off = None
    # Neither where it had been before: what is there now is the new one.
    assert make(layout, {"library": "a"}, run)
    assert (folder(layout) / "data/run.js").read_text() == "run 3"


def test_a_killed_build_leaves_nothing_behind(layout):
    from published_report import folder, make, stamp

    run = Maker()
    make(layout, {"library": "a"}, run)
    # As the system leaves it: a report without a stamp, and another one half made.
    stamp(layout).unlink()
    (folder(layout) / "old.html").write_text("old")
    (layout.generated / ".report-x/report").mkdir(parents=True)
    assert make(layout, {"library": "a"}, run)
    assert not (folder(layout) / "old.html").exists()
    assert {path.name for path in layout.generated.iterdir()} == {"report", ".report.json"}


@pytest.mark.parametrize("damage", ["gone", "shorter", "more"])
def test_a_damaged_one_is_made_again(layout, damage):
    from published_report import folder, make

    run = Maker()
    make(layout, {"library": "a"}, run)
    data = folder(layout) / "data/run.js"
    if damage == "gone":
        data.unlink()
    else:
        (data if damage == "shorter" else data.with_name("more.js")).write_text("")
    assert make(layout, {"library": "a"}, run)
    assert data.read_text() == "run 2"
    assert not data.with_name("more.js").exists()


@pytest.mark.parametrize(
    ("status", "errors", "said"),
    [
        (1, "Loading 40%\nno weights today\n", "no weights today"),
        (1, "", "status 1"),
        (-9, "Loading 40%", "memory"),
        (-15, "Loading 40%", "SIGTERM"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(status, errors, said):
    from published_report import reason

    found = reason(subprocess.CompletedProcess([], status, "", errors))
    assert said in found
    assert "\n" not in found
    assert "Loading" not in found


def test_a_photo_without_a_result_fails_the_report(monkeypatch, tmp_path):
    import published_report

    def build(*args, **options):
        return SimpleNamespace(failures=[("tabby/chelsea-whole.png", "It cannot be read.")])

    monkeypatch.setattr(published_report, "write_photos", lambda place: None)
    monkeypatch.setattr("interpviz.report.build", build)
    with pytest.raises(SystemExit, match=r"^tabby/chelsea-whole\.png: It cannot be read\.$"):
        published_report.main(str(tmp_path / "report"))


def test_an_error_of_the_library_is_said_without_its_name(monkeypatch, tmp_path):
    import published_report

    def build(*args, **options):
        raise AssetError("There are no weights.")

    monkeypatch.setattr(published_report, "write_photos", lambda place: None)
    monkeypatch.setattr("interpviz.report.build", build)
    with pytest.raises(SystemExit, match=r"^There are no weights\.$"):
        published_report.main(str(tmp_path / "report"))


def test_it_is_in_the_copy_for_offline(tiny, tmp_path):
    import offline

    archive = ZipFile(offline.pack(tiny.root / "site", "tiny"))
    assert archive.read("tiny/report/index.html") == b"<h1>aardvark</h1>"


def test_what_decides_is_named():
    from published_report import key

    now = {"interpviz/": "a", "installed versions": "b", "INTERPVIZ_WEIGHTS": "", "other": "c"}
    first = key(now)
    assert key({**now, "other": "d"}) == first
    for name in ("interpviz/", "installed versions", "INTERPVIZ_WEIGHTS"):
        assert key({**now, name: "d"}) != first


@pytest.mark.network
def test_the_real_one_is_whole(tmp_path):
    try:
        load_model("efficientnet_lite0")
    except AssetError as error:
        pytest.skip(f"the weights cannot be had: {error}")
    from published_report import FOLDERS, OPTIONS, PARTS, main

    shown = []
    for report in (tmp_path / "report", tmp_path / "again"):
        main(str(report))
        files = (path for path in report.rglob("*") if path.is_file())
        names = ((path.relative_to(report).as_posix(), path) for path in files)
        shown.append({n: p.read_bytes() for n, p in names if not n.startswith(".interpviz/")})
    assert shown[0] == shown[1]
    run = shown[0]["data/run.js"].decode()
    about = json.loads(re.search(r"\{.*\}", run, re.DOTALL)[0])
    assert about["options"]["methods"] == OPTIONS["methods"]
    assert str(tmp_path) not in run
    assert sum(name.endswith(".webp") for name in shown[0]) >= len(FOLDERS) * len(PARTS)
    assert sum(map(len, shown[0].values())) < 2_000_000


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
