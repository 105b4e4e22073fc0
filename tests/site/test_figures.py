"""Figures on light and dark paper: colours, descriptions, sizes, bytes."""

from __future__ import annotations

import html
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from markdown import markdown as render
from matplotlib.colors import to_hex
from PIL import Image


@pytest.fixture(autouse=True)
def styled():
    import palette

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.use("Agg")
        mpl.rcParams.update(palette.style())
        yield
    plt.close("all")


@pytest.fixture
def example(tmp_path):
    from layout import Example

    source = tmp_path / "gallery" / "cam" / "plot_x.py"
    source.parent.mkdir(parents=True)
    source.write_text('"""\n# Title\n\nWith `code`. More.\n"""\n')
    return Example(source, tmp_path / "generated" / "cam")


def rich_figure():
    """A figure with every part that carries a colour of the page."""
    figure, axes = plt.subplots(1, 2, figsize=(5, 2.5), layout="constrained")
    axes[0].plot([0, 1], [0, 1], color="#d1762a", label="data")
    axes[0].legend(title="legend")
    axes[0].annotate("here", (0.5, 0.5), (0.2, 0.8), arrowprops={"arrowstyle": "->"})
    axes[0].set_xlabel("x")
    axes[0].grid(visible=True)
    image = axes[1].imshow(np.arange(4).reshape(2, 2))
    axes[1].text(0, 0, "on data", color="white")
    figure.colorbar(image, ax=axes[1], label="value")
    figure.suptitle("Everything")
    return figure


def test_dark_exchanges_the_colours_of_the_page_and_no_others():
    import palette

    figure = rich_figure()
    figure.draw_without_rendering()
    left, right, bar = figure.axes
    with palette.dark(figure):
        paper, ink, line = (palette.DARK[c] for c in (palette.PAPER, palette.INK, palette.LINE))
        assert to_hex(figure.get_facecolor()) == paper
        assert to_hex(left.get_facecolor()) == paper
        assert to_hex(left.get_legend().get_frame().get_facecolor()) == paper
        texts = [
            left.xaxis.label,
            left.get_xticklabels()[0],
            left.get_legend().get_texts()[0],
            left.get_legend().get_title(),
            left.texts[0],
            bar.yaxis.label,
            figure._suptitle,
        ]
        assert {to_hex(text.get_color()) for text in texts} == {ink}
        assert to_hex(left.spines["left"].get_edgecolor()) == line
        assert to_hex(bar.spines["outline"].get_edgecolor()) == line
        assert to_hex(left.xaxis.get_ticklines()[0].get_color()) == line
        # What carries data stays.
        assert left.lines[0].get_color() == "#d1762a"
        assert right.texts[0].get_color() == "white"
    assert to_hex(figure.get_facecolor()) == palette.PAPER
    assert to_hex(left.xaxis.label.get_color()) == palette.INK


def test_no_light_colour_of_the_page_is_left_in_a_dark_picture(example):
    import figures
    import palette

    figures.write(rich_figure(), example, 1)
    dark = np.asarray(Image.open(example.figure(1, "dark")).convert("RGB")).reshape(-1, 3)
    light = np.asarray(Image.open(example.figure(1, "light")).convert("RGB")).reshape(-1, 3)

    def share(pixels, colour):
        rgb = np.array([round(255 * c) for c in mpl.colors.to_rgb(colour)])
        return float((np.abs(pixels.astype(int) - rgb).max(axis=1) == 0).mean())

    assert share(light, palette.PAPER) > 0.4
    assert share(dark, palette.PAPER) == 0
    assert share(dark, palette.DARK[palette.PAPER]) > 0.4


def test_dark_puts_back_what_it_changed_after_an_exception():
    import palette

    figure = rich_figure()
    with pytest.raises(KeyError), palette.dark(figure):
        raise KeyError
    assert to_hex(figure.get_facecolor()) == palette.PAPER


@pytest.mark.parametrize("colour", ["none", "auto", None, "#ffffff", (0.1, 0.2, 0.3)])
def test_other_colours_are_left_alone(colour):
    import palette

    assert palette.swapped(colour) is None


def test_arrays_of_colours_change_row_by_row_and_keep_their_alpha():
    import palette

    rows = np.array([[*mpl.colors.to_rgb(palette.INK), 0.5], [1, 0, 0, 1]])
    after = palette.swapped(rows)
    assert to_hex(after[0]) == palette.DARK[palette.INK]
    assert after[0][3] == 0.5
    assert after[1].tolist() == [1, 0, 0, 1]


def test_both_pictures_are_lossless_and_of_one_size(example):
    import figures

    record = figures.write(rich_figure(), example, 1)
    sizes = set()
    for scheme in ("light", "dark"):
        path = example.figure(1, scheme)
        # "VP8L" is the lossless kind of WebP.
        assert path.read_bytes()[12:16] == b"VP8L"
        with Image.open(path) as picture:
            sizes.add(picture.size)
    (width, height), *others = sizes
    assert not others
    assert record.width == pytest.approx(width / 2, abs=1)
    assert record.height == pytest.approx(height / 2, abs=1)


def test_the_same_figure_gives_the_same_bytes(example):
    import figures

    made = []
    for _ in range(2):
        figures.write(rich_figure(), example, 1)
        made.append([example.figure(1, scheme).read_bytes() for scheme in ("light", "dark")])
        plt.close("all")
    assert made[0] == made[1]


