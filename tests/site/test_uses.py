"""What the site reads from scripts: names, models, tags, neighbours, and where it shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INIT = '__all__ = ["CAM", "Grad", "layer_name"]\n'
GRAD = '''"""
# Maps

Maps. [`CAM.draw`][interpviz.cam.CAM.draw] draws them; see [`layer_name`]
[interpviz.cam.layer_name].
"""

import interpviz.cam as ic
from interpviz import Grad
from interpviz.cam.engine import inner
from interpviz.zoo import load_model

families = ["resnet", "vgg"]
for family in families:
    m = load_model(family)
for family in ["not a model"]:
    print(family)
Grad(m).draw()
ic.CAM(m)
'''


@pytest.fixture
def layout(tmp_path):
    from layout import Layout

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("interpviz/cam/__init__.py", INIT)
    write("interpviz/zoo.py", "def load_model(): pass\n\ndef _hidden(): pass\n")
    write("docs/reference/cam.md", "# cam\n\n::: interpviz.cam\n    options: {}\n")
    write("docs/reference/zoo.md", "::: interpviz.zoo\n")
    write("gallery/README.md", "# Gallery\n")
    write("gallery/cam/README.md", "# Class *maps*\n")
    write("gallery/cam/plot_grad.py", GRAD)
    write(
        "gallery/cam/plot_other.py",
        '"""\n# Other\n\nText.\n"""\nfrom interpviz.cam import Grad\n'
        'from interpviz.zoo import load_model\nmodels = {"a": load_model("vgg")}\n',
    )
    write("gallery/text/README.md", "# Text\n")
    write(
        "gallery/text/plot_far.py",
        '"""\n# Far\n\nText.\n"""\nfrom interpviz.zoo import load_model\n'
        'm = load_model("bert", weights="packaged")\n',
    )
    return Layout(tmp_path, tmp_path / "docs", tmp_path / "gallery")


@pytest.fixture
def found(layout):
    from uses import public_names, uses

    public = public_names(layout)
    return {example: uses(example, public) for example in layout.examples()}


def by_key(found, key):
    return next(used for example, used in found.items() if example.key == key)


def test_public_names_are_those_of_the_reference(layout):
    from uses import public_names

    assert public_names(layout) == {
        "interpviz.cam.CAM": "reference/cam.md",
        "interpviz.cam.Grad": "reference/cam.md",
        "interpviz.cam.layer_name": "reference/cam.md",
        "interpviz.zoo.load_model": "reference/zoo.md",
    }


def test_names_are_found_however_they_are_imported(found):
    used = by_key(found, "cam/plot_grad")
    assert set(used.names) == {
        "interpviz.cam.Grad",
        "interpviz.cam.CAM",
        "interpviz.zoo.load_model",
        "interpviz.cam.CAM.draw",
    }
    # Only spoken of, never called.
    assert used.mentioned == ("interpviz.cam.layer_name",)


def test_models_are_found_through_the_loop_that_names_them(found):
    assert by_key(found, "cam/plot_grad").models == ("resnet", "vgg")
    assert by_key(found, "cam/plot_other").models == ("vgg",)
    assert by_key(found, "text/plot_far").models == ("bert",)


@pytest.mark.parametrize(
    "code",
    [
        'for name, layer in wanted.items():\n    load_model(name)\nwanted = {"a": 1, "b": 2}',
        'pair = {n: zoo.load_model(n) for n in ("a", "b")}',
        'name = "a"\nload_model(name)\nload_model("b")',
    ],
)
def test_models_in_other_shapes(layout, code):
    from uses import uses

    example = layout.examples()[0]
    example.source.write_text(f'"""# T"""\n{code}\n', encoding="utf-8")
    assert uses(example, ()).models == ("a", "b")


@pytest.mark.parametrize(
    "code",
    ['CAM.from_name("grad++")', 'for name in ("grad", "grad++"):\n    CAM.from_name(name)(model)'],
)
def test_methods_are_found_by_the_names_that_scripts_ask_for(code):
    import uses

    known = frozenset({"interpviz.cam.CAM", "interpviz.cam.GradPlusPlus", "interpviz.zoo.grad"})
    found = uses._read(f"from interpviz.cam import CAM\n{code}\n", known)
    assert found.names == ("interpviz.cam.CAM", "interpviz.cam.GradPlusPlus")


