"""What the pages say is so: messages, papers, names and code."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import unicodedata
from pathlib import Path

import pytest
from mkdocs.utils import yaml_load

import interpviz
from interpviz import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in (*DOCS.glob("*.md"), *DOCS.glob("guide/*.md"), ROOT / "README.md")
    if path.name != "changelog.md"
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
ANY = "\N{REPLACEMENT CHARACTER}"
IGNORED = "%"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# Messages


def sentence(node: ast.AST) -> str | None:
    """The text of a string in the code, with one sign in the place of everything computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[^{}]*\}", ANY, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else ANY for p in node.values)
    return None


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    found = []
    for path in sorted((ROOT / "interpviz").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if has_docstring(n)}
        texts = (sentence(node) for node in ast.walk(tree))
        found += [text for text in texts if text and text not in docstrings]
    return found


def has_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def quotes(text: str) -> list[str]:
    """The quoted messages of a page: blocks of lines that begin with `>`."""
    blocks = re.findall(r"(?:^> ?.*\n?)+", text, re.MULTILINE)
    return [" ".join(block.replace("> ", "").split()) for block in blocks]


def occurs(quote: str, sentences: list[str]) -> bool:
    # Signs around what is filled in belong to the value's own look.
    parts = [part.strip("' ") for part in quote.split("…")]
    fixed = [part for part in parts if part]
    pattern = re.compile(".*".join(map(re.escape, fixed)), re.DOTALL)
    return bool(fixed) and any(pattern.search(text) for text in sentences)


@pytest.mark.parametrize("name", ["docs/troubleshooting.md", "docs/guide/devices.md"])
def test_quoted_messages_are_those_of_the_code(name, sentences):
    found = quotes(read(name))
    assert found
    assert [quote for quote in found if not occurs(quote, sentences)] == []


def test_a_message_that_is_gone_would_be_noticed(sentences):
    assert occurs("No layer could be chosen for …, since …: name one", sentences)
    assert not occurs("No layer could be picked for …, since …: name one", sentences)
    assert not occurs("…", sentences)


def test_every_kind_of_error_has_an_entry():
    text = read("docs/troubleshooting.md")
    kinds = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.InterpvizError | errors.InterpvizWarning)
    ]
    assert len(kinds) > 8
    missing = [k for k in kinds if f"interpviz.errors.{k}" not in text and k != "InterpvizWarning"]
    assert missing == []


# Papers

ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r"^  (\w+)\s*= \{(.*)\},?$", re.MULTILINE)


def entries() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"```bibtex\n(.*?)```", read("docs/citations.md"), re.DOTALL)
    found = [entry for block in blocks for entry in ENTRY.findall(block)]
    assert len({key for _, key, _ in found}) == len(found)
    return {key: dict(FIELD.findall(body)) for _, key, body in found}


def letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def test_bibliography_entries_are_whole():
    for key, fields in entries().items():
        assert {"title", "author", "year"} <= fields.keys(), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert all(value.count("{") == value.count("}") for value in fields.values()), key
        assert any(w in fields for w in ("booktitle", "journal", "eprint", "url", "howpublished"))
    text = "".join(re.findall(r"```bibtex\n(.*?)```", read("docs/citations.md"), re.DOTALL))
    assert len(re.findall(r"^@", text, re.MULTILINE)) == len(entries())


PAPER = re.compile(r'"([^"]{10,200}?)",?\s+(?:[A-Z][\w ]+?)?,?\s*((?:19|20)\d\d)')


