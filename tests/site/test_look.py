"""One accent, one type scale, even colour maps: in the style sheets, pictures and figures."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest

from interpviz.render.style import ATTENTION_CMAP, MAP_CMAP

DOCS = Path(__file__).parents[2] / "docs"
SHEETS = sorted((DOCS / "assets" / "stylesheets").glob("*.css"))
PICTURES = (DOCS / "assets/favicon.svg", DOCS / "overrides/.icons/interpviz/logo.svg")
THEME = (DOCS / "assets/stylesheets/theme.css").read_text(encoding="utf-8")
TEXT_REM, RATIO = 0.8, 9 / 8
COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)


def declared(name: str) -> list[str]:
    """The values that the theme gives a variable."""
    return re.findall(rf"{name}: ([^;]+);", THEME)


def colourful(colour: str) -> bool:
    """Whether a colour is more than a grey that leans to one side, and not nearly black."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return max(channels) - min(channels) > 60


# The accent


def test_the_accent_of_the_pages_is_that_of_the_figures():
    import palette

    assert declared("--iv-accent-on-light") == [palette.MARK]
    assert declared("--iv-accent-on-dark") == [palette.DARK[palette.MARK]]
    assert declared("--iv-accent") == ["var(--iv-accent-on-light)", "var(--iv-accent-on-dark)"]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_the_accent_of_the_logo_is_that_of_the_figures(picture):
    import palette

    found = {c for c in COLOUR.findall(picture.read_text(encoding="utf-8")) if colourful(c)}
    assert found == {palette.DARK[palette.MARK]}


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_no_other_colour_stands_beside_the_accent(sheet):
    """A colour has a name; only the kinds of words in code and of names have others."""
    lines = sheet.read_text(encoding="utf-8").splitlines()
    literal = [line.strip() for line in lines if any(map(colourful, COLOUR.findall(line)))]
    allowed = r"--(iv-accent|md-code-hl|doc-symbol)-[\w-]+:"
    assert [line for line in literal if not re.match(allowed, line)] == []


# The type scale


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_every_size_of_text_is_a_step_of_the_scale(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert re.findall(r"[\s{;]font:", text) == []
    found = re.findall(r"font-size:\s*([^;}]+)", text)
    assert found
    assert [size for size in found if not re.fullmatch(r"var\(--iv-step-[\w-]+\)", size)] == []


def test_steps_have_one_ratio_and_each_is_used():
    steps = dict(re.findall(r"(--iv-step-[\w-]+): ([\d.]+)rem;", THEME))
    assert len(steps) > 5
    for name, size in steps.items():
        number = int(name.removeprefix("--iv-step-").replace("minus-", "-"))
        assert float(size) == pytest.approx(TEXT_REM * RATIO**number, abs=1e-4), name
    sheets = "".join(sheet.read_text(encoding="utf-8") for sheet in SHEETS)
    used = set(re.findall(r"var\((--iv-step-[\w-]+)\)", sheets))
    assert used == steps.keys()


# Colour maps


def lightness(name: str) -> np.ndarray:
    """L* of each of a colour map's 256 colours."""
    colours = mpl.colormaps[name](np.arange(256))[None, :, :3].astype(np.float32)
    return cv2.cvtColor(colours, cv2.COLOR_RGB2Lab)[0, :, 0]


def uneven(name: str) -> float:
    """How far the largest or smallest step of lightness lies from the mean one, as its share.

    Steps are taken fifteen colours apart, where rounding no longer counts, and from L* = 8 on,
    below which L* is a straight line that no eye follows.
    """
    levels = lightness(name)[::15]
    steps = np.diff(levels)[np.minimum(levels[:-1], levels[1:]) > 8]
    return float(np.abs(steps / steps.mean() - 1).max())


@pytest.mark.parametrize("name", [MAP_CMAP, ATTENTION_CMAP])
def test_the_default_colour_maps_are_even(name):
    steps = np.diff(lightness(name))
    assert (steps > 0).all() or (steps < 0).all()
    assert abs(lightness(name)[-1] - lightness(name)[0]) > 70
    assert uneven(name) < 0.3


@pytest.mark.parametrize("name", ["jet", "hot"])
def test_an_uneven_colour_map_would_be_noticed(name):
    assert uneven(name) > 0.6
