"""Print what a stored copy of `docs/generated` depends on, in lines for a workflow's outputs.

`inputs` is a digest of everything outside the scripts, as the build itself compares it, and
`scripts` one of the scripts. With the same inputs a stored copy of other scripts is worth having:
only what changed runs again. `stand_ins` names the examples of the present copy that used packaged
weights because no hub was in reach, separated by commas: with any, the copy is not worth storing,
as no digest would tell the next build of the hub's return.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from digest import inputs
from layout import Layout
from mkdocs.config import load_config
from running import stood_in


def key(root: Path) -> dict[str, str]:
    """The two digests, and what ran without a hub.

    Args:
        root: The folder of `mkdocs.yml`.
    """
    config = load_config(str(root / "mkdocs.yml"))
    options = dict(config.plugins["gallery"].config)
    found = inputs(root, options)
    scripts = hashlib.sha256()
    layout = Layout(root, Path(config.docs_dir), root / Path(options["examples_dirs"][0]))
    for path in sorted(layout.scripts.rglob("*")):
        if path.suffix in {".py", ".md"}:
            scripts.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return {
        "inputs": hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16],
        "scripts": scripts.hexdigest()[:16],
        "stand_ins": ",".join(stood_in(layout)),
    }


if __name__ == "__main__":
    logging.disable()
    for name, value in key(Path(__file__).resolve().parents[2]).items():
        print(f"{name}={value}")
