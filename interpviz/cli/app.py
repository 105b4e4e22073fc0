"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from interpviz import __version__
from interpviz.cli import attention, cam, doctor, report, zoo

app = typer.Typer(
    help="See what a neural network looked at.",
    epilog="Exit codes: 0 all is done; 1 some failed and are listed, the others are done; 2 "
    "nothing could be done, because of the call, the model or the files; 70 an error that was not "
    "foreseen, with a traceback.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _of_all(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command("cam", epilog=cam.EXAMPLES)(cam.explain)
app.command("attention", epilog=attention.EXAMPLES)(attention.look)
app.command("report", epilog=report.EXAMPLES)(report.make)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.examine)
app.add_typer(zoo.app, name="zoo")
