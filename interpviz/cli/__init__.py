"""The `interpviz` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say in one sentence what it needs."""
    try:
        from interpviz.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(f'The command line needs {error.name}: pip install "interpviz[cli,models]".')
    app()
