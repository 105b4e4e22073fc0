import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.render.animation import animation_html, animation_writer, write_animation
from interpviz.render.filmstrip import film_strip, shown_frames

T, H, W = 13, 32, 48
LABEL = 'a <b> & a "c"'


def film(height=H, width=W, count=T):
    """A smooth picture whose blue grows with time, so that every frame has its own colours."""
    rows, columns = np.mgrid[:height, :width]
    pictures = [
        np.stack([columns * 5, rows * 7, np.full((height, width), 19 * t)], -1)
        for t in range(count)
    ]
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


def rgb(picture):
    """RGB by the equations of BT.709 with studio range; FFmpeg's own way back is off by more."""
    height, width = picture.height, picture.width
    y, u, v = (np.frombuffer(p, np.uint8).reshape(-1, p.line_size) for p in picture.planes)
    y = (y[:height, :width].astype(float) - 16) / 219
    blue, red = (
        c[: height // 2, : width // 2].repeat(2, 0).repeat(2, 1).astype(float) / 224 - 128 / 224
        for c in (u, v)
    )
    r, b = y + 1.5748 * red, y + 1.8556 * blue
    return 255 * np.stack([r, (y - 0.2126 * r - 0.0722 * b) / 0.7152, b], -1).clip(0, 1)


def decoded(path):
    """The frames of an MP4 in RGB with their times, and what the file says of itself."""
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        pictures = list(file.decode(stream))
        about = {
            "codec": stream.codec_context.name,
            "pixels": stream.codec_context.pix_fmt,
            "matrix": stream.codec_context.colorspace,
            "transfer": stream.codec_context.color_trc,
            "range": stream.codec_context.color_range,
            "seconds": float(stream.duration * stream.time_base),
        }
        return np.stack([rgb(p) for p in pictures]), [p.time for p in pictures], about


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="PyAV is not installed")


@pytest.mark.usefixtures("av")
class TestMP4:
    @pytest.mark.parametrize("fps", [10, 7.5, 29.97])
    def test_frames_times_and_kind(self, tmp_path, fps):
        path = write_animation(tmp_path / "film.mp4", film(), fps)
        pictures, times, about = decoded(path)
        assert pictures.shape == (T, H, W, 3)
        np.testing.assert_allclose(times, np.arange(T) / fps, atol=1e-3)
        assert about["seconds"] == pytest.approx(T / fps, abs=1e-3)
        # Of ITU-T H.273: BT.709 is 1 and the curve of sRGB 13.
        assert (about["codec"], about["pixels"]) == ("h264", "yuv420p")
        assert (about["matrix"], about["transfer"]) == (1, 13)

    def test_colours(self, tmp_path):
        frames = film()
        pictures, _, _ = decoded(write_animation(tmp_path / "film.mp4", frames))
        wrong = np.abs(pictures - frames)
        assert wrong.mean() < 2.5
        assert wrong.max() < 16
        # Neither red and blue nor two frames are taken for each other.
        assert np.abs(pictures[..., ::-1] - frames).mean() > 20
        assert np.abs(pictures[1:] - frames[:-1]).mean() > 5

    @pytest.mark.parametrize(("height", "width"), [(31, 45), (32, 45), (31, 48), (1, 1)])
    def test_odd_sides_grow_by_their_edge(self, tmp_path, height, width):
        frames = film(height, width)
        pictures, _, _ = decoded(write_animation(tmp_path / "film.mp4", frames))
        even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        assert pictures.shape == even.shape
        assert np.abs(pictures - even).mean() < 3.5

    def test_the_index_stands_in_front(self, tmp_path):
        boxes, data = [], write_animation(tmp_path / "film.mp4", film()).read_bytes()
        while data:
            boxes.append(data[4:8])
            data = data[int.from_bytes(data[:4], "big") :]
        assert boxes.index(b"moov") < boxes.index(b"mdat")

    def test_the_same_frames_give_the_same_bytes(self, tmp_path):
        paths = [write_animation(tmp_path / name, film()) for name in ("a.mp4", "b.mp4")]
        assert paths[0].read_bytes() == paths[1].read_bytes()

    def test_a_single_frame_has_its_time(self, tmp_path):
        pictures, _, about = decoded(write_animation(tmp_path / "film.mp4", film(count=1), 2))
        assert len(pictures) == 1
        assert about["seconds"] == pytest.approx(0.5)


