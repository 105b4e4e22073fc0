import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from interpviz.cli.app import app
from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.decode import decode
from interpviz.report.sources import scan_folder

TURNS = [lambda a: a, np.fliplr, lambda a: np.rot90(a, 2), np.flipud]
TURNS += [lambda a: a.transpose(1, 0, 2), lambda a: np.rot90(a, -1)]
TURNS += [lambda a: np.rot90(a, 2).transpose(1, 0, 2), lambda a: np.rot90(a, 1)]


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def odd_but_sound(noise: Image.Image, other: Image.Image) -> dict[str, bytes]:
    """Pictures of unusual kinds that can be shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = noise.copy()
    clear.putalpha(Image.linear_gradient("L").resize(noise.size))
    wide = Image.fromarray(np.asarray(noise.convert("L")).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [other]}
    found = {
        "cmyk.jpg": saved(noise.convert("CMYK"), "JPEG"),
        "sixteen.png": saved(wide, "PNG"),
        "sixteen.tif": saved(wide, "TIFF"),
        "float.tif": saved(Image.fromarray(np.asarray(noise.convert("F")) / 255), "TIFF"),
        "clear.png": saved(clear, "PNG"),
        "grey-clear.png": saved(clear.convert("LA"), "PNG"),
        "palette.png": saved(noise.quantize(16), "PNG"),
        "palette-clear.png": saved(noise.quantize(16), "PNG", transparency=3),
        "bits.png": saved(noise.convert("1"), "PNG"),
        "moving.gif": saved(noise, "GIF", **frames),
        "moving.webp": saved(noise, "WEBP", **frames),
        "moving.png": saved(noise, "PNG", **frames),
        "pages.tiff": saved(noise, "TIFF", **frames),
        "turned.jpg": saved(noise, "JPEG", exif=exif),
        "turned.png": saved(noise, "PNG", exif=exif),
        "turned.tif": saved(noise, "TIFF", exif=exif),
        "progressive.jpg": saved(noise, "JPEG", progressive=True),
        "damaged-exif.jpg": saved(noise, "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff"),
        "LOUD.JPG": saved(noise, "JPEG"),
        "two words.bmp": saved(noise, "BMP"),
        "</script><script>alert(1)</script>.png".replace("/", "∕"): saved(noise, "PNG"),
        "naïve ☃.ppm": saved(noise, "PPM"),
        "line\nbreak.png": saved(other, "PNG"),
        "many.ico": saved(noise, "ICO", sizes=[(16, 16), (32, 32)]),
    }
    return found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and links need a POSIX system")
def test_hostile_files_are_listed_and_stop_nothing(net, photos, tmp_path, draw, data, hostile):
    odd = odd_but_sound(draw(500), draw(501))
    folder = photos(200 - len(odd) - 1)
    for name, content in odd.items():
        (folder / "plum" / name).write_bytes(content)
    (folder / "pear" / os.fsdecode(b"caf\xe9.png")).write_bytes(saved(draw(502), "PNG"))
    (folder / "plum" / "notes.txt").write_text("no image by its name")
    (folder / "plum" / ".hidden.png").write_text("hidden")
    written = hostile.write_hostile(folder / "pear", draw(503))
    assert len(written) == 40

    call = ["report", "--model", net, "--images", str(folder), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*call, "--json"])

    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert (told["total"], told["explained"], told["new"]) == (240, 200, 200)
    reasons = {entry["image"]: entry["reason"] for entry in told["failed"]}
    assert set(reasons) == {f"pear/{name}" for name in written}
    assert all(0 < len(reason) < 200 and "\n" not in reason for reason in reasons.values())
    assert "first of 2 frames" in str(data(tmp_path / "out").records)
    state = data(tmp_path / "out").column("state", np.uint8)
    assert (len(state), int(state.sum())) == (240, 40)
    assert CliRunner().invoke(app, call).exit_code == 1


def test_odd_pictures_are_read_as_what_they_show(draw):
    noise = draw(1, (30, 20))
    shown = np.asarray(noise, int)
    grey = np.asarray(noise.convert("L"), int)[..., None].repeat(3, 2)
    odd = odd_but_sound(noise, draw(2, (30, 20)))
    expected = {"sixteen.png": grey, "sixteen.tif": grey, "float.tif": grey}
    expected |= {name: np.rot90(shown, -1) for name in ("turned.png", "turned.tif")}
    expected |= dict.fromkeys(("moving.png", "pages.tiff", "two words.bmp"), shown)
    for name, pixels in expected.items():
        picture, _ = decode(odd[name])
        assert picture.mode == "RGB"
        assert np.abs(np.asarray(picture, int) - pixels).max() <= 1, name
    alpha = np.asarray(Image.linear_gradient("L").resize(noise.size), float)[..., None] / 255
    on_white = shown * alpha + 255 * (1 - alpha)
    assert np.abs(np.asarray(decode(odd["clear.png"])[0], int) - on_white).max() <= 2
    assert np.abs(np.asarray(decode(odd["cmyk.jpg"])[0], int) - shown).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_all_eight_turns_of_exif(draw, kind, orientation):
    noise = draw(3, (12, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    picture, _ = decode(saved(noise, kind, exif=exif, **options))
    expected = TURNS[orientation - 1](np.asarray(noise))
    assert np.array_equal(np.asarray(picture), expected)
    # Who reads the picture next must not turn it again.
    assert picture.getexif().get(0x0112, 1) == 1
    again = io.BytesIO()
    picture.save(again, "PNG")
    assert np.array_equal(np.asarray(decode(again.getvalue())[0]), expected)


def test_large_photos_are_decoded_at_a_share_of_their_size():
    picture, notes = decode(saved(Image.new("L", (9000, 8000), 77), "JPEG"))
    assert picture.size == (4500, 4000)
    assert notes == ["decoded at 4500 x 4000"]


@pytest.fixture
def locked(monkeypatch):
    """Makes folders of some names ones that the system does not list."""
    names, inner = set(), os.scandir

    def scandir(path):
        if Path(path).name in names:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return inner(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return names


def test_folders_that_cannot_be_read_are_listed(net, photos, tmp_path, locked):
    folder = photos(6)
    (folder / "pear" / "deep" / "locked").mkdir(parents=True)
    locked |= {"plum", "locked"}
    summary = build(net, folder, tmp_path / "out", site=False)
    assert (summary.total, summary.explained) == (6, 4)
    reason = "a folder that cannot be read: Permission denied"
    assert summary.failures == [("pear/deep/locked", reason), ("plum", reason)]
    assert scan_folder(folder).labels == ["apple", "pear"]
    locked.clear()
    assert build(net, folder, tmp_path / "out", site=False).failures == []
    locked.add("photos")
    with pytest.raises(InputError, match=r"no images below .*cannot be read: Permission denied"):
        build(net, folder, tmp_path / "out", site=False)


def test_linked_folders_are_followed_once(photos, tmp_path):
    folder = photos(3)
    (folder / "apple" / "up").symlink_to(folder)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "elsewhere" / "x.png")
    assert sorted(scan_folder(folder).paths) == [
        "apple/0000.png",
        "linked/x.png",
        "pear/0001.png",
        "plum/0002.png",
    ]
