import json
import sys
from pathlib import Path

import pytest

if (folder := str(Path(__file__).parents[1] / "report")) not in sys.path:
    sys.path.append(folder)

from text_models import classifier, saved, tokenizer


@pytest.fixture
def model(tmp_path):
    return saved(classifier(), tokenizer(tmp_path / "words"), tmp_path / "model")


def test_report_of_texts_tells_counts_and_goes_on(call, model, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nthe cat,good\na dog,bad\n")
    words = ["report", "-m", model, "--texts", tmp_path / "a.csv", "--out", tmp_path / "out"]
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert "2 of 2 texts explained (2 now)" in done.stdout
    assert "of labelled right" in done.stdout
    assert (tmp_path / "out" / "texts.html").is_file()
    again = call(*words, "--json")
    assert (again.exit_code, json.loads(again.stdout)["new"]) == (0, 0)


def test_exit_codes_tell_of_broken_lines(call, model, tmp_path):
    for name, lines, code in (("some", ['{"text": "a cat"}', "{"], 1), ("none", ["{"], 2)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(lines))
        words = ["-m", model, "-t", path, "-o", tmp_path / name, "--no-site", "--json"]
        done = call("report", *words)
        assert done.exit_code == code, done.output
        (failed,) = json.loads(done.stdout)["failed"]
        assert failed["text"] == f"line {len(lines)}"
        assert failed["reason"].startswith("no JSON")


def test_options_reach_the_report(call, model, tmp_path):
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    words = ["-m", model, "-t", tmp_path / "a.txt", "-o", tmp_path / "out", "--no-site"]
    words += ["--layer", "-1", "--max-tokens", "4", "--classes", tmp_path / "names.txt"]
    assert call("report", *words).exit_code == 0
    text = (tmp_path / "out" / "data" / "run.js").read_text()
    run = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    assert (run["shown"], run["options"]["max_tokens"]) == ([2], 4)
    assert run["categories"] == ["one", "two", "three"]


def test_what_does_not_fit_together_is_said(call, model, net, photo, tmp_path):
    (tmp_path / "a.txt").write_text("a cat\n")
    texts = ["-t", tmp_path / "a.txt", "-o", tmp_path / "out"]
    cases = [
        (["-m", model, *texts, "-i", photo.parent], "either --images or --texts"),
        (["-m", model, "-o", tmp_path / "out"], "either --images or --texts"),
        (["-m", model, *texts, "--masks", photo.parent], "--masks is for images"),
        (["-m", model, *texts, "--engine", "ray"], "--engine is for images"),
        (["-m", model, *texts, "--method", "gradcam"], "--method is for images"),
        (["-m", "efficientnet_lite0", *texts], "lite0 has no tokenizer"),
        (["-i", photo.parent, "-o", tmp_path / "out", "--max-tokens", "9"], "is for texts"),
        (["-m", net, *texts], "has no tokenizer"),
        (["-m", model, "-t", tmp_path / "no.txt", "-o", tmp_path / "out"], "There is no file"),
    ]
    for words, reason in cases:
        done = call("report", *words)
        assert done.exit_code == 2, done.output
        assert reason in " ".join(done.stderr.replace("│", " ").split())
        assert not (tmp_path / "out").exists()


def test_the_help_says_what_differs_for_texts(call, model, tmp_path):
    shown = call("report", "--help", env={"COLUMNS": "400"}).output
    for said in (
        "with --texts a name or an index",
        "of texts the first, middle and last",
        "with --images its address",
    ):
        assert said in shown
    (tmp_path / "a.txt").write_text("a cat\n")
    done = call("report", "-m", model, "-t", tmp_path / "a.txt", "-o", "memory://reports/one")
    assert done.exit_code == 2, done.output
    assert "write a report of texts to a folder" in done.stderr
