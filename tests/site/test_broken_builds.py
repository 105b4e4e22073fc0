"""No build passes over a failure, and the next one puts right what the last one left.

Each test breaks a build of a tiny site on purpose.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sys

import pytest
from tiny_site import EXAMPLE, Tiny, finish, wait_for

ONE, TWO = EXAMPLE.format(name="one"), EXAMPLE.format(name="two")
FIRST, SECOND = "gallery/shapes/plot_one.py", "gallery/shapes/plot_two.py"

# An example that says in which process it runs, and stays there until it may go on.
STAYING = (
    TWO
    + """
import time

beside = Path(os.environ["RAN"])
beside.with_name("pid").write_text(str(os.getpid()))
while not beside.with_name("go").exists():
    time.sleep(0.02)
"""
)


def test_a_failing_example_fails_every_build_until_it_is_repaired(tiny):
    tiny.write(SECOND, TWO + "raise ValueError('the sky fell')\n")
    for _ in range(2):
        done = tiny.build()
        assert done.returncode != 0
        assert "ValueError: the sky fell" in done.stderr
        assert re.search(r'plot_two.py", line \d+, in <module>\n +raise Val', done.stderr)
        assert tiny.ran() == ["two"]
        assert tiny.stamp()["complete"] is False
    # As it was before: the pictures of the failed run must not be taken for its own.
    tiny.write(SECOND, TWO)
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["two"]
    assert tiny.stamp()["complete"] is True


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("raise SystemExit(0)\n", "SystemExit"),
        ("os.kill(os.getpid(), 9)\n", "plot_one was killed, as the system does when memory runs"),
    ],
    ids=["exit", "killed"],
)
def test_an_example_that_ends_its_worker_is_named_and_the_others_are_kept(tiny, end, said):
    tiny.write(FIRST, ONE + end)
    tiny.write(SECOND, TWO + "# changed\n")
    done = tiny.build()
    assert done.returncode != 0
    assert said in done.stderr
    assert "Failed: shapes/plot_one. What the other examples made is kept." in done.stderr
    assert sorted(tiny.ran()) == ["one", "two"]
    tiny.write(FIRST, ONE)
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["one"]


def test_a_parallel_build_killed_in_the_middle_goes_on_where_it_stopped(tiny):
    shutil.rmtree(tiny.root / "docs/generated")
    tiny.write(SECOND, STAYING)
    build = tiny.start(INTERPVIZ_WORKERS="2")
    pid = tiny.root / "pid"
    done = tiny.gallery / "shapes/images/plot_one.run.json"
    wait_for(lambda: done.exists() and pid.exists() and pid.read_text())
    build.kill()
    assert finish(build).returncode == -signal.SIGKILL
    wait_for(lambda: not _alive(int(pid.read_text())))
    assert sorted(tiny.ran()) == ["one", "two"]
    assert tiny.stamp()["complete"] is False
    (tiny.root / "go").touch()
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["two"]
    assert tiny.stamp()["complete"] is True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever inherits it may take a while to read how it ended.
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return ") Z " not in stat.read()


@pytest.mark.parametrize("left", ["page", "notebook", "thumbnail"])
def test_an_example_that_was_not_written_to_its_end_runs_again(tiny, left):
    shapes = tiny.gallery / "shapes"
    if left == "page":
        (shapes / "plot_one.md").unlink()
    elif left == "notebook":
        (shapes / "plot_one.ipynb").unlink()
    else:
        (shapes / "images/thumb/plot_one_light.webp").write_bytes(b"half a pict")
        record = shapes / "images/plot_one.run.json"
        record.write_text(record.read_text().replace("true", "false"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["one"]
    assert (shapes / "images/thumb/plot_one_light.webp").read_bytes()[:4] == b"RIFF"


def test_the_second_of_two_builds_at_once_waits_and_runs_nothing(tiny):
    tiny.write(SECOND, STAYING)
    first = tiny.start()
    wait_for((tiny.root / "pid").exists)
    second = tiny.start()
    said = [second.stderr.readline() for _ in range(1)]
    while "Another build of this checkout is running" not in said[-1]:
        said.append(second.stderr.readline())
        assert said[-1], "".join(said)
    assert first.poll() is None
    (tiny.root / "go").touch()
    assert finish(first).returncode == 0
    assert finish(second).returncode == 0
    assert tiny.ran() == []  # starting the second one has cleared what the first one ran
    assert tiny.page("plot_two").is_file()


def test_a_folder_without_permission_to_write_is_named(tiny):
    prefix = ()
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere, and there is no setpriv to give that up")
        # Root without the right to pass over permissions.
        held = "-dac_override,-dac_read_search"
        prefix = ("setpriv", f"--bounding-set={held}", f"--inh-caps={held}")
    tiny.write(SECOND, TWO + "# changed\n")
    folder = tiny.gallery / "shapes"
    folder.chmod(0o555)
    try:
        done = tiny.build(prefix=prefix)
    finally:
        folder.chmod(0o755)
    assert done.returncode != 0
    assert f"The build cannot write {folder}" in done.stderr
    assert "(Permission denied): give yourself the right" in done.stderr
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["two"]


# A limit on the size of files stands for a full disk: a write fails in the middle of a file.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("room", [100, 1500])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(tiny, room):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    tiny.write(SECOND, TWO + "# changed\n")
    done = tiny.build(prefix=(sys.executable, "-c", LIMITED, str(room)))
    assert done.returncode != 0
    assert "The build cannot write" in done.stderr
    assert "free some space, then build again" in done.stderr
    assert "Traceback" not in done.stderr or "plot_two failed" in done.stderr
    done = tiny.build()
    assert done.returncode == 0, done.stderr
    assert tiny.ran() == ["two"]
    assert "printed by two" in tiny.page("plot_two").read_text()


@pytest.mark.parametrize("left", [0, 20_000, 40_000])
def test_a_disk_that_is_full_is_named_and_leaves_the_pages_as_they_were(built, small_disk, left):
    shutil.copytree(built.root, small_disk.path / "tiny")
    tiny = Tiny(small_disk.path / "tiny")
    before = {path: path.read_bytes() for path in (tiny.root / "site").rglob("*") if path.is_file()}
    tiny.write(SECOND, TWO + "# changed\n")
    tiny.log.write_text("room for what ran")
    small_disk.fill(left)
    done = tiny.build()
    assert done.returncode != 0
    assert "(No space left on device): free some space, then build again" in done.stderr
    assert "Traceback" not in done.stderr or "plot_two failed" in done.stderr
    assert {path: path.read_bytes() for path in before} == before
    small_disk.free()
    done = tiny.build()
    assert done.returncode == 0, done.stderr
    assert "printed by two" in tiny.page("plot_two").read_text()
    assert tiny.stamp()["complete"] is True


def test_an_example_over_its_budget_warns_and_fails_only_where_that_is_wanted(tiny):
    tiny.write(SECOND, TWO + "# mkdocs_gallery_budget_seconds = 0.001\n")
    # The site is strict, and the second build runs nothing.
    for ran in (["two"], []):
        done = tiny.build()
        assert done.returncode == 0
        assert tiny.ran() == ran
        said = re.findall("^WARNING -  Over its budget: (.+) took 0.", done.stderr, re.MULTILINE)
        assert said == ["shapes/plot_two"]
    assert "budget_seconds" not in tiny.page("plot_two").read_text()
    build_page = tiny.root / "site/generated/gallery/build/index.html"
    assert build_page.read_text().count("over its budget") == 1
    done = tiny.build(INTERPVIZ_BUDGET="strict")
    assert done.returncode != 0
    assert "Over their budget: shapes/plot_two" in done.stderr
    assert tiny.ran() == []
