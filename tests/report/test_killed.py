import os
import subprocess
import sys
from pathlib import Path

import pytest

from interpviz.report import build
from interpviz.report.store import opened

APART = {"data", "images", ".interpviz"}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


def pages(out):
    """What a report shows, without its pictures and the data that hold maps."""
    files = [p for p in out.rglob("*") if p.is_file() and p.relative_to(out).parts[0] not in APART]
    return {p.relative_to(out): p.read_bytes() for p in files}


def test_reports_killed_twenty_times_are_those_of_an_undisturbed_run(
    net, photos, tmp_path, data, assert_same
):
    folder = photos(24)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    outs = tmp_path / "outs"
    call = [sys.executable, Path(__file__).with_name("killed.py"), net, folder, outs, "20", "3"]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 20
    undisturbed = data(outs / "undisturbed")
    killed = [out for out in sorted(outs.iterdir()) if out.name != "undisturbed"]
    for out in killed:
        assert_same(data(out), undisturbed)
        assert pages(out) == pages(undisturbed.out)
    assert not list(outs.glob("*/**/.part-*"))


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
