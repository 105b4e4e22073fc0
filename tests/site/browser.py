"""A real browser and a small server, for the tests and for pictures of the site."""

from __future__ import annotations

import gzip
import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


PACKED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".txt"}
"""What a web server sends packed; pictures and archives are packed already."""


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, below: str = "", **options: Any) -> None:
        self.below = f"/{below}"
        super().__init__(*args, **options)

    def translate_path(self, path: str) -> str:
        """The file at an address; outside of the site there is none."""
        if not path.startswith(self.below):
            return str(Path(self.directory) / "no such file")
        return super().translate_path(f"/{path.removeprefix(self.below)}")

    def log_message(self, *args: Any) -> None:
        """Say nothing of the requests."""


class _Packing(_Quiet):
    # A connection is kept for the next request, as those hosts do.
    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        """Send a file as the hosts of static sites do: text packed with gzip."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in PACKED or not path.is_file():
            return super().send_head()
        packed = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        return io.BytesIO(packed)


@contextmanager
def serve(folder: Path, *, packing: bool = False, below: str = "") -> Iterator[str]:
    """Serve a folder on this machine; gives its address, which ends in a slash.

    Args:
        folder: The built site.
        packing: Whether text is sent packed with gzip.
        below: Where on the host the site lies, such as `name/`.
    """
    kind = _Packing if packing else _Quiet
    handler = partial(kind, directory=str(folder), below=below)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{below}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chromium() -> str | None:
    """The path of a Chromium on this machine, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launch() -> Iterator[Any]:
    """Start the browser; gives playwright's `Browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, url: str, scheme: str = "light", width: int = 1280) -> Iterator[Any]:
    """Open a page in a colour scheme; gives playwright's `Page`."""
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        view.goto(url)
        yield view
    finally:
        view.close()


def shown(view: Any) -> list[str]:
    """For each figure that can be seen, which of its two pictures it is."""
    script = """[...document.querySelectorAll('.iv-figure img')]
                .filter(i => i.checkVisibility()).map(i => i.src.split('#')[1])"""
    return view.evaluate(script)
