"""The gate and the workflows: what they run, what they need, and what they refuse."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def program(path: Path, text: str) -> None:
    """Write a program for a shell to find."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"]


def test_what_the_workflow_names_exists():
    text = (ROOT / ".github/workflows/pages.yml").read_text(encoding="utf-8")
    assert jobs("pages")["zensical"]["continue-on-error"] is True
    named = re.findall(r"(?:python|bash|-[fF]) ((?:docs|\.github|mkdocs)[\w./-]+)", text)
    assert len(named) >= 6
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_nothing_is_published_before_it_is_tested():
    published = jobs("pages")
    gate = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    needed = published["publish"]["needs"]
    assert published[needed]["uses"] == "./.github/workflows/ci.yml"
    # YAML 1.1 reads the key `on` as a truth value.
    assert "workflow_call" in gate[True]
    assert any(".ci/run" in step.get("run", "") for step in gate["jobs"]["gate"]["steps"])


def test_the_gate_runs_with_budgets_and_refuses_to_skip_the_browser(tmp_path):
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    strict = lines.index("export INTERPVIZ_BUDGET=strict")
    assert strict < next(n for n, line in enumerate(lines) if "${commands[0]}" in line)
    # No root and no chromium, but all that the script calls before it looks for that.
    for name in ("dirname", "grep"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name, said in (("id", "1000"), ("ldconfig", "libGL.so.1")):
        program(tmp_path / name, f"echo {said}")
    done = subprocess.run(
        [shutil.which("bash"), ".ci/run"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("There is no chromium")
    assert len(done.stderr.splitlines()) == 1


def test_what_was_made_without_the_hub_is_not_kept_for_the_next_build():
    steps = jobs("pages")["publish"]["steps"]
    (build,) = [n for n, step in enumerate(steps) if step.get("name") == "Build"]
    told = steps[build + 1]
    assert "docs/site/cache_key.py" in told["run"]
    assert told["if"] == "always()"
    saves = [step for step in steps if "cache/save" in step.get("uses", "")]
    assert {step["with"]["path"] for step in saves} == {".cache", "docs/generated"}
    for step in saves:
        assert steps.index(step) > build + 1
        assert f"steps.{told['id']}.outputs.stand_ins == ''" in step["if"]


# The other tool


def imported(module: str, seen: set[str]) -> set[str]:
    """What a module of docs/site imports when it is loaded, and what those that it imports do."""
    own = ROOT / "docs/site" / f"{module}.py"
    if not own.is_file():
        return {module} - set(sys.stdlib_module_names)
    if module in seen:
        return set()
    seen.add(module)
    names = set()
    for node in ast.parse(own.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return {name for each in names for name in imported(each, seen)}


def brought(distribution: str, found: set[str]) -> set[str]:
    """A distribution and all that pip installs with it."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    if name not in found:
        found.add(name)
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            wanted = []
        for line in wanted:
            if "extra ==" not in line:
                brought(re.match(r"[\w.-]+", line)[0], found)
    return found


def test_the_other_tools_job_installs_what_it_imports():
    (line,) = [s["run"] for s in jobs("pages")["zensical"]["steps"] if "pip" in s.get("run", "")]
    installed: set[str] = set()
    for word in shlex.split(line)[2:]:
        brought(re.match(r"[\w.-]+", word)[0], installed)
    provided = metadata.packages_distributions()
    wanted = imported("portable", set())
    assert {"yaml", "PIL"} <= wanted
    for module in wanted:
        names = {re.sub(r"[-_.]+", "-", each).lower() for each in provided[module]}
        assert names & installed, f"{module} is in none of: {line}"


def test_a_tool_that_fails_behind_a_pipe_is_told(tmp_path):
    (step,) = [s for s in jobs("pages")["zensical"]["steps"] if "| tee" in s.get("run", "")]
    program(tmp_path / "bin/python", 'mkdir -p "$2"')
    program(tmp_path / "bin/zensical", "exit 1")
    # How GitHub calls bash, where a step names it and where it names nothing.
    flags = ("--noprofile", "--norc", "-eo", "pipefail") if "shell" in step else ("-e",)
    done = subprocess.run(
        ["bash", *flags, "-c", step["run"]],
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "::warning::Zensical does not render the pages" in done.stdout
