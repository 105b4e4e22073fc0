"""0 all is done, 1 some failed, 2 nothing could be done, 70 an error that was not foreseen."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from interpviz import cli, zoo
from interpviz.cli import cam
from interpviz.errors import AssetError

FAILING = """
import argparse

def key(): return {}["depth"]
def value(): raise ValueError("no such\\ndepth.")
def wanting(depth): pass
def silent(): raise LookupError
def file(): return open("no-such-file.pt")
def script(): argparse.ArgumentParser().parse_args(["--unknown"])
"""

# Refuses pictures that are wide.
PICKY = """
from net_of_cli_tests import make as usual

KINDS = {"value": ValueError, "memory": MemoryError, "runtime": RuntimeError, "key": KeyError}

def picky(kind):
    net, prepare = usual()
    def of_picture(image):
        if image.width > 100:
            raise KINDS[kind]("wide")
        return prepare(image)
    return net, of_picture

def value(): return picky("value")
def memory(): return picky("memory")
def runtime(): return picky("runtime")
def key(): return picky("key")
"""


@pytest.fixture
def written(tmp_path, net):
    """Writes a module that can be imported, and forgets it afterwards."""
    names = []

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        names.append(name)
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def wide(photo):
    path = photo.with_name("wide.png")
    Image.open(photo).resize((120, 40)).save(path)
    return path


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("key", "KeyError ('depth')"),
        ("value", "ValueError (no such depth)"),
        ("wanting", "TypeError (wanting() missing 1 required positional argument: 'depth')"),
        ("silent", "raised LookupError:"),
        ("file", "FileNotFoundError"),
        ("script", "SystemExit (2)"),
    ],
)
@pytest.mark.parametrize("command", ["cam", "attention", "report"])
def test_a_function_that_raises_is_named(
    call, written, photo, tmp_path, *, command, function, said
):
    model = f"{written('failing_nets', FAILING)}:{function}"
    out = ["-o", tmp_path / "out.png"]
    given = {"cam": [photo], "attention": ["words"], "report": ["-i", photo.parent]}[command]
    done = call(command, *given, "-m", model, *out)
    assert done.exit_code == 2, done.output
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("Error"))
    assert f"The function failing_nets:{function} raised" in line
    assert said in line


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError (division by zero)"),
        ("def make(:", "SyntaxError"),
        ("import nothing_of_this_name", "ModuleNotFoundError (No module named 'nothing_of"),
        ("raise SystemExit('usage')", "SystemExit (usage)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(call, written, photo, source, said):
    done = call("cam", photo, "-m", f"{written('broken_nets', source)}:make")
    assert done.exit_code == 2, done.output
    assert "The module 'broken_nets' cannot be imported, since it raised" in done.stderr
    assert said in done.stderr
    assert "There is no module" not in done.stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("value", "ValueError: wide"),
        ("memory", "MemoryError: wide"),
        ("runtime", "RuntimeError: wide"),
        ("key", "KeyError: 'wide'"),
    ],
)
def test_a_picture_that_is_refused_takes_no_other_with_it(
    call, written, photo, wide, tmp_path, *, kind, said
):
    model = f"{written('picky_nets', PICKY)}:{kind}"
    out = tmp_path / "out"
    done = call("cam", photo, wide, photo, "-m", model, "-o", out, "--json")
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert told["failed"] == [{"image": str(wide), "reason": said}]
    assert [figure["out"] for figure in told["figures"]] == [
        str(out / "photo-gradcam.png"),
        str(out / "photo-gradcam-2.png"),
    ]
    assert {str(path) for path in out.iterdir()} == {f["out"] for f in told["figures"]}
    done = call("cam", wide, wide, "-m", model, "-o", tmp_path / "none")
    assert done.exit_code == 2
    assert done.stderr.count(f"wide.png: {said}") == 2


def test_a_picture_too_large_for_the_memory_takes_no_other_with_it(
    call, net, photo, wide, tmp_path, monkeypatch
):
    from interpviz.report import decode

    decoded = decode.decode

    def decode_small(data):
        if data == wide.read_bytes():
            raise MemoryError
        return decoded(data)

    monkeypatch.setattr(decode, "decode", decode_small)
    done = call("cam", wide, photo, "-m", net, "-o", tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert "wide.png: MemoryError\n" in done.stderr


def test_a_figure_before_a_method_that_fails_is_told(call, net, photo, tmp_path, monkeypatch):
    from interpviz.cam import LayerCAM

    def fail(*_args, **_options):
        raise ValueError("not this one")

    monkeypatch.setattr(LayerCAM, "class_maps", fail)
    words = ["--method", "gradcam", "--method", "layercam", "--json", "-o", tmp_path / "out"]
    done = call("cam", photo, "-m", net, *words)
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert [figure["method"] for figure in told["figures"]] == ["gradcam"]
    assert [failed["reason"] for failed in told["failed"]] == ["ValueError: not this one"]


def test_a_class_that_is_not_there_is_said_once(call, net, photo, tmp_path):
    done = call("cam", photo, photo, photo, "-m", net, "-t", "aple", "-o", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.count("'aple'") == 1


def test_a_folder_that_is_a_file_is_said_before_any_picture(call, net, photo, monkeypatch):
    monkeypatch.setattr(cam._Drawn, "all_of", lambda *_: pytest.fail("a picture was explained"))
    done = call("cam", photo, photo, "-m", net, "-o", photo / "below")
    assert done.exit_code == 2, done.output
    assert "Error: NotADirectoryError" in done.stderr


@pytest.mark.parametrize("error", [IndexError, ValueError, KeyError, RuntimeError])
def test_a_text_that_the_model_refuses_is_said(call, written, tmp_path, error):
    source = f"""
