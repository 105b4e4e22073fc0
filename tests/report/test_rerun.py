import errno
import json
import os

import pytest
from PIL import Image
from torchvision.transforms import functional

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.decode import UndecodableError
from interpviz.report.store import opened
from interpviz.zoo.external import find_model


def test_a_second_run_does_nothing(net, photos, tmp_path, data):
    folder, out = photos(9), tmp_path / "out"
    assert build(net, folder, out).new == 9
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.rglob("*.webp")}
    scripts = {p: p.read_bytes() for p in out.glob("data/*.js")}
    assert build(net, folder, out).new == 0
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.rglob("*.webp")}
    assert scripts == {p: p.read_bytes() for p in out.glob("data/*.js")}


def test_only_what_changed_is_explained_anew(net, photos, tmp_path, data, draw, assert_same):
    folder, out = photos(9), tmp_path / "out"
    build(net, folder, out)
    draw(77).save(folder / "apple" / "0003.png")
    (folder / "pear" / "0004.png").unlink()
    draw(78).save(folder / "plum" / "new.png")
    os.utime(folder / "plum" / "0005.png")
    assert build(net, folder, out).new == 2
    assert build(net, folder, out).new == 0
    build(net, folder, tmp_path / "fresh")
    assert_same(data(out), data(tmp_path / "fresh"))


def test_other_options_and_weights_explain_all_anew(net, photos, tmp_path):
    folder, out = photos(3), tmp_path / "out"
    build(net, folder, out)
    assert build(net, folder, out, top=1).new == 3
    assert build(net, folder, out, methods=["layercam"], top=1).new == 3
    loaded = find_model(net, device="cpu")
    loaded.model.head.bias.data += 1
    assert build(loaded, folder, out, methods=["layercam"], top=1).new == 3


def test_a_lost_or_cut_picture_is_made_again(net, photos, tmp_path, data):
    folder, out = photos(5), tmp_path / "out"
    build(net, folder, out)
    first, second, *_ = sorted(out.glob("images/*/*"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:20])
    # The model's results are still there, so it is not asked again.
    assert build(net, folder, out).new == 0
    found = data(out)
    assert all(found.picture(r).stat().st_size == r["picture"] for r in found.records)


def test_a_failure_is_remembered_until_the_file_changes(net, photos, tmp_path, draw):
    folder, out = photos(3), tmp_path / "out"
    broken = folder / "apple" / "broken.png"
    broken.write_bytes(b"no picture")
    assert len(build(net, folder, out).failures) == 1
    again = build(net, folder, out)
    assert (again.new, len(again.failures)) == (0, 1)
    draw(9).save(broken)
    mended = build(net, folder, out)
    assert (mended.new, mended.failures) == (1, [])


def test_a_read_that_fails_in_passing_is_not_remembered(net, photos, tmp_path, monkeypatch):
    folder, out = photos(3), tmp_path / "out"
    build(net, folder, out, site=False)
    next(out.glob("images/*/*.webp")).unlink()
    with monkeypatch.context() as patch:

        def fail(path):
            raise UndecodableError("cannot be read: Input/output error")

        patch.setattr("interpviz.report.sources.read_file", fail)
        hurt = build(net, folder, out, site=False)
    assert [reason for _, reason in hurt.failures] == ["cannot be read: Input/output error"]
    assert build(net, folder, out, site=False).failures == []


def test_memory_that_runs_out_is_not_remembered(net, photos, tmp_path, monkeypatch):
    folder, out = photos(3), tmp_path / "out"
    with monkeypatch.context() as patch:

        def fail(opened):
            raise MemoryError

        patch.setattr("interpviz.report.decode.upright", fail)
        hurt = build(net, folder, out, site=False)
    assert {reason for _, reason in hurt.failures} == {"too large for the memory"}
    assert build(net, folder, out, site=False).explained == 3


def test_two_processes_do_not_write_to_one_report(net, photos, tmp_path):
    folder, out = photos(3), tmp_path / "out"
    with opened(out), pytest.raises(InputError, match="Another process"):
        build(net, folder, out)


def test_memory_does_not_grow_with_the_number_of_images(net, tmp_path, draw, monkeypatch):
    import weakref

    from interpviz.report.prepare import Preparer

    alive, most = weakref.WeakSet(), []
    inner = Preparer.__call__

    def counted(self, index):
        done = inner(self, index)
        if done.tensor is not None:
            alive.add(done.tensor)
        most[-1] = max(most[-1], len(alive))
        return done

    monkeypatch.setattr(Preparer, "__call__", counted)
    for count in (30, 120):
        most.append(0)
        pictures = [draw(seed) for seed in range(count)]
        build(net, pictures, tmp_path / str(count), batch_size=4, workers=2)
    assert max(most) <= 2 * 4 + 2 + 4 + 1
    assert most[1] <= most[0] + 2


def test_a_preprocessing_of_ones_own_is_known_again_by_its_name(net, photos, tmp_path):
    model, folder, out = find_model(net, device="cpu").model, photos(3), tmp_path / "out"

    def transforms():
        def shrink(image):
            return functional.to_tensor(image.resize((32, 32)))

        return shrink

    build((model, transforms()), folder, out)
    assert build((model, transforms()), folder, out).new == 0


@pytest.mark.parametrize("left", [0, 4096, 12288, 40960])
def test_a_disk_that_is_full_stops_the_run_and_the_next_goes_on(
    net, photos, data, small_disk, assert_same, left
):
    folder, out = photos(6), small_disk.path / "out"
    build(net, folder, out, site=False)
    photos(30)
    small_disk.fill(left)
    with pytest.raises(InputError) as raised:
        build(net, folder, out, batch_size=4, workers=2, site=False)
    assert str(raised.value) == (
        f"The report cannot be written to {out} (No space left on device): mend that and run it "
        "again, and it goes on where it was."
    )
    # What the earlier run wrote is whole.
    earlier = data(out)
    assert len(earlier.records) == 6
    for record in earlier.records:
        Image.open(earlier.picture(record)).load()
    small_disk.free()
    summary = build(net, folder, out, site=False)
    assert (summary.explained, summary.failures) == (30, [])
    assert summary.new <= 24
    build(net, folder, small_disk.path / "fresh", site=False)
    assert_same(data(out), data(small_disk.path / "fresh"))


def test_pages_that_a_full_disk_cut_off_are_written_by_the_next_run(net, photos, data, small_disk):
    folder, out = photos(3), small_disk.path / "out"
    small_disk.fill(left=100_000)
    with pytest.raises(InputError, match=r"cannot be written .*No space left on device"):
        build(net, folder, out)
    assert len(data(out).records) == 3
    small_disk.free()
    assert build(net, folder, out).new == 0
    sizes = json.loads((out / ".interpviz/shell.json").read_text())["files"]
    assert {name: (out / name).stat().st_size for name in sizes} == sizes


def test_a_full_disk_stops_the_run_and_the_next_goes_on(net, photos, tmp_path, monkeypatch):
    from interpviz.report.store import Store

    folder, out, whole = photos(12), tmp_path / "out", Store.put_picture
    written = []

    def full(self, key, data):
        written.append(key)
        if len(written) > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, key, data)

    monkeypatch.setattr(Store, "put_picture", full)
    with pytest.raises(InputError, match="No space left on device"):
        build(net, folder, out, batch_size=4, workers=1)
    monkeypatch.setattr(Store, "put_picture", whole)
    summary = build(net, folder, out)
    assert (summary.explained, summary.new) == (12, 4)
