"""Images and reports at addresses that fsspec reaches."""

import zipfile

import fsspec
import pytest

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.mirror import Mirror
from interpviz.report.remote import scan_remote

KEY = "0123456789abcdef0123"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Each test is a machine of its own."""
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def memory():
    """A file system that is not this machine's."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture
def other_machine(tmp_path_factory, monkeypatch):
    def change():
        monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path_factory.mktemp("other")))

    return change


def test_images_at_an_address_are_those_of_the_folder(
    net, photos, tmp_path, data, assert_same, memory
):
    folder = photos(9)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    (folder / "pear" / ".hidden.png").write_bytes(b"hidden")
    (folder / "pear" / "notes.txt").write_text("no image by its name")
    memory.put(str(folder), "/bucket/photos", recursive=True)
    build(net, folder, tmp_path / "here", site=False)
    summary = build(net, "memory://bucket/photos", tmp_path / "there", site=False)
    assert (summary.explained, len(summary.failures)) == (9, 1)
    assert_same(data(tmp_path / "there"), data(tmp_path / "here"))
    assert build(net, "memory://bucket/photos", tmp_path / "there", site=False).new == 0


def test_an_archive_is_a_folder_too(net, photos, tmp_path, data, assert_same):
    folder = photos(6)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    build(net, folder, tmp_path / "here", site=False)
    build(net, f"zip://::file://{tmp_path}/photos.zip", tmp_path / "there", site=False)
    assert_same(data(tmp_path / "there"), data(tmp_path / "here"))


def test_a_report_at_an_address_is_that_of_the_folder(  # noqa: PLR0917
    net, photos, tmp_path, data, assert_same, memory, draw
):
    folder, out = photos(9), "memory://bucket/site"
    summary = build(net, folder, out)
    assert (summary.out, summary.new) == (out, 9)
    draw(77).save(folder / "apple" / "0003.png")
    (folder / "pear" / "0004.png").unlink()
    assert build(net, folder, out).new == 1
    build(net, folder, tmp_path / "here")
    memory.get("/bucket/site", str(tmp_path / "fetched"), recursive=True)
    assert_same(data(tmp_path / "fetched"), data(tmp_path / "here"))
    fetched, here = (
        {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "fetched", tmp_path / "here")
    )
    assert {"index.html", "image.html"} < here
    # What tells of a copy is at an address alone, and what keeps others off on a machine alone.
    assert fetched - {".interpviz/copy.txt"} == here - {".interpviz/lock"}


def test_another_machine_goes_on_with_a_report_at_an_address(net, photos, memory, other_machine):
    folder, out = photos(6), "memory://bucket/site"
    build(net, folder, out, site=False)
    other_machine()
    assert build(net, folder, out, site=False).new == 0


def test_a_run_that_is_cut_off_goes_on_elsewhere(net, photos, memory, other_machine, monkeypatch):
    folder, out = photos(12), "memory://bucket/site"
    monkeypatch.setattr("interpviz.report.mirror._EVERY", 0.0)

    def cut(counts):
        if counts.explained >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(net, folder, out, batch_size=4, progress=cut, site=False)
    other_machine()
    # The last batch was not copied when the first machine went.
    assert build(net, folder, out, site=False).new == 8


def test_shards_and_pictures_that_are_no_longer_wanted_go(net, photos, memory):
    folder, out = photos(6), "memory://bucket/site"
    build(net, folder, out, site=False)
    memory.pipe_file("/bucket/site/data/records-007.js", b"old")
    next(folder.rglob("*.png")).unlink()
    build(net, folder, out, site=False)
    names = memory.find("/bucket/site")
    assert sum(name.endswith(".webp") for name in names) == 5
    assert not any(name.endswith("records-007.js") for name in names)


def test_an_address_with_other_files_is_not_written_to(net, photos, memory):
    memory.pipe_file("/bucket/site/index.html", b"mine")
    with pytest.raises(InputError, match="holds other files"):
        build(net, photos(2), "memory://bucket/site")
    assert memory.find("/bucket/site") == ["/bucket/site/index.html"]


def test_photos_in_a_folder_of_images_are_not_taken_for_a_report(net, photos, memory):
    memory.put(str(photos(3)), "/bucket/run/images", recursive=True)
    before = memory.find("/bucket/run")
    with pytest.raises(InputError, match="would lie among the images"):
        build(net, "memory://bucket/run/images", "memory://bucket/run", site=False)
    with pytest.raises(InputError, match="holds other files"):
        build(net, photos(3), "memory://bucket/run", site=False)
    assert memory.find("/bucket/run") == before


