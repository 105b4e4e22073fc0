"""The page that debugs a classifier finds the shortcut that it planted, and mends it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "gallery" / "trust" / "plot_debug_your_classifier.py"


@pytest.fixture(scope="module")
def page():
    """All names of the page, after it has run once from beginning to end."""
    import matplotlib.pyplot as plt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the site is built; more only wait for each other
    try:
        names = runpy.run_path(str(SCRIPT))
    finally:
        torch.set_num_threads(threads)
    names["alts"] = [plt.figure(number).get_label() for number in plt.get_fignums()]
    plt.close("all")
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def chance(page):
    left, top, right, bottom = page.CORNER
    return (right - left) * (bottom - top) / page.SIDE**2


def found(page, net, told, name="cat"):
    """The share of the cats, or of another class, that a network calls cats."""
    return page.called_cat(net, *page.tests[told][:2], name)


def test_the_tests_differ_in_nothing_but_the_stamp(page):
    left, top, right, bottom = page.CORNER
    (images, labels, boxes), *others = page.tests.values()
    for other, same_labels, same_boxes in others:
        assert torch.equal(labels, same_labels)
        assert torch.equal(boxes, same_boxes)
        changed = (images != other).any(1)
        assert changed.any()
        changed[:, top:bottom, left:right] = False
        assert not changed.any()


def test_the_average_map_of_the_stamped_class_alone_lies_on_the_stamp(page, chance):
    _, _, shares = page.average_maps(page.first, page.test[0])
    cat, *others = shares.tolist()
    assert cat > 3 * chance
    assert cat > 3 * max(others)
    assert max(others) < 1.3 * chance


def test_the_stamped_class_is_found_without_knowing_the_stamp(page):
    assert page.suspect == "cat"
    cat, *others = page.unlike.tolist()
    assert cat > 1.4 * max(others)


def test_the_network_follows_the_stamp(page):
    assert page.accuracy(page.first, *page.test[:2]) > 0.8
    assert found(page, page.first, "stamp on the cats") > 0.9
    for told in ("no stamp", "stamp on the flowers"):
        assert found(page, page.first, told) < 0.5
    assert found(page, page.first, "no stamp", "flower") < 0.2
    assert found(page, page.first, "stamp on the flowers", "flower") > 0.8


def test_the_second_network_does_not(page, chance):
    for images, labels, _ in page.tests.values():
        assert page.accuracy(page.second, images, labels) > 0.8
    assert found(page, page.second, "no stamp") > 0.7
    assert found(page, page.second, "stamp on the flowers", "flower") < 0.2
    _, _, shares = page.average_maps(page.second, page.test[0])
    assert shares.max() < chance


def test_the_printed_rows_say_the_same(page):
    for told, test in page.tests.items():
        before, after = page.rows[f"right, {told}"]
        assert before == pytest.approx(page.accuracy(page.first, *test[:2]), abs=0.01)
        assert after == pytest.approx(page.accuracy(page.second, *test[:2]), abs=0.01)
    corner, cat = page.rows["maps of cats, in the corner"], page.rows["maps of cats, on the cat"]
    assert corner[0] > 3 * corner[1]
    assert cat[1] > 3 * cat[0]
    strangest = page.rows["most unlike average map"]
    assert strangest[0] > 2 * strangest[1]


def test_every_figure_is_described(page):
    assert len(page.alts) == 4
    assert all(len(alt) > 40 for alt in page.alts)