from torch import nn
from interpviz.zoo.any_model import Loaded

def refuse(*_args, **_options):
    raise {error.__name__}("index out of range in self")

def make():
    return Loaded("", nn.Linear(1, 1), None, tokenizer=refuse)
"""
    model = f"{written('refusing_nets', source)}:make"
    done = call("attention", "the cat", "-m", model, "-o", tmp_path / "a.png")
    assert done.exit_code == 2, done.output
    assert "refusing_nets:make does not take this text" in done.stderr
    assert error.__name__ in done.stderr


def test_layers_are_names_or_whole_numbers(call, net, photo):
    done = call("cam", photo, "-m", net, "-t", "--5")
    assert done.exit_code == 2, done.output
    assert "'--5'" in done.stderr


def test_models_that_cannot_be_fetched_are_listed(call, monkeypatch):
    def load(name, *_):
        if name == "gpt":
            raise AssetError("The weights of gpt\ncannot be had.")
        return SimpleNamespace(provenance="weights of mine")

    monkeypatch.setattr(zoo, "load_model", load)
    done = call("zoo", "get", "gpt", "bert")
    assert done.exit_code == 1, done.output
    assert "weights of mine" in done.stdout
    assert "gpt: The weights of gpt cannot be had." in done.stderr
    done = call("zoo", "get", "gpt")
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize("error", [ImportError, MemoryError, EOFError])
def test_what_the_machine_lacks_is_a_sentence(call, net, photo, monkeypatch, error):
    from interpviz.zoo import external

    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(external, "find_model", fail)
    done = call("cam", photo, "-m", net)
    assert done.exit_code == 2, done.output
    assert f"Error: {error.__name__}\n" in done.stderr


@pytest.fixture
def ended(monkeypatch, capfd):
    """How the command itself ends, not the app within it, and what it says on standard error."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    def end(*words):
        monkeypatch.setattr(sys, "argv", ["interpviz", *map(str, words)])
        with pytest.raises(SystemExit) as exit_of:
            cli.main()
        return exit_of.value.code, capfd.readouterr().err

    return end


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_an_error_that_was_not_foreseen_ends_with_70(ended, monkeypatch, place):
    from interpviz.cli import doctor

    def fail(*_args):
        raise KeyError("a slip of ours")

    monkeypatch.setattr(doctor, "_libraries" if place == "inside" else "print_table", fail)
    monkeypatch.setattr(doctor, "_hubs", list)
    code, said = ended("doctor")
    assert code == 70
    assert "KeyError" in said
    assert "a slip of ours" in said
    assert "fail" in said  # the traceback
    assert said.strip().splitlines()[-1].startswith("Error: interpviz did not foresee this")


def test_the_command_ends_as_the_app_does(ended):
    assert ended("zoo", "list")[0] == 0
    assert ended("zoo", "lst")[0] == 2
    assert ended("zoo", "get", "nothing")[0] == 2


def test_without_typer_the_command_says_what_it_needs():
    source = "import sys; sys.modules['typer'] = None; from interpviz import cli; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The command line needs typer: pip install")
    assert len(done.stderr.splitlines()) == 1


def test_the_help_and_the_guide_name_every_code(call):
    shown = call("--help", env={"COLUMNS": "300"}).output
    guide = Path(__file__).parents[2] / "docs" / "guide" / "command-line.md"
    rows = [line for line in guide.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    for code in ("0", "1", "2", "70"):
        assert f" {code} " in shown
        assert any(row.startswith(f"| {code} |") for row in rows)
