"""What a report may write, and what it must leave alone."""

import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.sources import scan_folder

KEY = "0123456789abcdef0123"


def test_only_pictures_of_the_store_are_removed(net, photos, tmp_path):
    out = tmp_path / "out"
    build(net, photos(3), out, site=False)
    (out / "images" / "mine").mkdir()
    (out / "images" / "01").mkdir(exist_ok=True)
    kept = [out / "images" / "mine" / f"{KEY}.webp", out / "images" / "01" / "holiday.webp"]
    gone = [out / "images" / "01" / f"{KEY}.webp", out / "images" / "01" / f".part-1-2-{KEY}.webp"]
    for path in (*kept, *gone):
        path.write_bytes(b"x")
    build(net, tmp_path / "photos", out, site=False)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_parts_and_shards_of_earlier_runs_go_and_other_files_stay(net, photos, tmp_path):
    out = tmp_path / "out"
    build(net, photos(3), out)
    gone = [out / "data" / ".part-12-345-run.js", out / "data" / "records-007.js"]
    gone += [out / ".part-1-2-index.html", out / ".interpviz" / "journal.part"]
    kept = [out / "data" / "records-mine.js", out / "data" / ".part-of-mine"]
    for path in (*kept, *gone):
        path.write_text("x")
    build(net, tmp_path / "photos", out)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_a_folder_of_other_files_is_not_written_to(net, photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("mine")
    with pytest.raises(InputError, match="holds other files: choose a new folder"):
        build(net, photos(2), out)
    assert [p.name for p in out.iterdir()] == ["index.html"]
    (out / "index.html").unlink()
    assert build(net, tmp_path / "photos", out, site=False).new == 2


def test_a_report_does_not_lie_over_its_images(net, photos, tmp_path):
    folder = photos(3, "data/images/2024")
    for images, out in [(folder, folder), (folder.parent, tmp_path / "data"),
                        (folder, tmp_path / "data")]:  # fmt: skip
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match="would lie among the images"):
            build(net, images, out)
        assert sorted(tmp_path.rglob("*")) == before


def test_images_in_a_report_are_refused(net, photos, tmp_path):
    out = tmp_path / "data"
    build(net, photos(3), out, site=False)
    inside = photos(3, "data/photos")
    for dataset in (inside, f"file://{inside}", scan_folder(inside)):
        with pytest.raises(InputError, match="would lie among the images"):
            build(net, dataset, out, site=False)


def test_a_report_below_its_images_is_not_taken_for_images(net, photos, tmp_path):
    folder = photos(3)
    for _ in range(2):
        assert build(net, folder, folder / "report", site=False).total == 3
    Image.new("RGB", (9, 9)).save(folder / "report" / "x.png")
    assert len(scan_folder(folder)) == 3
