"""Images and reports at addresses that fsspec reaches."""

import zipfile

import fsspec
import pytest

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.mirror import Mirror


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
    for page in ("index.html", "image/index.html"):
        assert (tmp_path / "fetched" / page).exists() == (tmp_path / "here" / page).exists()


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
