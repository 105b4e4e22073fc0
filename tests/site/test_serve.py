"""While the site is served, what changed runs again, and a failing example ends nothing."""

from __future__ import annotations

import socket
import threading
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tiny_site import EXAMPLE, wait_for

SECOND = "gallery/shapes/plot_two.py"


@pytest.fixture
def served(tiny):
    """The tiny site under `mkdocs serve`, which starts while one example fails."""
    tiny.write(SECOND, EXAMPLE.format(name="two") + "raise ValueError('the sky fell')\n")
    with (tiny.root / "mkdocs.yml").open("a") as config:
        config.write("watch: [interpviz, gallery]\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = tiny.start("serve", "--dev-addr", f"127.0.0.1:{port}")
    tiny.said = []
    reader = threading.Thread(target=lambda: tiny.said.extend(server.stderr), daemon=True)
    reader.start()
    tiny.address = f"http://127.0.0.1:{port}/generated/gallery/"
    try:
        yield tiny
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait()
        reader.join()
        server.stderr.close()


def _shows(tiny, page, text):
    try:
        with urlopen(tiny.address + page, timeout=30) as answer:
            return text in answer.read().decode()
    except (HTTPError, OSError):
        return False


def test_the_server_shows_what_failed_and_runs_what_changed(served):
    two = "shapes/plot_two/"
    wait_for(lambda: _shows(served, two, "ValueError: the sky fell"))
    assert served.ran() == ["two"]
    assert any("the sky fell" in line for line in served.said)
    assert _shows(served, "shapes/plot_one/", "printed by one")
    assert not _shows(served, "", "A square for two")
    # Not Python at all, as in the middle of an edit.
    served.write(SECOND, EXAMPLE.format(name="two") + "x = (\n")
    wait_for(lambda: _shows(served, two, "SyntaxError"))
    served.write(SECOND, EXAMPLE.format(name="deux"))
    wait_for(lambda: _shows(served, two, "printed by deux"))
    assert _shows(served, "", "A square for deux")
    served.write("docs/index.md", "# Another home\n")
    wait_for(lambda: sum("Reloading browsers" in line for line in served.said) == 3)
    assert served.ran() == ["two", "deux"]
    # The library: everything that may have used it runs again.
    served.write("interpviz/__init__.py", "CHANGED = 1\n")
    wait_for(lambda: sorted(served.ran()[2:]) == ["deux", "one"])