def test_every_script_of_the_gallery_uses_something_that_the_reference_has():
    from layout import Layout
    from uses import public_names, uses

    layout = Layout(ROOT, ROOT / "docs", ROOT / "gallery")
    public = public_names(layout)
    for example in layout.examples():
        used = uses(example, public)
        assert used.names, example.key
        words = example.text
        assert all(f'"{model}"' in words for model in used.models), example.key


def test_the_nearest_shares_the_rarest(layout, found):
    from related import related

    grad, other, far = layout.examples()
    assert related(grad, found) == [other, far]
    assert related(grad, found, count=1) == [other]
    # Of equals, the earlier one.
    assert related(far, found) == [grad, other]


def test_cards_carry_their_tags_and_buttons_count_them(layout, found):
    from filters import buttons, tags

    tagged = {example: tags(example, used) for example, used in found.items()}
    html = buttons(tagged, {"cam": "Class *maps*", "text": "Text"})
    chips = re.findall(r'data-kind="(\w+)" data-value="([^"]+)">([^<]+) <[^>]+>(\d+)<', html)
    assert [chip for chip in chips if chip[0] == "topic"] == [
        ("topic", "cam", "Class maps", "2"),
        ("topic", "text", "Text", "1"),
    ]
    assert [chip[1:] for chip in chips if chip[0] == "model"] == [
        ("vgg", "vgg", "2"),
        ("bert", "bert", "1"),
        ("resnet", "resnet", "1"),
    ]
    # What loads, draws and describes is on every page, and no method.
    assert {chip[1] for chip in chips if chip[0] == "method"} == {"Grad", "CAM", "CAM.draw"}
    assert "2 more" in html


def test_one_example_needs_no_filter(layout, found):
    from filters import buttons, tags

    example = layout.examples()[0]
    assert buttons({example: tags(example, found[example])}, {"cam": "Maps"}) == ""


def test_a_reference_page_shows_its_examples(layout):
    import seen

    page = '<p>x</p><backlinks identifier="interpviz.cam.Grad" handler="python" />'
    html = seen.insert(page, seen.examples_by_name(layout), layout, lambda path: f"../{path}")
    assert html.index("iv-seen") < html.index("<backlinks")
    assert re.findall(r'<a href="([^"]+)"><span>([^<]+)', html) == [
        ("../generated/gallery/cam/plot_grad.md", "Maps"),
        ("../generated/gallery/cam/plot_other.md", "Other"),
    ]
    unseen = '<backlinks identifier="interpviz.cam.nowhere" handler="python" />'
    assert seen.insert(unseen, seen.examples_by_name(layout), layout, str) == unseen


def test_of_the_references_only_those_from_the_guide_are_left():
    import seen

    def crumb(url, words):
        return f'<span class="doc doc-backlink-crumb last">\n<a href="{url}">{words}</a></span>'

    crumbs = crumb("../../generated/gallery/x/", "X") + crumb("../../guide/cam/#a", "A")
    page = f'<i></i><div class="doc doc-backlinks"><ul>{crumbs}</ul>\n</div><b></b>'
    left = '<p class="iv-guides">In the guide: <a href="../../guide/cam/#a">A</a></p>'
    assert seen.shorten(page) == f"<i></i>{left}<b></b>"
    assert seen.shorten(page.replace("/guide/", "/other/")) == "<i></i><b></b>"


def finished(layout):
    """The examples with the pages and records that a run leaves."""
    import pages
    import timing

    for example in layout.examples():
        example.folder.mkdir(parents=True, exist_ok=True)
        example.page.write_text(f"# {example.title}\n\n{pages.END}\n", encoding="utf-8")
        weights = ("A & B, from x 1.0; sha256 01234567",)
        timing.save(example, timing.Run(72.0, 72.0, 1500, weights, finished=True))