def papers() -> list[tuple[str, str, str, str]]:
    """Where, quoted title, year and the words before it, of each paper in a docstring."""
    found = []
    for path in sorted((ROOT / "interpviz").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = (ast.get_docstring(node) or "") if has_docstring(node) else ""
            for said in PAPER.finditer(text):
                before = " ".join(text[max(0, said.start() - 160) : said.start()].split())
                where = f"{path.stem}.{getattr(node, 'name', '')}"
                found.append((where, letters(plain_letters(said[1])), said[2], before))
    return found


def by_title() -> dict[str, dict[str, str]]:
    """The entries; a title is also found by its part before a colon or question mark."""
    found = {}
    for fields in entries().values():
        for title in (re.split(r"(?<=\?) |: ", fields["title"])[0], fields["title"]):
            found[letters(plain_letters(title))] = fields
    return found


def test_every_paper_of_a_docstring_is_cited_with_its_year():
    found, cited = papers(), by_title()
    assert len(found) >= 40
    missing = {(where, title) for where, title, _, _ in found if title not in cited}
    assert missing == set()
    wrong = [(where, title) for where, title, year, _ in found if cited[title]["year"] != year]
    assert wrong == []


def test_authors_are_those_of_the_docstrings_in_the_same_order():
    cited, wrong = by_title(), []
    for where, title, _, before in papers():
        authors = plain_letters(cited[title]["author"]).split(" and ")
        surnames = [letters(author.split(",")[0].split()[0]) for author in authors]
        # The first author must be there; of the others, those who are named, in their order.
        place = letters(plain_letters(before)).rfind(surnames[0])
        rest = letters(plain_letters(before))[place:]
        named = [rest.find(name) for name in surnames if name in rest]
        short = "et al" in before[-40:] or "contributors" in before[-40:]
        if place < 0 or named != sorted(named) or not (short or len(named) == len(surnames)):
            wrong.append((where, surnames, before))
    assert wrong == []


def plain_letters(text: str) -> str:
    """Accents and umlauts away, in BibTeX's spelling and in ours."""
    bare = re.sub(r"\\['\"`^~]|[{}]", "", text)
    spelled = unicodedata.normalize("NFKD", bare)
    plain = "".join(c for c in spelled if not unicodedata.combining(c))
    return re.sub("([aou])e", r"\1", plain)


# Names


def known(name: str) -> bool:
    """Whether a dotted name leads to something in the package."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for part in parts[split:]:
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_text_exist(name):
    used = set(re.findall(r"\]\[(interpviz[\w.]*)\]", read(name)))
    assert [each for each in used if not known(each)] == []


def blocks(name: str) -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```", read(name), re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith("--8<--")]


@pytest.mark.parametrize("name", [name for name in NAMES if blocks(name)])
def test_code_compiles_and_uses_what_exists(name):
    for block in blocks(name):
        lines = [line for line in block.splitlines() if not line.startswith(IGNORED)]
        tree = ast.parse("\n".join(lines))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("interpviz"):
                bad = [a.name for a in node.names if not known(f"{node.module}.{a.name}")]
                assert bad == [], block


def test_shown_calls_take_what_they_are_given():
    """Keywords of interpviz's own functions and classes, in the code of all pages."""
    wrong = []
    for name in NAMES:
        bound: dict[str, object] = {"interpviz": interpviz}
        for block in blocks(name):
            lines = [line for line in block.splitlines() if not line.startswith(IGNORED)]
            tree = ast.parse("\n".join(lines))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("interpviz"):
                    for alias in node.names:
                        module = importlib.import_module(node.module)
                        bound[alias.asname or alias.name] = getattr(module, alias.name)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    wrong += [(name, ast.unparse(node), w) for w in unknown(node, bound)]
    assert wrong == []


def unknown(call: ast.Call, bound: dict[str, object]) -> list[str]:
    """Keywords of a call that what is called does not take."""
    parts = ast.unparse(call.func).split(".")
    found = bound.get(parts[0])
    for part in parts[1:]:
        found = getattr(found, part, None)
    if found is None or not callable(found):
        return []
    parameters = inspect.signature(found).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return []
    return [k.arg for k in call.keywords if k.arg and k.arg not in parameters]


# Blocks that need nothing but what they import, and a model that the test brings


@pytest.fixture
def given(pooled_linear):
    import torch

    from interpviz import metrics

    model = pooled_linear()
    return {"model": model, "images": torch.rand(2, 3, 16, 16), "metrics": metrics, "torch": torch}


@pytest.fixture
def pooled_linear():
    import torch
    from torch import nn

    def make() -> nn.Module:
        generator = torch.Generator().manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )
        for parameter in model.parameters():
            parameter.data = torch.rand(parameter.shape, generator=generator) - 0.3
        return model.eval()

    return make


# A line that a test cannot run as it stands, and what stands for it.
STAND_INS = {
    '"layer4"': '"3"',
    '"layer3"': '"0"',
    '"layer2"': '"0"',
    '"cuda", torch.bfloat16': "torch.bfloat16",
}


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("docs/guide/cam.md", "from interpviz import GradCAM"),
        ("docs/guide/which-method.md", "from interpviz.cam import CAM, methods"),
        ("docs/guide/which-layer.md", "from interpviz.cam import GradCAM, find_target_layer"),
        ("docs/guide/which-layer.md", "from interpviz.cam import LayerCAM"),
        ("docs/guide/devices.md", "import torch\n\nfrom interpviz import GradCAM"),
        ("docs/troubleshooting.md", "from torch import nn"),
    ],
)
def test_code_runs(name, start, given, capsys):
    block = next(block for block in blocks(name) if block.startswith(start))
    for shown, ours in STAND_INS.items():
        block = block.replace(shown, ours)
    exec(compile(block, name, "exec"), given)
    if "cam" in given and callable(given["cam"]):
        assert given["cam"](given["images"]).shape == (2, 16, 16)


def test_a_measurement_as_the_guide_shows_it_runs(given):
    block = next(b for b in blocks("docs/guide/trust.md") if "compare_methods" in b)
    exec(compile(block.split("print(table)")[0], "trust.md", "exec"), given)
    assert set(given["table"].methods) == {"gradcam", "layercam", "random"}


def test_attention_as_the_guides_show_it_runs(given):
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=4, num_attention_heads=8,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    model, inputs = BertModel(config).eval(), {"input_ids": torch.tensor([[1, 2, 3]])}
    names = {"model": model, "inputs": inputs, "torch": torch, "tokens": ["a", "b", "c"]}
    for name, start in (
        ("docs/guide/attention.md", "from interpviz import BERTAttentionVisualizer"),
        ("docs/guide/reading-attention.md", "from interpviz.attention import ablate_heads"),
        ("docs/guide/devices.md", "from interpviz import capture_attention"),
    ):
        block = next(block for block in blocks(name) if block.startswith(start))
        exec(compile(block, name, "exec"), names)
    assert names["maps"].weights[0].dtype == torch.bfloat16


def test_the_navigation_lists_every_page():
    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [page for part in parts for page in pages(part)]

    listed = set(pages(yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    folders = ("", "guide", "reference", "students")
    found = {p.relative_to(DOCS).as_posix() for f in folders for p in (DOCS / f).glob("*.md")}
    assert found <= listed
