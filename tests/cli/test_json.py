"""One JSON value on standard output and nothing else, whatever is warned of and printed inside."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from interpviz import zoo
from interpviz.cli import doctor
from interpviz.cli.app import app
from interpviz.zoo.provenance import Provenance

if (folder := str(Path(__file__).parents[1] / "report")) not in sys.path:
    sys.path.append(folder)

from text_models import classifier, saved, tokenizer

# Warns and prints where it is made, where it is asked and from a logger.
NOISY = """
import logging, sys, warnings
from net_of_cli_tests import make as usual

def say(where):
    warnings.warn(f"warned {where}")
    print(f"printed {where}")
    logging.getLogger("a.library").error(f"logged {where}")

def make():
    say("when made")
    net, prepare = usual()
    net.register_forward_pre_hook(lambda *_: say("when asked"))
    return net, prepare

def texts():
    from interpviz.zoo.external import find_model
    found = find_model(FOLDER, device="cpu")
    say("when made")
    found.model.register_forward_pre_hook(lambda *_: say("when asked"))
    return found
"""


@pytest.fixture
def noisy(net, tmp_path):
    folder = saved(classifier(), tokenizer(tmp_path / "words"), tmp_path / "model")
    (tmp_path / "noisy_nets.py").write_text(NOISY.replace("FOLDER", repr(str(folder))))
    yield "noisy_nets"
    sys.modules.pop("noisy_nets", None)


@pytest.fixture
def words_of(noisy, photo, tmp_path, monkeypatch):
    """The call of each command that takes --json."""

    def hubs():
        print("printed when asked")
        return []

    def load(_name, *_options):
        print("printed when made")
        return SimpleNamespace(provenance=Provenance("a", "b", "c", "d", "e", "f"))

    monkeypatch.setattr(doctor, "_hubs", hubs)
    monkeypatch.setattr(zoo, "load_model", load)
    (tmp_path / "broken.png").write_bytes(b"no")
    (tmp_path / "lines.jsonl").write_text('{"text": "the cat"}\n{\n')
    out = tmp_path / "out"
    images, texts = f"{noisy}:make", f"{noisy}:texts"
    return {
        "cam": ["cam", photo, tmp_path / "broken.png", "-m", images, "-o", out],
        "attention": ["attention", "the cat sat", "-m", texts, "-o", out / "heads.csv"],
        "report": ["report", "-i", photo.parent, "-m", images, "-o", out],
        "report of texts": ["report", "-t", tmp_path / "lines.jsonl", "-m", texts, "-o", out],
        "doctor": ["doctor"],
        "zoo list": ["zoo", "list"],
        "zoo get": ["zoo", "get", "gpt"],
        "zoo where": ["zoo", "where"],
    }


BOTH = ["when made", "when asked"]


@pytest.mark.parametrize(
    ("command", "noises"),
    [
        ("cam", BOTH),
        ("attention", BOTH),
        ("report", BOTH),
        ("report of texts", BOTH),
        ("doctor", ["when asked"]),
        ("zoo list", []),
        ("zoo get", ["when made"]),
        ("zoo where", []),
    ],
)
@pytest.mark.filterwarnings("ignore:warned")
def test_standard_output_is_one_value(call, words_of, command, noises):
    done = call(*words_of[command], "--json")
    assert done.exit_code in (0, 1), done.output
    assert json.loads(done.stdout)
    for noise in noises:
        assert f"printed {noise}" in done.stderr


def test_every_command_that_takes_json_is_tried(words_of):
    tried = {" ".join(words[: 2 if words[0] == "zoo" else 1]) for words in words_of.values()}
    root = typer.main.get_command(app).commands
    known = {*root} - {"zoo"} | {f"zoo {name}" for name in root["zoo"].commands}
    assert tried == known


def test_warnings_of_a_process_are_on_standard_error(words_of, tmp_path):
    words = [str(word) for word in words_of["cam"]]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "interpviz.cli", *words, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    assert len(json.loads(done.stdout)["figures"]) == 1
    for how in ("warned", "printed", "logged"):
        assert f"{how} when made" in done.stderr
        assert f"{how} when asked" in done.stderr
