"""The `interpviz` command."""

from __future__ import annotations

import sys

__all__ = ["main"]

_NOTHING_DONE = 2
# EX_SOFTWARE of sysexits.h; Python's own 1 would say that some failed and others are done.
_UNFORESEEN = 70


def main() -> None:
    """Run the command line, or say in one sentence what it needs."""
    try:
        from interpviz.cli.app import app

        app()
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            _show_unforeseen()
        print(
            f'The command line needs {error.name}: pip install "interpviz[cli,models]".',
            file=sys.stderr,
        )
        sys.exit(_NOTHING_DONE)
    except Exception:  # the interpreter would end with 1
        _show_unforeseen()


def _show_unforeseen() -> None:
    # The app has put its own hook there, which leaves out its own lines.
    sys.excepthook(*sys.exc_info())
    print(
        "Error: interpviz did not foresee this: where the last lines above are not of your own "
        "code, report it with all of them and with what `interpviz doctor` prints.",
        file=sys.stderr,
    )
    sys.exit(_UNFORESEEN)
