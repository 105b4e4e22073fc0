"""What decides whether examples run again, without a build."""

from __future__ import annotations

import shutil

import pytest


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
        ("interpviz/zoo/weights/small.safetensors", "2", ["interpviz/"]),
        ("interpviz/render/views/views.css", "2", ["interpviz/"]),
        ("interpviz/report/site/shell/stylesheets/report.css", "2", ["interpviz/"]),
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
    path.parent.mkdir(parents=True, exist_ok=True)
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
    places.scripts.mkdir()
    (places.generated / "old.md").write_text("old")
    places.stamp.write_text('{"complete": tr')
    stale.clear_changed(places, {"x": "1"})
    assert [path.name for path in places.generated.rglob("*.*")] == ["inputs.json"]
    assert not stale.is_complete(places)


def test_how_long_examples_took_outlives_their_pages(tmp_path):
    import layout
    import stale
    import timing

    places = layout.Layout(tmp_path, tmp_path / "docs", tmp_path / "gallery")
    script = places.scripts / "cam" / "plot_a.py"
    script.parent.mkdir(parents=True)
    script.write_text('"""# A"""')
    (example,) = places.examples()
    run = timing.Run(2.0, 3.0, 400, finished=True)
    timing.save(example, run)
    (example.images / "plot_a_1_light.webp").write_text("picture")
    stale.clear_changed(places, {"x": "1"})
    assert timing.load(example) == run
    assert [path.name for path in example.images.iterdir()] == ["plot_a.run.json"]
    script.write_text('"""# B"""')
    script.rename(script.with_name("plot_b.py"))
    example.script.write_text("old")
    assert stale.drop_removed(places) == ["cam/plot_a"]
    assert timing.load(example) is None
