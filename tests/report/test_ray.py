"""The same report from a Ray cluster, whatever happens to its workers."""

import os
import signal
import subprocess
import sys

import pytest

from interpviz.errors import InputError
from interpviz.report import build

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by a signal")


@pytest.fixture
def cluster(net_module, monkeypatch):
    """A cluster of four processors, whose workers find the module of the net."""
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200 << 20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


def test_as_on_one_machine(cluster, net, photos, tmp_path, data, assert_same):
    folder = photos(30)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    build(net, folder, tmp_path / "local", batch_size=4)
    summary = build(net, folder, tmp_path / "ray", engine="ray", batch_size=4, workers=2)
    assert summary.explained == 30
    assert [name for name, _ in summary.failures] == ["pear/broken.png"]
    assert_same(data(tmp_path / "ray"), data(tmp_path / "local"))
    # What is known is not done again, by either engine.
    again = build(net, folder, tmp_path / "ray", engine="ray", batch_size=4, workers=2)
    assert (again.explained, again.new) == (30, 0)
    assert build(net, folder, tmp_path / "ray", batch_size=4).new == 0


def workers_of_ray() -> list[int]:
    """The processes that hold the model."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    rows = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, args in rows if args.startswith("ray::MapWorker")]


def test_a_worker_that_dies(cluster, net, photos, tmp_path, data, assert_same):
    folder, killed = photos(60), []
    build(net, folder, tmp_path / "local", batch_size=4)

    def kill_one(counts):
        if not killed and counts.explained >= 8:
            killed.extend(workers_of_ray()[:1])
            os.kill(killed[0], signal.SIGKILL)

    options = {"engine": "ray", "batch_size": 4, "workers": 2}
    summary = build(net, folder, tmp_path / "ray", progress=kill_one, **options)
    assert killed
    assert (summary.explained, summary.new, summary.failures) == (60, 60, [])
    assert_same(data(tmp_path / "ray"), data(tmp_path / "local"))


@pytest.mark.parametrize("engine", ["rey", "cloud"])
def test_engines_that_are_not_there(engine, net, photos, tmp_path):
    with pytest.raises(InputError, match="engine is"):
        build(net, photos(2), tmp_path / "out", engine=engine)


def test_ray_that_is_not_installed(net, photos, tmp_path, monkeypatch):
    from interpviz.report import engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"interpviz\[ray\]"):
        build(net, photos(2), tmp_path / "out", engine="ray")
