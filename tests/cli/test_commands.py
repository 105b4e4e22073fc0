import json
import shlex

import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

import interpviz
from interpviz.cam import methods
from interpviz.cli.app import app
from interpviz.zoo import model_names

COMMANDS = ["cam", "attention", "report", "doctor", "zoo", "zoo list", "zoo get", "zoo where"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_of_each_command(call, command):
    shown = call(*command.split(), "--help", env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    if command != "zoo":
        assert f"interpviz {command}" in shown.output


def commands(group, *path):
    """The words before each command, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_examples_in_the_help_are_calls_of_the_command(path):
    command = ALL[path]
    title, *lines = command.epilog.split("\n\n")
    assert (title, bool(lines)) == ("Examples:", True)
    for line in lines:
        words = shlex.split(line.partition(" < ")[0])
        assert tuple(words[: len(path) + 1]) == ("interpviz", *path)
        with command.make_context("interpviz", words[len(path) + 1 :]) as context:
            assert context.args == []


def test_a_wrong_example_would_be_found():
    with pytest.raises(Exception, match="No such option"):
        ALL["cam",].make_context("interpviz", ["cat.jpg", "--targets", "tabby"])


def test_version(call):
    assert call("--version").output.strip() == interpviz.__version__


def completed(shell, line):
    """What a shell is told to offer in the place of the last word of a line."""
    words = line.split(" ")
    asked = {"_INTERPVIZ_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": line}
    if shell == "fish":
        asked |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return CliRunner().invoke(app, prog_name="interpviz", env=asked).output


@pytest.mark.parametrize("command", ["cam x.png", "report"])
def test_methods_are_completed(command):
    told = completed("bash", f"interpviz {command} --method gradcam").split()
    assert told == ["gradcam", "gradcam++"]
    assert set(completed("bash", f"interpviz {command} --method ").split()) == set(methods())


@pytest.mark.parametrize("command", ["cam x.png", "attention words", "report"])
def test_models_are_completed(command):
    told = completed("bash", f"interpviz {command} --model ").split()
    assert set(told) == {*model_names(), "torchvision:", "timm:", "hf:"}
    assert completed("bash", f"interpviz {command} -m efficientnet_l").split() == [
        name for name in model_names() if name.startswith("efficientnet_l")
    ]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_the_names_too(shell):
    told = completed(shell, "interpviz cam x.png --method gradcam")
    assert "gradcam++" in told
    assert "layercam" not in told
    assert "efficientnet_lite0" in completed(shell, "interpviz cam x.png --model effi")


def test_names_of_the_zoo_are_completed_where_one_is_fetched():
    assert completed("bash", "interpviz zoo get ").split() == model_names()


def test_cam_draws_and_prints(call, net, photo, tmp_path):
    done = call("cam", photo, "-m", net, "--top", 2, "--method", "gradcam", "--method",
                "layercam", "--out", tmp_path / "out", "--json", "--layer", "0")  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [f["method"] for f in told["figures"]] == ["gradcam", "layercam"]
    for figure in told["figures"]:
        first, second = figure["classes"]
        assert first["probability"] >= second["probability"]
        assert first["name"] in ("apple", "pear", "plum")
        with Image.open(figure["out"]) as drawn:
            assert min(drawn.size) > 100


def test_cam_takes_targets_and_a_file(call, net, photo, tmp_path):
    out = tmp_path / "one.svg"
    done = call("cam", photo, "-m", net, "-t", "plum", "-t", "0", "-o", out, "--json")
    assert [c["name"] for c in json.loads(done.stdout)["figures"][0]["classes"]] == [
        "plum",
        "apple",
    ]
    assert out.read_text().startswith("<?xml")


def test_cam_takes_class_names(call, net, photo, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\nthree\n")
    given = ("cam", photo, "-m", net, "--out", tmp_path / "one.png", "--classes", names)
    done = call(*given, "-t", "three", "--json")
    assert [c["name"] for c in json.loads(done.stdout)["figures"][0]["classes"]] == ["three"]
    names.write_bytes(b"\xff")
    done = call(*given)
    assert done.exit_code == 2
    assert "cannot be read: pass a text file" in done.stderr


def test_cam_lists_what_it_cannot_read(call, net, photo, tmp_path):
    broken = photo.with_name("broken.png")
    broken.write_bytes(b"no")
    done = call("cam", broken, photo, photo, "-m", net, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "broken.png: not a picture" in done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "photo-gradcam.png",
        "photo-gradcam-2.png",
    }


def test_wrong_calls_end_with_2_and_a_sentence(call, net, photo, tmp_path):
    for words, said in [
        (["cam", photo, "-m", "efficientnet_lite"], "efficientnet_lite0"),
        (["cam", photo, "-m", net, "--method", "gradcan"], "gradcam"),
        (["cam", photo, "-m", net, "--layer", "9"], "9"),
        (["cam", photo, "-m", net, "-t", "aple"], "apple"),
        (["cam", photo, photo, "-m", net, "-o", "x.png"], "several figures"),
        (["cam"], "Missing argument"),
        (["attention", "words", "-m", net], "interpviz cam"),
        (["attention", "words", "-o", "x.txt"], "must end in one of"),
        (["report", "--images", tmp_path / "nowhere", "--out", tmp_path / "o"], "no folder"),
        (["report", "--images", photo.parent], "Missing option"),
        (["zoo", "get", "nothing"], "no model"),
    ]:
        done = call(*words, env={"COLUMNS": "400"})
        assert done.exit_code == 2, (words, done.output)
        assert said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.output


def test_report_tells_counts_and_goes_on(call, net, photo, tmp_path):
    words = ["report", "-m", net, "--images", photo.parent, "--out", tmp_path / "out"]
    first = json.loads(call(*words, "--json").stdout)
    assert (first["total"], first["new"], first["failed"]) == (1, 1, [])
    second = call(*words)
    assert second.exit_code == 0
    assert "1 of 1 images explained (0 now)" in second.stdout
    assert "interpviz" in (tmp_path / "out" / "data" / "run.js").read_text()


def test_report_takes_a_checkpoint_and_class_names(call, net, photo, tmp_path):
    from interpviz.zoo.external import find_model

    model = find_model(net, device="cpu").model
    model[4].bias.data = torch.tensor([0.0, 0.0, 50.0])
    torch.save({"state_dict": model.state_dict()}, tmp_path / "own.pt")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    done = call("report", "-m", net, "-w", tmp_path / "own.pt", "--images", photo.parent, "--out",
                tmp_path / "out", "--classes", tmp_path / "names.txt", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert '"top":[[2,1.0]' in (tmp_path / "out" / "data" / "records-000.js").read_text()
    assert '"three"' in (tmp_path / "out" / "data" / "run.js").read_text()


def test_zoo_and_doctor(call, monkeypatch):
    from interpviz.cli import doctor

    monkeypatch.setattr(doctor, "_hubs", lambda: [{"hub": "a hub", "why_not": "no network"}])
    listed = json.loads(call("zoo", "list", "--json").stdout)
    assert [entry["name"] for entry in listed] == model_names()
    assert "efficientnet_lite0" in call("zoo", "list").output
    told = json.loads(call("doctor", "--json").stdout)
    versions = {library["name"]: library["version"] for library in told["libraries"]}
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert told["devices"][0]["device"] == "cpu"
    shown = call("doctor").output
    assert "no network" in shown
    assert str(told["caches"][0]["folder"]) in call("zoo", "where").output.replace("\n", "")


def test_cam_without_a_figure_ends_with_2(call, net, photo, tmp_path):
    photo.write_bytes(b"no")
    assert call("cam", photo, "-m", net, "-o", tmp_path / "out").exit_code == 2


@pytest.mark.parametrize("error", [OSError, RuntimeError, AssertionError, NotImplementedError])
def test_errors_of_libraries_are_a_sentence(call, net, photo, monkeypatch, error):
    from interpviz.zoo import external

    def fail(*_args, **_options):
        raise error("this went\nwrong")

    monkeypatch.setattr(external, "find_model", fail)
    done = call("cam", photo, "-m", net)
    assert done.exit_code == 2
    assert "this went wrong" in done.stderr
    done = call("cam", photo, "-m", net, "--device", "nowhere")
    assert done.exit_code == 2


def test_doctor_says_why_a_cache_is_not_known(call, monkeypatch):
    import sys

    from interpviz.cli import doctor

    monkeypatch.setattr(doctor, "_hubs", list)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    told = json.loads(call("doctor", "--json").stdout)
    caches = {cache["what"]: cache for cache in told["caches"]}
    assert "huggingface_hub" in caches["Hugging Face hub"]["why_not"]
    assert caches["PyTorch hub"]["folder"]
    assert call("doctor").exit_code == call("zoo", "where").exit_code == 0
    extras = {library["name"]: library["extra"] for library in told["libraries"]}
    assert extras["mkdocs"] == extras["mkdocs-material"] == "report"
