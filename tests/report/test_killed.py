import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if (folder := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(folder)

from text_models import TEXTS, classifier, content, saved, tokenizer

from interpviz.report import build
from interpviz.report.store import opened

APART = {"data", "images", ".interpviz"}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


def pages(out):
    """What a report shows, without its pictures and the data that hold maps."""
    files = [p for p in out.rglob("*") if p.is_file() and p.relative_to(out).parts[0] not in APART]
    return {p.relative_to(out): p.read_bytes() for p in files}


def killed(kind, model, given, outs, deaths):
    """Reports that were killed on their way, and an undisturbed one."""
    script = Path(__file__).with_name("killed.py")
    call = [sys.executable, script, kind, model, given, outs, str(deaths), "3"]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= deaths
    assert not list(outs.glob("*/**/.part-*"))
    undisturbed = outs / "undisturbed"
    others = [out for out in sorted(outs.iterdir()) if out != undisturbed]
    for out in others:
        assert pages(out) == pages(undisturbed)
    return undisturbed, others


def test_reports_killed_twenty_times_are_those_of_an_undisturbed_run(
    net, photos, tmp_path, data, assert_same
):
    folder = photos(24)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    undisturbed, others = killed("images", net, folder, tmp_path / "outs", 20)
    for out in others:
        assert_same(data(out), data(undisturbed))


def test_reports_of_texts_killed_on_the_way_are_those_of_an_undisturbed_run(tmp_path):
    model = saved(classifier(), tokenizer(tmp_path / "words"), tmp_path / "model")
    labels = ["good", "bad"] * len(TEXTS)
    lines = [json.dumps({"text": t, "label": n}) for t, n in zip(TEXTS, labels, strict=False)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "{"]))
    undisturbed, others = killed("texts", model, tmp_path / "a.jsonl", tmp_path / "outs", 6)
    for out in others:
        assert scripts(out) == scripts(undisturbed)


def scripts(out):
    return {str(p.relative_to(out)): content(p) for p in sorted((out / "data").rglob("*.js"))}


@pytest.mark.parametrize("cut", [1, 2, 40, 333])
def test_a_line_that_was_cut_off_is_dropped_with_all_behind_it(net, photos, tmp_path, cut):
    out = tmp_path / "out"
    build(net, photos(6), out)
    journal = out / ".interpviz" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-cut])
    with opened(out) as store:
        assert journal.stat().st_size < len(whole)
        store.put({"key": "0" * 20, "failed": "a reason"})
    assert whole.startswith(journal.read_bytes().rsplit(b'{"key":"0000', 1)[0])
    assert build(net, tmp_path / "photos", out).explained == 6
