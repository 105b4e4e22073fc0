"""Print the two commands of the README's first shell block, one a line."""

import re
from pathlib import Path

readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
block = re.search(r"```bash\n(.*?)```", readme, re.DOTALL)
if block is None:
    raise SystemExit("README.md has no shell block.")
for line in block[1].splitlines():
    print(line.split("  #")[0].strip())
