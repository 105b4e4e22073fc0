"""Nothing lies on top of anything else, at any width of a screen."""

from __future__ import annotations

import pytest
from browser import opened
from screenshots import PAGES, WIDTHS

# Of two boxes that meet, neither of which holds the other: what they are and where.
SCRIPT = """() => {
  const kinds = 'h1, h2, h3, h4, p, li, dt, dd, td, th, pre, a, button, summary, figcaption, '
    + 'label, input, select, img';
  const edge = 2;
  const clip = (rect, element) => {
    let { left, top, right, bottom } = rect;
    for (let up = element.parentElement; up !== document.body; up = up.parentElement) {
      if (getComputedStyle(up).overflow === 'visible') continue;
      const frame = up.getBoundingClientRect();
      left = Math.max(left, frame.left); right = Math.min(right, frame.right);
      top = Math.max(top, frame.top); bottom = Math.min(bottom, frame.bottom);
    }
    return { left: Math.max(left, 0), top, right: Math.min(right, innerWidth), bottom, element };
  };
  const seen = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    (element.matches('img, input, select') || element.innerText.trim());
  const boxes = [...document.querySelectorAll(kinds)].filter(seen).flatMap((element) =>
    [...element.getClientRects()].map((rect) => clip(rect, element))
  ).filter((box) => box.right - box.left > edge && box.bottom - box.top > edge);
  boxes.sort((a, b) => a.top - b.top);
  const found = [];
  const name = (e) => `<${e.tagName.toLowerCase()} class="${e.className}"> ${e.innerText ?? ''}`;
  boxes.forEach((a, i) => {
    for (let j = i + 1; j < boxes.length && boxes[j].top < a.bottom - edge; j++) {
      const b = boxes[j];
      if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - b.top;
      if (across > edge && down > edge)
        found.push([name(a.element).slice(0, 80), name(b.element).slice(0, 80), across, down]);
    }
  });
  return [boxes.length, found];
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps(browser, address, width):
    met = {}
    with opened(browser, address, width=width) as view:
        for page in PAGES:
            assert view.goto(address + page).ok, page
            count, found = view.evaluate(SCRIPT)
            assert count > 15, page
            if found:
                met[page] = found[:5]
    assert met == {}


def test_what_overlaps_would_be_noticed(browser):
    page = "<p>One</p><p style='margin-top: -2rem'>Two</p><p>Three <a href='#x'>four</a></p>"
    view = browser.new_page()
    view.set_content(page)
    (first, second, *_), *others = view.evaluate(SCRIPT)[1]
    view.close()
    assert (first[-3:], second[-3:], others) == ("One", "Two", [])
