"""The build runs what it must, nothing else, and never passes over a failure.

Each test builds a tiny site with the real hooks, in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOOKS = Path(__file__).parents[2] / "docs" / "site"

CONFIG = """
site_name: tiny
site_url: https://example.org/
strict: true
theme: {name: material, font: false}
nav: [{Home: index.md}, {Gallery: generated/gallery}]
hooks: [docs/site/hooks.py]
markdown_extensions: [attr_list, md_in_html]
exclude_docs: |
  /site/
  __pycache__/
  *.md5
  mg_execution_times.md
  /generated/gallery/inputs.json
  /generated/gallery/**/images/*.json
plugins:
  gallery:
    conf_script: docs/site/gallery_conf.py
    examples_dirs: gallery
    gallery_dirs: docs/generated/gallery
    within_subsection_order: FileNameSortKey
    abort_on_example_error: true
    capture_repr: ["_repr_html_"]
    download_all_examples: false
    show_signature: false
    inspect_global_variables: false
"""

EXAMPLE = '''"""
# What is {name}?

One [sentence](https://example.org). Another one that goes on and on, until it has become so long
that there is no room for it on any card of the index, however hard one tries to make it fit.
No room at all.
"""

# %%
# A step.

import os
from pathlib import Path

import matplotlib.pyplot as plt

with Path(os.environ["RAN"]).open("a") as log:
    log.write("{name}\\n")
figure, axes = plt.subplots(figsize=(1, 1))
axes.set_title("A square for {name}")
print("printed by {name}")
'''


class Tiny:
    """A small site and what happened when it was built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "ran.txt"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def build(self) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        environment = {**os.environ, "RAN": str(self.log), "NO_MKDOCS_2_WARNING": "1"}
        environment.pop("INTERPVIZ_WEIGHTS", None)
        return subprocess.run(
            [sys.executable, "-m", "mkdocs", "build"],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def ran(self) -> list[str]:
        return self.log.read_text().split()

    def page(self, name: str) -> Path:
        return self.root / "site" / "generated" / "gallery" / "shapes" / name / "index.html"

    def stamp(self) -> dict[str, object]:
        return json.loads((self.root / "docs/generated/gallery/inputs.json").read_text())


def lay_out(root: Path) -> Tiny:
    tiny = Tiny(root)
    shutil.copytree(HOOKS, root / "docs" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    tiny.write("mkdocs.yml", CONFIG)
    tiny.write("interpviz/__init__.py", "")
    tiny.write("docs/index.md", "# Home\n\n<!-- gallery-figure: shapes/plot_one 1 -->\n")
    tiny.write("gallery/README.md", "# Gallery\n\nAll of it.\n")
    tiny.write("gallery/shapes/README.md", "# Shapes\n\nFlat ones.\n")
    for name in ("one", "two"):
        tiny.write(f"gallery/shapes/plot_{name}.py", EXAMPLE.format(name=name))
    return tiny


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    tiny = lay_out(tmp_path_factory.mktemp("built") / "tiny")
    began = time.monotonic()
    done = tiny.build()
    assert done.returncode == 0, done.stderr
    tiny.first = (tiny.ran(), time.monotonic() - began)
    return tiny


@pytest.fixture
def tiny(built, tmp_path):
    """A copy of the built site, in another folder: what was made is carried along."""
    shutil.copytree(built.root, tmp_path / "tiny")
    return Tiny(tmp_path / "tiny")


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


def test_the_home_page_shows_a_figure_and_links_to_its_example(built):
    home = (built.root / "site/index.html").read_text()
    assert 'src="generated/gallery/shapes/images/plot_one_1_light.webp#only-light"' in home
    assert 'src="generated/gallery/shapes/images/plot_one_1_dark.webp#only-dark"' in home
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
    assert tiny.ran() == ["one", "two"]
    assert "because of a change in interpviz/" in done.stderr


def test_what_is_removed_disappears_and_nothing_else_runs(tiny):
    (tiny.root / "gallery/shapes/plot_two.py").unlink()
    assert tiny.build().returncode == 0
    assert tiny.ran() == []
    left = [path.name for path in (tiny.root / "site").rglob("*plot_two*")]
    assert left == []
    assert "plot_two" not in (tiny.root / "site/generated/gallery/index.html").read_text()


def test_a_renamed_section_leaves_nothing_behind(tiny):
    (tiny.root / "gallery/shapes").rename(tiny.root / "gallery/forms")
    tiny.write("docs/index.md", "# Home\n")
    assert tiny.build().returncode == 0
    assert not (tiny.root / "site/generated/gallery/shapes").exists()
    assert (tiny.root / "site/generated/gallery/forms/plot_one/index.html").is_file()


def test_a_failing_example_fails_every_build_until_it_is_repaired(tiny):
    broken = EXAMPLE.format(name="two") + "raise ValueError('the sky fell')\n"
    tiny.write("gallery/shapes/plot_two.py", broken)
    for _ in range(2):
        done = tiny.build()
        assert done.returncode != 0
        assert "the sky fell" in done.stderr
        assert tiny.ran() == ["two"]
        assert tiny.stamp()["complete"] is False
    # As it was before: the pictures of the failed run must not be taken for its own.
    tiny.write("gallery/shapes/plot_two.py", EXAMPLE.format(name="two"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["two"]
    assert tiny.stamp()["complete"] is True


def test_a_build_cut_off_in_the_middle_goes_on_where_it_stopped(tiny):
    shutil.rmtree(tiny.root / "docs/generated")
    cut = EXAMPLE.format(name="two") + "os._exit(9)\n"
    tiny.write("gallery/shapes/plot_two.py", cut)
    assert tiny.build().returncode == 9
    assert tiny.ran() == ["one", "two"]
    assert tiny.stamp()["complete"] is False
    tiny.write("gallery/shapes/plot_two.py", EXAMPLE.format(name="two"))
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["two"]


def test_an_example_whose_page_was_not_written_runs_again(tiny):
    (tiny.root / "docs/generated/gallery/shapes/plot_one.md").unlink()
    assert tiny.build().returncode == 0
    assert tiny.ran() == ["one"]


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


# What decides whether examples run again, without a build


@pytest.fixture
def checkout(tmp_path):
    for name in ("interpviz/a.py", "interpviz/b/c.json", "docs/site/hooks.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["torch"]\n')
    return tmp_path


OPTIONS = {"capture_repr": ["_repr_html_"]}


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("interpviz/a.py", "2", ["interpviz/"]),
        ("interpviz/b/c.json", "2", ["interpviz/"]),
        ("interpviz/new.py", "2", ["interpviz/"]),
        ("docs/site/hooks.py", "2", ["docs/site/"]),
        (
            "pyproject.toml",
            '[project]\nname = "x"\ndependencies = ["torch<3"]\n',
            ["the requirements in pyproject.toml"],
        ),
        ("pyproject.toml", '[project]\ndependencies = ["torch"]\n[tool.ruff]\n', []),
        ("interpviz/__pycache__/a.pyc", "2", []),
        ("README.md", "2", []),
    ],
)
def test_inputs_of_files(checkout, name, text, changed):
    import digest

    before = digest.inputs(checkout, OPTIONS)
    path = checkout / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert digest.differing(before, digest.inputs(checkout, OPTIONS)) == changed


def test_inputs_of_options_weights_and_versions(checkout, monkeypatch):
    import digest

    before = digest.inputs(checkout, OPTIONS)
    assert digest.differing(before, digest.inputs(checkout, {})) == [
        "the gallery's options in mkdocs.yml"
    ]
    monkeypatch.setenv("INTERPVIZ_WEIGHTS", "packaged")
    assert digest.differing(before, digest.inputs(checkout, OPTIONS)) == ["INTERPVIZ_WEIGHTS"]
    monkeypatch.delenv("INTERPVIZ_WEIGHTS")
    monkeypatch.setattr(digest, "version", lambda name: "99")
    assert digest.differing(before, digest.inputs(checkout, OPTIONS)) == ["installed versions"]


def test_inputs_do_not_depend_on_where_the_checkout_lies(checkout, tmp_path_factory):
    import digest

    other = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(checkout, other)
    assert digest.inputs(checkout, {"examples_dirs": [checkout / "gallery"]}) == digest.inputs(
        other, {"examples_dirs": [other / "gallery"]}
    )


def test_a_stamp_cut_off_while_it_was_written_counts_as_none(tmp_path):
    import layout
    import stale

    places = layout.Layout(tmp_path, tmp_path / "docs", tmp_path / "gallery")
    places.gallery.mkdir(parents=True)
    (places.generated / "old.md").write_text("old")
    places.stamp.write_text('{"complete": tr')
    stale.clear_changed(places, {"x": "1"})
    assert [path.name for path in places.generated.rglob("*.*")] == ["inputs.json"]
    assert not stale.is_complete(places)
