"""The colours of compared heads: apart for every reader, and seen on their paper."""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

STYLE = (files("interpviz.render.views") / "views.css").read_text(encoding="utf-8")

# How a colour looks, in linear light, to readers without one kind of cone: Machado, Oliveira and
# Fernandes, IEEE Transactions on Visualization and Computer Graphics, 2009, severity 1.
SIGHT = {
    "full": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def colours(scheme):
    block = STYLE.split('.view[data-scheme="dark"]')[scheme == "dark"]
    found = dict(re.findall(r"--(head\d|paper|ink|quiet|mark|accent): (#\w{6})", block))
    return {
        name: np.array([int(hex_[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        for name, hex_ in found.items()
    }


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(rgb, sight):
    light = np.clip(np.asarray(SIGHT[sight]) @ linear(rgb), 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def contrast(a, b):
    low, high = sorted(linear(c) @ (0.2126, 0.7152, 0.0722) + 0.05 for c in (a, b))
    return high / low


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heads_stay_apart(scheme, sight):
    from skimage.color import deltaE_ciede2000, rgb2lab

    heads = [c for name, c in colours(scheme).items() if name.startswith("head")]
    assert len(heads) == 6
    for a, b in combinations(heads, 2):
        assert deltaE_ciede2000(rgb2lab(seen(a, sight)), rgb2lab(seen(b, sight))) > 15


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_seen_on_their_paper(scheme):
    found = colours(scheme)
    paper = found.pop("paper")
    for name, colour in found.items():
        assert contrast(colour, paper) >= (4.5 if name in ("ink", "quiet") else 3)