def test_images_in_a_report_at_an_address_are_refused(net, photos, memory):
    out = "memory://bucket/site"
    build(net, photos(3), out, site=False)
    memory.put(str(photos(3)), "/bucket/site/photos", recursive=True)
    inside = f"{out}/photos"
    for dataset in (inside, scan_remote(inside), out):
        with pytest.raises(InputError, match="would lie among the images"):
            build(net, dataset, out, site=False)
    # One beside it whose name begins alike is another one.
    memory.put(str(photos(3)), "/bucket/site-photos", recursive=True)
    assert build(net, "memory://bucket/site-photos", out, site=False).explained == 3


def test_a_report_below_its_images_at_an_address_is_not_taken_for_images(net, photos, memory):
    memory.put(str(photos(3)), "/bucket/photos", recursive=True)
    for _ in range(2):
        summary = build(net, "memory://bucket/photos", "memory://bucket/photos/site", site=False)
        assert summary.total == 3


def test_only_files_of_the_report_are_fetched_and_removed(net, photos, memory, other_machine):
    folder, out = photos(3), "memory://bucket/site"
    build(net, folder, out, site=False)
    kept = [f"images/mine/{KEY}.webp", "images/01/holiday.webp", f"images/02/{KEY}.webp"]
    kept += ["images/holiday.jpg", "data/records-mine.js", "data/records-7.js", "notes.txt"]
    gone = [f"images/01/{KEY}.webp", "data/records-007.js"]
    other_machine()
    for name in (*kept, *gone):
        memory.pipe_file(f"/bucket/site/{name}", b"x")
    moved = []
    inner = Mirror._move

    def move(self, how, names):
        moved.extend(names)
        inner(self, how, names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mirror, "_move", move)
        assert build(net, folder, out, site=False).new == 0
    assert all(memory.exists(f"/bucket/site/{name}") for name in kept)
    assert not any(memory.exists(f"/bucket/site/{name}") for name in gone)
    assert not {*kept} & {*moved}


def test_a_first_copy_that_is_cut_off_is_known_again(net, photos, memory, monkeypatch):
    folder, out, inner = photos(3), "memory://bucket/site", Mirror._move
    for last in range(4):
        memory.rm("/bucket", recursive=True) if memory.exists("/bucket") else None
        calls = []

        def move(self, how, names, calls=calls, last=last):
            if how == self._files.put and len(calls) >= last:
                raise KeyboardInterrupt
            calls.append(names)
            inner(self, how, names)

        monkeypatch.setattr(Mirror, "_move", move)
        with pytest.raises(KeyboardInterrupt):
            build(net, folder, out, site=False)
        monkeypatch.setattr(Mirror, "_move", inner)
        assert build(net, folder, out, site=False).explained == 3
        assert sum(name.endswith(".webp") for name in memory.find("/bucket/site")) == 3


def test_two_processes_do_not_write_to_one_address(net, photos, memory):
    from interpviz.report.mirror import mirrored

    with mirrored("memory://bucket/site"), pytest.raises(InputError, match="Another process"):
        build(net, photos(2), "memory://bucket/site")


def test_an_address_that_refuses_is_said_in_one_sentence(net, photos, memory, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("Access denied")

    with pytest.raises(InputError, match="cannot be reached"):
        build(net, "nothing://bucket", "memory://bucket/site")
    with pytest.raises(InputError, match="memory://empty cannot be listed"):
        build(net, "memory://empty", "memory://bucket/site")
    monkeypatch.setattr(type(memory), "put", refuse)
    with pytest.raises(InputError, match=r"cannot be copied to memory.* .Access denied"):
        build(net, photos(2), "memory://bucket/site", site=False)


def test_copies_take_a_share_of_the_time(memory, tmp_path, monkeypatch):
    copies = []
    monkeypatch.setattr(Mirror, "copy", lambda self: copies.append(None))
    mirror = Mirror("memory://bucket/site")
    mirror.copy_if_due()
    assert not copies
    mirror._due = 0.0
    mirror.copy_if_due()
    mirror.copy_if_due()
    assert len(copies) == 1
