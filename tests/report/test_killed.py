import os
import subprocess
import sys
from pathlib import Path

import pytest

from interpviz.report import build
from interpviz.report.store import opened

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_report_that_was_killed_again_and_again_is_the_same(
    net, photos, tmp_path, data, assert_same, seed
):
    folder = photos(40)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    build(net, folder, tmp_path / "undisturbed", batch_size=4, workers=2)
    script = Path(__file__).with_name("killed.py")
    call = [sys.executable, script, net, folder, tmp_path / "killed-out", "7", str(seed)]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    deaths, last = map(int, done.stdout.split())
    assert deaths >= 4
    assert last == 0
    assert_same(data(tmp_path / "killed-out"), data(tmp_path / "undisturbed"))
    left = [p.name for p in tmp_path.glob("killed-out/**/.part-*")]
    assert not left


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
