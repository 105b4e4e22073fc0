"""The build runs what it must, and nothing else.

Each test builds a tiny site with the real hooks, in a process of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_site import EXAMPLE


def test_a_first_build_runs_everything_and_says_so(built):
    assert built.first[0] == ["one", "two"]
    assert built.stamp()["complete"] is True
    page = built.page("plot_one").read_text()
    assert page.count("<h1") == 1
    assert "printed by one" in page
    assert "A square for one" in page
    assert "mkdocs-gallery" not in page
    index = (built.root / "site/generated/gallery/index.html").read_text()
    assert "One sentence." in index
    assert "Another one" not in index


def test_the_build_page_tells_what_each_example_took(built):
    page = (built.root / "site/generated/gallery/build/index.html").read_text()
    run = built.recorded("plot_one")
    assert run["finished"]
    assert 0 < run["cpu_seconds"] < 30
    assert 20 < run["peak_mb"] < 2000
    assert '<a href="../shapes/plot_one/">What is one?</a>' in page
    assert f"{run['cpu_seconds']:.1f}</td>" in page
    assert f"{run['peak_mb']}</td>" in page
    assert "mkdocs-gallery 0." in page
    assert "over its budget" not in page


def test_the_home_page_shows_a_figure_and_links_to_its_example(built):
    home = (built.root / "site/index.html").read_text()
    for scheme in ("light", "dark"):
        name = rf"generated/gallery/shapes/images/plot_one_1_{scheme}(_small)?\.webp"
        assert re.search(rf'src="{name}#only-{scheme}"', home)
    assert 'alt="A square for one"' in home
    assert 'href="generated/gallery/shapes/plot_one/"' in home


def test_a_second_build_runs_nothing_even_in_another_folder(tiny):
    assert tiny.build().returncode == 0
    assert tiny.ran() == []
    assert "A square for one" in tiny.page("plot_one").read_text()


def test_a_changed_example_runs_alone(tiny):
    tiny.write("gallery/shapes/plot_two.py", EXAMPLE.format(name="deux"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["deux"]
    assert "printed by deux" in tiny.page("plot_two").read_text()


def test_a_changed_library_runs_everything(tiny):
    tiny.write("interpviz/__init__.py", "VERSION = 2\n")
    done = tiny.build()
    assert done.returncode == 0
    assert sorted(tiny.ran()) == ["one", "two"]
    assert "because of a change in interpviz/" in done.stderr


def test_a_changed_weight_runs_everything(tiny):
    tiny.write("interpviz/zoo/weights/small.safetensors", "other numbers")
    done = tiny.build()
    assert done.returncode == 0
    assert sorted(tiny.ran()) == ["one", "two"]
    assert "because of a change in interpviz/" in done.stderr


def test_what_is_removed_disappears_and_nothing_else_runs(tiny):
    (tiny.root / "gallery/shapes/plot_two.py").unlink()
    assert tiny.build().returncode == 0
    assert tiny.ran() == []
    left = [path for place in ("site", "docs") for path in (tiny.root / place).rglob("*plot_two*")]
    assert left == []
    assert "plot_two" not in (tiny.root / "site/generated/gallery/index.html").read_text()


def test_a_renamed_section_leaves_nothing_behind(tiny):
    (tiny.root / "gallery/shapes").rename(tiny.root / "gallery/forms")
    tiny.write("docs/index.md", "# Home\n")
    assert tiny.build().returncode == 0
    assert not (tiny.root / "site/generated/gallery/shapes").exists()
    assert (tiny.root / "site/generated/gallery/forms/plot_one/index.html").is_file()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "gallery/shapes/plot_two.py",
            EXAMPLE.format(name="two").replace("axes.set_title", "len"),
            "has no description",
        ),
        (
            "gallery/shapes/plot_two.py",
            EXAMPLE.format(name="two") + "# mkdocs_gallery_thumbnail_number = 3\n",
            "the script draws 1 figure",
        ),
        ("docs/index.md", "# Home\n\n<!-- gallery-figure: shapes/plot_no -->\n", "plot_no"),
        ("gallery/more/plot_three.py", EXAMPLE.format(name="three"), "needs a README.md"),
    ],
    ids=["silent figure", "thumbnail that is not there", "unknown figure", "no README"],
)
def test_mistakes_are_named(tiny, name, text, message):
    tiny.write(name, text)
    done = tiny.build()
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("first", "second", "ran", "said"),
    [
        (200, 14, 0, None),
        (200, 29, 0, "warning: the second build took over 15 s"),
        (200, 31, 0, "The second build took over 30 s."),
        (40, 11, 0, "The second build took over a quarter of the first."),
        (200, 14, 1, "The second build ran examples."),
    ],
)
def test_the_gate_holds_the_second_build_to_its_time(tmp_path, first, second, ran, said):
    logs = []
    for name, seconds, count in (("first", first, 30), ("second", second, ran)):
        counted = f"Ran {count} examples in 9 s\n" if count else ""
        logs.append(tmp_path / name)
        logs[-1].write_text(f"{counted}Documentation built in {seconds}.00 seconds\n")
    script = Path(__file__).parents[2] / ".ci/compare_builds.py"
    done = subprocess.run(
        [sys.executable, script, *logs], capture_output=True, text=True, check=False
    )
    warned = said is None or said.startswith("warning")
    assert done.returncode == (0 if warned else 1)
    assert (said or "") in done.stdout + done.stderr
    assert ("warning" in done.stdout) == (second > 15)
