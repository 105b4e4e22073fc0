"""What brings the images through: this machine, or a cluster."""

from __future__ import annotations

from importlib.util import find_spec

from interpviz.errors import InputError, nearest

ENGINES = ("local", "ray")


def check_engine(engine: str) -> None:
    """Ask for an engine.

    Args:
        engine: One of `ENGINES`.

    Raises:
        InputError: There is none of that name, or what it needs is not installed.
    """
    if engine not in ENGINES:
        near = nearest(engine, ENGINES)
        raise InputError(f"engine is {engine!r}. {near} It must be one of {', '.join(ENGINES)}.")
    missing = [name for name in ("ray", "pyarrow") if find_spec(name) is None]
    if engine == "ray" and missing:
        raise InputError(
            f'engine="ray" needs {missing[0]}, which is not installed: '
            'pip install "interpviz[ray]", or leave the engine out.'
        )
