"""The pages of a report as files: what is written, what is left alone."""

import json
import os
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.site import shell, write_site
from interpviz.report.site.shell import render, sources

IMAGE_PAGES = ("index", "images", "image", "mistakes", "classes", "failures", "about")
TEXT_PAGES = ("index", "texts", "text", "heads", "failures", "about")


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_pages_stand_beside_the_data(net, photos, tmp_path):
    out = tmp_path / "out"
    build(net, photos(3), out, command="interpviz report")
    assert {f"{page}.html" for page in IMAGE_PAGES} <= files(out)
    build(net, photos(3), tmp_path / "bare", site=False)
    assert files(tmp_path / "bare") == {
        name for name in files(out) if name not in render() and name != ".interpviz/shell.json"
    }


def test_nothing_of_a_report_is_in_its_shell(net, photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    folder = photos(3).rename(tmp_path / "secret")
    build(net, folder, out, categories=["secret", "secrets", "plum"], command="secret")
    for name, data in render().items():
        assert (out / name).read_bytes() == data
        assert b"secret" not in data.lower() or name.endswith((".css", "min.js"))


def test_no_page_asks_a_network(tmp_path):
    write_site(tmp_path)
    for path in tmp_path.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.findall(
            r"<(?:script|link|img|iframe)[^>]+(?:src|href)=.?(?:https?:)?//", text
        )
    for path in tmp_path.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", path.read_text("utf-8"))


def test_pages_are_written_once_and_mended(tmp_path):
    write_site(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    write_site(tmp_path)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    (tmp_path / "images.html").unlink()
    (tmp_path / "report.js").write_text("cut")
    write_site(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in render()} == render()


def test_only_pages_of_an_older_version_are_removed(tmp_path):
    write_site(tmp_path)
    manifest = tmp_path / ".interpviz" / "shell.json"
    found = json.loads(manifest.read_text())
    (tmp_path / "assets" / "old").mkdir()
    for name in ("assets/old/page.js", "mine.html"):
        (tmp_path / name).write_text("x")
    found["files"]["assets/old/page.js"] = 1
    found["digest"] = "of another version"
    manifest.write_text(json.dumps(found))
    write_site(tmp_path)
    assert not (tmp_path / "assets" / "old").exists()
    assert (tmp_path / "mine.html").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "data/index.js", "images/ab/cd.webp", "/etc"])
def test_a_forged_list_removes_nothing(tmp_path, name):
    out = tmp_path / "out"
    kept = out / name
    for path in (tmp_path / "outside.txt", out / "data/index.js", out / "images/ab/cd.webp"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (out / ".interpviz").mkdir()
    (out / ".interpviz" / "shell.json").write_text(json.dumps({"digest": "", "files": {name: 1}}))
    write_site(out)
    assert kept.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"digest": 1}', '{"files": 3}', "\udcff"])
def test_a_broken_list_is_no_matter(tmp_path, text):
    (tmp_path / ".interpviz").mkdir()
    (tmp_path / ".interpviz" / "shell.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert write_site(tmp_path).is_file()


def test_without_mkdocs_one_sentence_comes_before_all_work(net, photos, tmp_path, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(shell, "version", version)
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r'mkdocs: pip install "interpviz\[report\]"') as caught:
        build(net, photos(2), out)
    assert str(caught.value).count(". ") == 0
    assert not out.exists()
    assert build(net, photos(2), out, site=False).new == 2
    assert not (out / "index.html").exists()


def test_rendering_leaves_the_process_as_it_was(monkeypatch, capfd):
    monkeypatch.delenv("NO_MKDOCS_2_WARNING", raising=False)
    before = (dict(os.environ), Path.cwd())
    render.cache_clear()
    assert "index.html" in render()
    assert (dict(os.environ), Path.cwd()) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kind", "pages"), [("docs", IMAGE_PAGES), ("texts", TEXT_PAGES)], ids=["images", "texts"]
)
def test_every_page_ships(kind, pages):
    folder = Path(shell.__file__).parent / "shell" / kind
    assert {path.stem for path in folder.glob("*.md")} == set(pages)


def test_every_source_ships():
    folder = Path(shell.__file__).parent
    js, css = folder / "js", folder / "css"
    found = {path.relative_to(js).with_suffix("").as_posix() for path in js.rglob("*.js")}
    assert found == {*sources("images"), *sources("texts")}
    assert {path.stem for path in css.iterdir()} == {*shell.STYLES, "images", "texts"}
    for kind in ("images", "texts"):
        shown = render(kind)["report.css"].decode()
        assert (css / f"{kind}.css").read_text("utf-8") in shown
