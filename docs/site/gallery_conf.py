"""What the gallery plugin cannot read from mkdocs.yml: the functions that it calls."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
try:
    from figures import before_example, capture
finally:
    sys.path.pop(0)

conf = {
    "image_scrapers": (capture,),
    "reset_modules": (before_example,),
}