@pytest.mark.parametrize(("suffix", "unit"), [("webp", 1), ("gif", 10)])
@pytest.mark.parametrize("fps", [10, 7.5])
def test_pictures_that_move(tmp_path, suffix, unit, fps):
    frames = film()
    # The file ends with what it is, in upper case too.
    path = write_animation(tmp_path / f"film.{suffix.upper()}", frames, fps)
    with Image.open(path) as picture:
        assert (picture.format, picture.n_frames) == (suffix.upper(), T)
        assert picture.info["loop"] == 0
        found, durations = [], []
        for index in range(T):
            picture.seek(index)
            found.append(np.asarray(picture.convert("RGB")))
            durations.append(picture.info["duration"])
    ends = np.cumsum(durations)
    np.testing.assert_allclose(ends, (np.arange(T) + 1) * 1000 / fps, atol=unit / 2)
    assert np.abs(np.stack(found).astype(int) - frames).mean() < 4


def test_frames_shorter_than_the_unit_are_not_lost(tmp_path):
    with Image.open(write_animation(tmp_path / "film.gif", film(), 1000)) as picture:
        assert picture.n_frames == T


@pytest.mark.parametrize("suffix", ["mp4", "webp", "gif"])
@pytest.mark.parametrize("old", [None, b"as it was"])
def test_an_exception_leaves_what_was_there(tmp_path, suffix, old, monkeypatch):
    if suffix == "mp4":
        pytest.importorskip("av")
    path = tmp_path / f"film.{suffix}"
    if old:
        path.write_bytes(old)
    calls = []

    def broken(*args, **kwargs):
        calls.append(len(list(tmp_path.glob(".partial-*"))))
        raise KeyboardInterrupt

    # The first step of the one, and the last of the others.
    monkeypatch.setattr(np, "pad", broken)
    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        write_animation(path, film())
    assert calls == [1]
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if old else [])
    assert not old or path.read_bytes() == old


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "film.webp"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        assert write_animation(str(path), film()) == path
        # Who still reads the old one is not disturbed: the new one is moved into its place.
        assert reader.read() == b"old"
    assert path.read_bytes()[:4] == b"RIFF"
    assert [p.name for p in tmp_path.iterdir()] == ["film.webp"]


@pytest.mark.parametrize(
    ("name", "frames", "fps", "message"),
    [
        ("film.avi", film(), 10, r"'film.avi'.*\.mp4, \.webp, \.gif"),
        ("film", film(), 10, "'film'"),
        ("no/film.webp", film(), 10, "There is no folder '.*no'"),
        ("film.webp", film() / 255, 10, r"float64 \(13, 32, 48, 3\)"),
        ("film.webp", film()[0], 10, r"uint8 \(32, 48, 3\)"),
        ("film.webp", film()[..., :1], 10, r"\(13, 32, 48, 1\)"),
        ("film.webp", film()[:0], 10, r"\(0, 32, 48, 3\)"),
        ("film.webp", list(film()), 10, "are list"),
        ("film.webp", film(), 0, "fps is 0"),
        ("film.webp", film(), float("nan"), "fps is nan"),
        ("film.webp", film(), float("inf"), "fps is inf"),
    ],
)
def test_wrong_input(tmp_path, name, frames, fps, message):
    with pytest.raises(InputError, match=message):
        write_animation(tmp_path / name, frames, fps)
    assert not list(tmp_path.iterdir())


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "interpviz\[video\]", or write \.webp'):
        animation_writer(tmp_path / "film.mp4")
    write_animation(tmp_path / "film.webp", film())
    view = animation_html(film(), 10, LABEL)
    # A closed fold: a picture that moves by itself could not be stopped.
    assert view.startswith("<details><summary>")
    assert '<img src="data:image/webp;base64,' in view
    assert 'alt="a &lt;b&gt; &amp; a &quot;c&quot;"' in view