def test_description_is_the_label_else_the_titles():
    import figures

    figure = rich_figure()
    assert figures.description(figure) == "Everything"
    figure.axes[0].set_title("Left")
    assert figures.description(figure) == "Everything; Left"
    figure.set_label("Two panels,\n   side by side.")
    assert figures.description(figure) == "Two panels, side by side."


def test_a_figure_that_says_nothing_is_an_error(example):
    import figures
    from layout import GalleryError

    figure, _ = plt.subplots()
    with pytest.raises(GalleryError, match=r"Figure 2 of cam/plot_x has no description"):
        figures.write(figure, example, 2)


def test_descriptions_survive_markdown(example):
    import figures
    from records import FigureRecord

    alt = 'From "[CLS]" to <s>, ##ing * _x_ & 0.5 (100 %) {a} `b` \\ #1 -> |y|'
    text = figures.markdown(example, FigureRecord(1, alt, 10, 5))
    shown = render(text, extensions=["attr_list", "md_in_html"])
    found = re.findall(r'<img alt="([^"]*)"', shown)
    assert [html.unescape(words) for words in found] == [alt, alt]


def test_only_the_first_light_picture_loads_at_once(example):
    import figures
    from records import FigureRecord

    first = figures.markdown(example, FigureRecord(1, "a", 10, 5)).split("\n")
    assert "lazy" not in next(line for line in first if "only-light" in line)
    assert "lazy" in next(line for line in first if "only-dark" in line)
    assert figures.markdown(example, FigureRecord(2, "a", 10, 5)).count("lazy") == 2


def test_cards_are_small_pictures_of_the_chosen_figure(example):
    import figures
    import records
    import thumbnails

    made = [figures.write(rich_figure(), example, number) for number in (1, 2)]
    records.save(example.record, made)
    assert thumbnails.make(example) == made[0]
    for scheme in ("light", "dark"):
        with Image.open(example.thumbnail(scheme)) as picture:
            assert picture.size == (3 * thumbnails.WIDTH // 2, 3 * thumbnails.HEIGHT // 2)
            assert picture.format == "WEBP"


def test_titles_and_summaries_are_plain_text(example):
    assert example.title == "Title"
    assert example.summary == "With code. More."
    from layout import opening, plain

    assert opening("Of 0.5 and more? Yes. No.", 21) == "Of 0.5 and more? Yes."
    assert opening("A long first sentence. Yes.", 3) == "A long first sentence."
    assert plain("[`GradCAM`][interpviz.cam.GradCAM] is **bold**, snake_case") == (
        "GradCAM is bold, snake_case"
    )


def test_a_figure_has_a_copy_with_fewer_bytes(example):
    import figures
    import records
    import thumbnails

    figure = rich_figure()
    figure.set_size_inches(9, 3)
    figure.axes[1].imshow(np.random.default_rng(0).random((300, 300, 3)))
    record = figures.write(figure, example, 1)
    records.save(example.record, [record])
    thumbnails.make(example)
    for scheme in ("light", "dark"):
        small, whole = example.small_figure(1, scheme), example.figure(1, scheme)
        assert small in set(example.made())
        assert small.stat().st_size < 0.3 * whole.stat().st_size
        with Image.open(small) as picture:
            assert picture.width == thumbnails.COPY_WIDTH
            assert picture.width / picture.height == pytest.approx(
                record.width / record.height, rel=0.01
            )


def test_no_copy_takes_more_bytes_than_the_figure(example):
    import figures
    import records
    import thumbnails

    figure, axes = plt.subplots(figsize=(9, 9))
    axes.imshow(np.indices((30, 30)).sum(0) % 2, cmap="gray")
    axes.set_title("a checkerboard")
    records.save(example.record, [figures.write(figure, example, 1)])
    thumbnails.make(example)
    small, whole = example.small_figure(1, "light"), example.figure(1, "light")
    assert small.read_bytes() == whole.read_bytes()


def test_pages_have_the_sites_head_and_show_output_as_it_was(example):
    import pages

    raw = """
<!--
 DO NOT EDIT.
 SOMETHING
-->

!!! note

    Click [here](#download_links)
    to download the full example code

# Title

```{.python }

x = 1


y = 2

```

Out:
{: .mkd-glr-script-out }

```{.shell .mkd-glr-script-out-disp }
0%\r50%\r100% done
x ``` y

```

**Total running time of the script:** ( 1 minutes  6.000 seconds)

<div id="download_links"></div>
"""
    text = pages.finished(raw, example)
    assert text.startswith('---\ndescription: "With code. More."\n---')
    assert "x = 1\n\n\ny = 2\n```" in text
    assert '```` { .text .no-copy .iv-out title="Out" }\n100% done\nx ``` y\n````\n' in text
    assert "DO NOT EDIT" not in text
    assert "running time" not in text
    assert text.endswith(f"\n{pages.END}\n")
    assert pages.finished(text, example) == text


def test_pages_are_repaired_for_keyboards_and_screen_readers():
    from accessibility import repair

    page = '<div data-md-component="search" role="dialog"><pre class="a"><pre tabindex="0">'
    assert repair(page) == (
        '<div data-md-component="search" role="dialog" aria-label="Search">'
        '<pre tabindex="0" class="a"><pre tabindex="0">'
    )