def test_a_page_ends_with_how_to_run_it_what_it_uses_and_what_is_near(layout):
    import feet

    finished(layout)
    feet.write(layout)
    grad, other, far = layout.examples()
    text = grad.page.read_text(encoding="utf-8")
    assert text.startswith("# Maps\n")
    for part in (
        "(plot_grad.py){ .md-button download }",
        "(plot_grad.ipynb){ .md-button download }",
        "/blob/gh-pages/latest/generated/gallery/cam/plot_grad.ipynb){ .md-button }",
        "1.2 minutes and 1.5 GB of memory",
        "A &amp; B, from x 1.0; sha256 01234567",
        "[`resnet`](../index.md?model=resnet)",
        "[`Grad`][interpviz.cam.Grad]",
        "[Other](plot_other.md)",
        "[Far](../text/plot_far.md)",
    ):
        assert part in text, part
    assert "[Maps]" not in text
    before = [example.page.stat().st_mtime_ns for example in (grad, other, far)]
    feet.write(layout)
    assert [example.page.stat().st_mtime_ns for example in (grad, other, far)] == before


def test_a_page_whose_network_is_trained_in_it_says_so(layout):
    import feet
    import timing

    trained = layout.scripts / "text/plot_trained.py"
    trained.write_text('"""\n# Trained\n\nText.\n"""\nfit(net)\n', encoding="utf-8")
    finished(layout)
    for example in layout.examples():
        timing.save(example, timing.Run(72.0, 72.0, 1500, finished=True))
    feet.write(layout)
    grad, _, _, fresh = layout.examples()
    none = "<dt>Weights</dt><dd markdown>none are loaded: a network on this page is trained in it"
    assert none in fresh.page.read_text(encoding="utf-8")
    # It loads models and prints nothing of them, of which nothing can be said.
    assert "<dt>Weights</dt>" not in grad.page.read_text(encoding="utf-8")


def test_the_end_of_a_page_follows_the_other_examples(layout):
    import feet

    finished(layout)
    feet.write(layout)
    grad, _, far = layout.examples()
    far.source.unlink()
    feet.write(layout)
    text = grad.page.read_text(encoding="utf-8")
    assert "[Far]" not in text
    assert text.count("## Related examples") == 1


def notebook(example, cells):
    example.folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 0, "metadata": {}})
    example.notebook.write_text(text, encoding="utf-8")


def test_a_notebook_installs_what_it_needs_in_colab_only(layout):
    import pages

    example = layout.examples()[0]
    prose = {"cell_type": "markdown", "metadata": {}, "source": ["[`X`][interpviz.cam.X]"]}
    notebook(example, [prose])
    for _ in range(2):
        pages.finish_notebook(example)
        first, second = json.loads(example.notebook.read_text(encoding="utf-8"))["cells"]
    source = "".join(first["source"])
    assert source.endswith(
        'if "google.colab" in sys.modules:\n    %pip install --quiet "interpviz[models]"'
    )
    assert second["source"] == [f"[`X`]({pages.SITE_URL}reference/cam/#interpviz.cam.X)"]
    example.source.write_text(f"{GRAD}\nGrad(m).video(x)\n", encoding="utf-8")
    fresh = type(example)(example.source, example.folder)
    pages.finish_notebook(fresh)
    assert "interpviz[models,video]" in example.notebook.read_text(encoding="utf-8")


def test_pages_show_light_copies_and_links_keep_every_pixel():
    from lightness import lightened, unindexed

    source = "images/plot_x_12_dark.webp#only-dark"
    page = f'<head></head><a href="{source}"><img alt="a" src="../{source}"></a>'
    html = lightened(page)
    assert f'<a href="{source}">' in html
    assert (
        '<img decoding="async" alt="a" src="../images/plot_x_12_dark_small.webp#only-dark">' in html
    )
    assert "search_index" in html.split("</head>")[0]
    other = '<img src="images/thumb/plot_x_dark.webp#only-dark"><img src="logo.svg">'
    assert lightened(other) == other
    assert unindexed('<div class="a highlight b">') == (
        '<div data-search-exclude class="a highlight b">'
    )
