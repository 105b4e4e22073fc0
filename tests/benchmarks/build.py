"""The gallery's examples on one and on several workers: seconds, and whether the pages are equal.

    pip install -e ".[gallery]" && python tests/benchmarks/build.py [--workers 1 2]
        [--examples cam/plot_methods ...] [--repeats 1] [--threads 1]

A site with only these examples is built in a temporary folder, with the real hooks and nothing
else to render, so that what is timed is the running of examples. A first build, which fetches what
is not there, is not timed. Then each number of workers takes its turn, from nothing; the figures,
prose and printed lines of all builds are compared before their times are. Then the site is built
once more with nothing changed. Both ratios are to the first number of workers: of the whole build,
which the last line holds against the bar, and of the examples. "processor" is what the examples
used in all, imports included: where it grows with the number of workers, they wait for each other's
memory, or import the same libraries more than once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = (
    "attention/plot_bert_heads",
    "cam/plot_mobilenet",
    "cam/plot_which_class_is_where",
    "cam/plot_which_layer",
    "patterns/plot_numbers_for_heads",
    "patterns/plot_patterns",
)
CONFIG = """
site_name: benchmark
site_url: https://example.org/
theme: {name: material, font: false}
nav: [{Home: index.md}, {Gallery: generated/gallery}]
hooks: [docs/site/hooks.py]
markdown_extensions: [attr_list, md_in_html]
exclude_docs: "/site/"
validation: {links: {not_found: ignore, unrecognized_links: ignore}}
plugins:
  gallery:
    conf_script: docs/site/gallery_conf.py
    examples_dirs: gallery
    gallery_dirs: docs/generated/gallery
    within_subsection_order: FileNameSortKey
    abort_on_example_error: true
    capture_repr: ["_repr_html_"]
    remove_config_comments: true
    download_all_examples: false
    show_signature: false
    inspect_global_variables: false
"""
BAR = 0.8
"""The part of one worker's time that two may take on two cores."""

# What an example took, which no two builds have in common.
_TIMES = re.compile(r"[\d.]+ (seconds|minutes|s\b|ms\b|GB\b|MB\b)")


def lay_out(folder: Path, keys: list[str], threads: int) -> None:
    """A checkout with some of the examples."""
    hooks = folder / "docs" / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "docs" / "site", hooks, ignore=ignored)
    shutil.copytree(ROOT / "interpviz", folder / "interpviz", ignore=ignored)
    (folder / "mkdocs.yml").write_text(CONFIG)
    (folder / "docs" / "index.md").write_text("# Home\n")
    shutil.copy(ROOT / "pyproject.toml", folder)
    reference = folder / "docs" / "reference"
    shutil.copytree(ROOT / "docs" / "reference", reference)
    for key in keys:
        target = folder / "gallery" / f"{key}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "gallery" / f"{key}.py", target)
        shutil.copy(ROOT / "gallery" / target.parent.name / "README.md", target.parent)
    shutil.copy(ROOT / "gallery" / "README.md", folder / "gallery")
    text = (hooks / "workers.py").read_text(encoding="utf-8")
    changed = re.sub(r"^THREADS = \d+$", f"THREADS = {threads}", text, flags=re.MULTILINE)
    (hooks / "workers.py").write_text(changed, encoding="utf-8")


def build(folder: Path, workers: int) -> tuple[float, float, float]:
    """Seconds of the build, of its examples, and the processor seconds that these used."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"],
        cwd=folder,
        env={**os.environ, "INTERPVIZ_WORKERS": str(workers), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    ran = re.search(r"in ([\d.]+) s with \d+ workers? \(([\d.]+) s of proc", done.stderr)
    return (seconds, float(ran[1]), float(ran[2])) if ran else (seconds, 0.0, 0.0)


def shown(folder: Path) -> dict[str, str]:
    """What the pages show: digests of the figures, and text without what is a time."""
    found = {}
    for path in sorted((folder / "docs" / "generated" / "gallery").rglob("*")):
        if path.suffix == ".webp":
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix == ".md" and path.name.startswith("plot_"):
            found[str(path.relative_to(folder))] = _TIMES.sub("", path.read_text(encoding="utf-8"))
    return found


def differing(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """The files that are not the same in two builds, with the lines that differ."""
    found = []
    for name in sorted({*first, *second}):
        pair = [made.get(name, "").splitlines() for made in (first, second)]
        if pair[0] != pair[1]:
            found += [name, *unified_diff(*pair, n=0, lineterm="")]
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--examples", nargs="+", default=list(EXAMPLES))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    times: dict[int, list[tuple[float, float, float]]] = {n: [] for n in arguments.workers}
    first: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "site"
        lay_out(folder, arguments.examples, arguments.threads)
        build(folder, max(arguments.workers))
        for _ in range(arguments.repeats):
            for workers, taken in times.items():
                shutil.rmtree(folder / "docs" / "generated", ignore_errors=True)
                taken.append(build(folder, workers))
                made = shown(folder)
                first = first or made
                if unequal := differing(first, made):
                    print(f"not the same with {workers} workers:", *unequal, sep="\n  ")
        again, _, _ = build(folder, max(arguments.workers))
    print(f"{len(arguments.examples)} examples, {arguments.threads} thread(s) a worker, ", end="")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    tabulate(
        {n: [statistics.median(part) for part in zip(*t, strict=True)] for n, t in times.items()}
    )
    print(f"a second build, nothing changed: {again:.1f} s")


def tabulate(medians: dict[int, list[float]]) -> None:
    """Print what `build` gave for each number of workers, and the bar."""
    print("workers  build s  ratio  examples s  ratio  processor s")
    base = next(iter(medians.values()))
    for workers, (whole, ran, worked) in medians.items():
        ratios = whole / base[0], ran / base[1]
        print(f"{workers:7d} {whole:8.1f} {ratios[0]:6.2f}", end=" ")
        print(f"{ran:11.1f} {ratios[1]:6.2f} {worked:12.1f}")
    if {1, 2} <= medians.keys():
        ratio = medians[2][0] / medians[1][0]
        held = "within" if ratio <= BAR else "over"
        print(f"two workers took {ratio:.2f} of one's time: {held} the bar of {BAR:g}")


if __name__ == "__main__":
    main()