def test_the_view_waits_for_the_reader_and_escapes(av):
    view = animation_html(film(31, 45), 10, LABEL)
    tag = view[: view.index(">")]
    assert tag.startswith("<video ")
    assert {"controls", "muted", "loop", "playsinline"} <= set(tag.split())
    assert "autoplay" not in view
    assert 'aria-label="a &lt;b&gt; &amp; a &quot;c&quot;"' in tag
    assert 'width="46" height="32"' in tag
    assert "<b>" not in view


def test_a_browser_plays_it(av):
    sys.path.append(str(Path(__file__).parents[1] / "site"))
    try:
        from browser import chromium, launch
    finally:
        sys.path.pop()
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    frames = film()
    # The script plays the part of the reader's finger; a slow machine paints late.
    script = """async () => {
        const wait = ms => new Promise(go => setTimeout(go, ms));
        const until = async done => { for (let i = 0; i < 200 && !done(); i++) await wait(50); };
        const video = document.querySelector("video");
        const canvas = document.createElement("canvas");
        const pen = canvas.getContext("2d", { willReadFrequently: true });
        const pixels = () => {
            [canvas.width, canvas.height] = [video.videoWidth || 1, video.videoHeight || 1];
            pen.drawImage(video, 0, 0);
            return Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data);
        };
        await until(() => video.readyState >= 2 || video.error);
        const still = video.paused && video.currentTime === 0;
        video.currentTime = 0.55;
        await until(() => !video.seeking && pixels()[2] > 0);
        const sixth = pixels();
        video.currentTime = 0;
        await video.play();
        await until(() => video.currentTime > 0.2);
        const played = video.currentTime;
        return { still, sixth, played, width: canvas.width, seconds: video.duration };
    }"""
    with launch() as browser:
        page = browser.new_page()
        page.set_content(animation_html(frames, 10, "a film"))
        found = page.evaluate(script)
    assert found["still"]
    assert found["played"] > 0.2
    assert found["width"] == W
    assert found["seconds"] == pytest.approx(T / 10, abs=0.01)
    shown = np.array(found["sixth"]).reshape(H, W, 4)[..., :3]
    wrong = [np.abs(shown - frame).mean() for frame in frames]
    assert np.argmin(wrong) == 5
    assert wrong[5] < 5


class TestFilmStrip:
    def test_it_shows_the_frames_and_the_numbers(self):
        frames, values = film(), np.linspace(0, 1, T).tolist()
        labels = [f"frame {i}" for i in range(T)]
        figure = film_strip(frames, 4, {"rising": values}, columns=4, labels=labels)
        *pictures, curve = figure.axes
        assert shown_frames(T, 4) == [0, 4, 8, 12]
        for ax, index in zip(pictures, [0, 4, 8, 12], strict=True):
            np.testing.assert_array_equal(ax.images[0].get_array(), frames[index])
            assert ax.get_title() == f"{index / 4:.1f} s\nframe {index}"
        line = curve.lines[0]
        np.testing.assert_allclose(line.get_xdata(), np.arange(T) / 4)
        np.testing.assert_allclose(line.get_ydata(), values)
        assert line.get_label() == "rising"

    def test_names_are_no_formulas(self):
        labels = ["$a_$"] * T
        figure = film_strip(film(), 4, {"$b_$": [0] * T}, labels=labels)
        # A formula with nothing behind its underscore could not be drawn.
        figure.draw_without_rendering()
        *pictures, curve = figure.axes
        assert all(ax.get_title().endswith("$a_$") for ax in pictures)
        assert curve.lines[0].get_label() == "$b_$"

    def test_a_short_film_has_fewer_columns(self):
        assert len(film_strip(film(count=2), 4, {"a": [0, 1]}, columns=6).axes) == 3
        assert shown_frames(1, 6) == [0]

    @pytest.mark.parametrize(
        ("columns", "values", "labels"),
        [(0, [0] * T, None), (3, [0], None), (3, [0] * T, ["one"])],
    )
    def test_wrong_input(self, columns, values, labels):
        with pytest.raises(InputError, match=f"strip of {columns} columns"):
            film_strip(film(), 10, {"a": values}, columns=columns, labels=labels)
