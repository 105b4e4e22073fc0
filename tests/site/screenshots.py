"""Take pictures of the built site for eyes: both colour schemes, three widths.

    python tests/site/screenshots.py OUT [PAGE ...]

PAGE is an address below the site's root, such as `generated/gallery/`; without one, ten pages are
taken: one of each kind, and three examples.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from browser import launch, serve

WIDTHS = {360: 780, 768: 1024, 1440: 900}
PAGES = (
    "",
    "generated/gallery/",
    "generated/gallery/cam/plot_methods/",
    "generated/gallery/attention/plot_bert_heads/",
    "generated/gallery/trust/plot_faithfulness/",
    "reference/",
    "reference/cam/",
    "guide/trust/",
    "troubleshooting/",
    "about/",
)
LOADED = "Promise.all([...document.images].filter(i => i.checkVisibility()).map(i => i.decode()))"


def main(out: Path, pages: list[str], site: Path) -> None:
    """Take all pictures of the pages.

    Args:
        out: The folder of the pictures.
        pages: Addresses below the site's root.
        site: The built site.
    """
    out.mkdir(parents=True, exist_ok=True)
    with serve(site) as root, launch() as browser:
        for page in pages:
            name = re.sub(r"\W+", "-", page).strip("-") or "home"
            for scheme in ("light", "dark"):
                for width, height in WIDTHS.items():
                    view = browser.new_page(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    response = view.goto(root + page, wait_until="networkidle")
                    if not response.ok:
                        sys.exit(f"{page}: status {response.status}")
                    # Pictures further down load when they are scrolled to.
                    view.evaluate("for (const i of document.images) i.loading = 'eager'")
                    view.evaluate(LOADED)
                    path = out / f"{name}-{scheme}-{width}.png"
                    view.screenshot(path=path, full_page=True)
                    view.close()
                    print(path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(
        Path(sys.argv[1]),
        sys.argv[2:] or list(PAGES),
        Path(__file__).parents[2] / "site",
    )
